#include <algorithm>

#include "describe.h"
#include "plan.h"
#include "pointwise.h"

namespace chexp {

namespace ac = arm_compute;

namespace {

// The largest scratch buffer that a convolution may need, its unfolded input.
constexpr double max_unfolded = 1 << 30;

ac::Status check(const Graph& g, const Op& op, const Shape& a, const Shape& b, const Shape& out) {
  Type type = g.values[op.in[0]].type, out_type = g.values[op.out].type;
  Activations act = describe_activation(op);
  bool rows = op.kind == Kind::MatMul;
  auto of = rows ? describe_rows : describe;
  ac::TensorInfo in = of(type, a, op.quantized, op.q_in[0]), to = of(out_type, out, op.quantized, op.q_out);
  if (op.act.on && act.after.enabled()) {
    ac::Status s = ac::NEActivationLayer::validate(&to, &to, act.after);
    if (!bool(s)) return s;
  }
  switch (op.kind) {
    case Kind::Conv:
    case Kind::MatMul: {
      ac::TensorInfo w = describe_weights(g, op), bias;
      if (op.bias >= 0) bias = describe_bias(g, op);
      return ac::NEConvolutionLayer::validate(&in, &w, op.bias >= 0 ? &bias : nullptr, &to, describe_padding(op), ac::WeightsInfo(),
                                              ac::Size2D(size_t(op.dilation[1]), size_t(op.dilation[0])), act.fused);
    }
    case Kind::Depthwise: {
      ac::TensorInfo w = describe_weights(g, op), bias;
      if (op.bias >= 0) bias = describe_bias(g, op);
      return ac::NEDepthwiseConvolutionLayer::validate(&in, &w, op.bias >= 0 ? &bias : nullptr, &to, describe_padding(op),
                                                       unsigned(out[1] / a[1]), act.fused,
                                                       ac::Size2D(size_t(op.dilation[1]), size_t(op.dilation[0])));
    }
    case Kind::Add: {
      Shape second = b;
      if (a.size() == 4 && second.size() < 4) second.insert(second.begin(), 4 - second.size(), 1);
      ac::TensorInfo other = describe(type, second, false, {});
      return ac::NEArithmeticAddition::validate(&in, &other, &to, ac::ConvertPolicy::SATURATE);
    }
    case Kind::Pool:
      return ac::NEPoolingLayer::validate(&in, &to, describe_pool(op));
    default:  // done here, without the library
      return ac::Status{};
  }
}

// Where a processor has no dot products, the library's kernel adds two products of
// bytes in 16 bits, which twice -128 by -128 exceeds. Weights seldom have it.
bool overflows(const Value& weights) {
  if (!weights.data || ac::CPUInfo::get().has_dotprod()) return false;
  const auto* w = static_cast<const uint8_t*>(weights.data);
  return std::find(w, w + count(weights.dims), weights.type == Type::U8 ? 0 : 0x80) != w + count(weights.dims);
}

// The plugin's own kernels take what is recognised, within these limits.
std::string check_quantized(const Graph& g, const Op& op, const Shape& a, const Shape& out) {
  int32_t x, y;
  int shift;
  switch (op.kind) {
    case Kind::Conv:
    case Kind::MatMul:
      if (overflows(g.values[op.weights])) return "weights of -128 on a processor without dot products";
      return refuse_product(op, g.values[op.weights].dims, out);
    case Kind::Pool: return a[2] * a[3] < (1 << 23) ? "" : "its sums would overflow";
    case Kind::Add: return sum_factors(op.q_in[0], op.q_in[1], op.q_out, &x, &y, &shift) ? "" : "scales of input and output are out of proportion";
    default: return "";
  }
}

}  // namespace

bool validate(const Graph& g, const Op& op, const Shape& a, const Shape& b, const Shape& out, std::string* why) {
  if (g.values[op.in[0]].type == Type::F16 && !ac::CPUInfo::get().has_fp16()) {
    *why = "this CPU has no float16 arithmetic";
    return false;
  }
  if (rescales(op)) {
    *why = check_quantized(g, op, a, out);
    return why->empty();
  }
  if (op.kind == Kind::Conv) {
    const Shape& w = g.values[op.weights].dims;
    double unfolded = double(w[1]) * w[2] * w[3] * out[0] * out[2] * out[3];
    if (w[2] * w[3] > 1 && unfolded > max_unfolded) {
      *why = "its unfolded input would be too large";
      return false;
    }
  }
  try {
    ac::Status s = check(g, op, a, b, out);
    if (!bool(s)) *why = "the library: " + s.error_description();
    return bool(s);
  } catch (const std::exception& e) {
    *why = std::string("the library: ") + e.what();
    return false;
  }
}

}  // namespace chexp
