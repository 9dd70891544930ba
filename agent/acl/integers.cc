#include "integers.h"

#include <cstdlib>

#include "describe.h"

namespace chexp {

namespace {

// The sum of (x - zx)(w - zw) is that of x w, less zw times the sum of x, and a
// constant per channel, which is in the bias. Sums wrap, as the CPU provider's do.
void fill_requantization(const Graph& g, const Op& op, const std::vector<int32_t>& weight_sums, size_t terms, Integers* w) {
  const Type in = g.values[op.in[0]].type;
  const size_t n = weight_sums.size();
  w->in_zero = as_signed(op.q_in[0], in).zero;
  w->weight_zero = as_signed({1, op.w_zero}, g.values[op.weights].type).zero;
  w->to.zero = as_signed(op.q_out, in).zero;
  w->to.bias.assign(whole_blocks(n), 0);
  w->to.scale.assign(whole_blocks(n), 0);
  const auto* bias = op.bias < 0 ? nullptr : static_cast<const int32_t*>(g.values[op.bias].data);
  for (size_t i = 0; i < n; i++) {
    const uint32_t sum = uint32_t(weight_sums[i]) - uint32_t(terms) * uint32_t(w->weight_zero);
    w->to.bias[i] = int32_t((bias ? uint32_t(bias[i]) : 0) - uint32_t(w->in_zero) * sum);
    // In this order, since each step rounds.
    w->to.scale[i] = op.q_in[0].scale * op.w_scale[op.w_scale.size() == 1 ? 0 : i] / op.q_out.scale;
  }
}

Integers pack_product(const Graph& g, const Op& op) {
  const Value& v = g.values[op.weights];
  const auto* from = static_cast<const uint8_t*>(v.data);
  const uint8_t flip = v.type == Type::U8 ? 0x80 : 0;
  const Shape& d = v.dims;
  const bool ready = op.kind == Kind::MatMul && !op.transposed;
  const size_t n = size_t(d[ready ? 1 : 0]), k = size_t(count(d)) / n;
  const size_t channels = op.kind == Kind::MatMul ? k : size_t(d[1]), plane = k / channels;
  Integers w;
  w.weights.resize(n * k);
  std::vector<int32_t> sums(n);
  for (size_t i = 0; i < k; i++) {
    // ONNX has channel, row, column; with channels last it is row, column, channel.
    const size_t source = i % channels * plane + i / channels;
    for (size_t j = 0; j < n; j++) {
      const int8_t value = int8_t(from[ready ? i * n + j : j * k + source] ^ flip);
      w.weights[i * n + j] = value;
      sums[j] += value;
    }
  }
  fill_requantization(g, op, sums, k, &w);
  return w;
}

// The most taps, counted from the first, whose products with any input add up
// within 16 bits: all, a row of three, two or one.
size_t find_burst(const Integers& w, size_t taps, size_t n) {
  const size_t stride = whole_blocks(n);
  for (size_t burst : {taps, size_t{3}, size_t{2}}) {
    bool fits = burst <= taps;
    for (size_t i = 0; fits && i < n; i++)
      for (size_t t = 0, sum = 0; fits && t < taps; t++) {
        if (t % burst == 0) sum = 0;
        sum += size_t(std::abs(int(w.weights[t * stride + i])));
        fits = sum * 128 <= INT16_MAX;
      }
    if (fits) return burst;
  }
  return 1;
}

Integers pack_depthwise(const Graph& g, const Op& op) {
  const Value& v = g.values[op.weights];
  const auto* from = static_cast<const uint8_t*>(v.data);
  const uint8_t flip = v.type == Type::U8 ? 0x80 : 0;
  const size_t n = size_t(v.dims[0]), taps = size_t(v.dims[2] * v.dims[3]), stride = whole_blocks(n);
  Integers w;
  w.weights.resize(taps * stride);
  std::vector<int32_t> sums(n);
  for (size_t i = 0; i < n; i++)
    for (size_t t = 0; t < taps; t++) {
      const int8_t value = int8_t(from[i * taps + t] ^ flip);
      w.weights[t * stride + i] = value;
      sums[i] += value;
    }
  fill_requantization(g, op, sums, taps, &w);
  w.burst = find_burst(w, taps, n);
  if (w.weight_zero) {
    w.wide.resize(w.weights.size());
    for (size_t i = 0; i < n; i++)
      for (size_t t = 0; t < taps; t++) w.wide[t * stride + i] = int16_t(w.weights[t * stride + i] - w.weight_zero);
    w.weights.clear();
  }
  return w;
}

}  // namespace

Integers pack_integers(const Graph& g, const Op& op) { return op.kind == Kind::Depthwise ? pack_depthwise(g, op) : pack_product(g, op); }

}  // namespace chexp
