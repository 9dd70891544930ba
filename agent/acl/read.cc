#include "read.h"

#include <algorithm>

namespace chexp {

namespace {

// Far above what networks use, far below where products overflow.
constexpr int64_t max_window = 64;

bool read_pair(const Node& n, const char* name, int64_t out[2]) {
  auto a = n.attrs.find(name);
  if (a == n.attrs.end()) return true;
  if (a->second.kind != Attr::Ints || a->second.ints.size() != 2) return false;
  for (int i = 0; i < 2; i++) {
    out[i] = a->second.ints[i];
    if (out[i] < 1 || out[i] > max_window) return false;
  }
  return true;
}

}  // namespace

bool read_window(const Node& n, const Shape& input, int64_t kh, int64_t kw, Op* op, std::string* why) {
  if (kh < 1 || kw < 1 || kh > max_window || kw > max_window) return no(why, "a kernel larger than 64");
  op->kernel[0] = kh;
  op->kernel[1] = kw;
  if (!read_pair(n, "strides", op->stride) || !read_pair(n, "dilations", op->dilation)) return no(why, "strides or dilations");
  auto pads = n.attrs.find("pads");
  if (pads != n.attrs.end()) {
    if (pads->second.kind != Attr::Ints || pads->second.ints.size() != 4) return no(why, "pads");
    for (int i = 0; i < 4; i++) {
      op->pad[i] = pads->second.ints[i];
      if (op->pad[i] < 0 || op->pad[i] > max_window * max_window) return no(why, "pads");
    }
  }
  auto a = n.attrs.find("auto_pad");
  if (a == n.attrs.end() || a->second.s == "NOTSET") return true;
  std::fill(op->pad, op->pad + 4, 0);
  if (a->second.s == "VALID") return true;
  bool lower = a->second.s == "SAME_LOWER";
  if (!lower && a->second.s != "SAME_UPPER") return no(why, "auto_pad");
  for (int i = 0; i < 2; i++) {
    int64_t in = input[i + 2], out = (in + op->stride[i] - 1) / op->stride[i];
    int64_t total = (out - 1) * op->stride[i] + (op->kernel[i] - 1) * op->dilation[i] + 1 - in;
    // Where strides skip the end, the runtime's operators disagree among themselves.
    if (total < 0) return no(why, "auto_pad that would remove");
    op->pad[i] = lower ? total - total / 2 : total / 2;
    op->pad[i + 2] = total - op->pad[i];
  }
  return true;
}

bool read_conv(const Graph& g, const Node& n, int input, int weights, int bias, Op* op, std::string* why) {
  const Value &x = g.values[input], &w = g.values[weights];
  Shape in;
  if (!w.constant || !w.data) return no(why, "weights are not constant");
  if (w.dims.size() != 4 || count(w.dims) < 1) return no(why, "not a two-dimensional convolution");
  if (!concrete(x, 1, &in) || in.size() != 4) return no(why, "a dimension other than the batch is unknown");
  if (bias >= 0) {
    const Value& b = g.values[bias];
    if (!b.constant || !b.data || b.dims.size() != 1 || b.dims[0] != w.dims[0]) return no(why, "the bias is not a constant per channel");
  }
  auto k = n.attrs.find("kernel_shape");
  if (k != n.attrs.end() && k->second.ints != Shape{w.dims[2], w.dims[3]}) return no(why, "kernel_shape is not that of the weights");
  if (!read_window(n, in, w.dims[2], w.dims[3], op, why)) return false;
  op->group = attr_int(n, "group", 1);
  op->in[0] = input;
  op->weights = weights;
  op->bias = bias;
  if (op->group == 1) {
    op->kind = Kind::Conv;
    return true;
  }
  if (op->group != in[1] || w.dims[1] != 1 || w.dims[0] % op->group) return no(why, "groups that are not one channel each");
  op->kind = Kind::Depthwise;
  return true;
}

bool read_weight_quant(const Graph& g, int weights, const std::vector<float>& scales, int zero, int64_t outputs, Op* op, std::string* why) {
  Type type = g.values[weights].type;
  if (!eight_bits(type)) return no(why, "weights are not of 8 bits");
  std::vector<int> zeros;
  if (!read_zeros(g, zero, type, &zeros)) return no(why, "zero points of the weights");
  if ((scales.size() != 1 && int64_t(scales.size()) != outputs) || (zeros.size() != 1 && int64_t(zeros.size()) != outputs))
    return no(why, "as many scales as output channels, or one");
  if (!std::all_of(scales.begin(), scales.end(), sound)) return no(why, "scales of the weights");
  if (std::any_of(zeros.begin(), zeros.end(), [&](int z) { return z != zeros[0]; })) return no(why, "zero points differ by channel");
  op->w_scale = scales;
  op->w_zero = zeros[0];
  return true;
}

bool read_requantization(const Op& op, std::string* why) {
  for (float w : op.w_scale)
    if (!std::isfinite(op.q_in[0].scale * w / op.q_out.scale)) return no(why, "the output's scale is out of proportion");
  return true;
}

bool read_pool(const Graph& g, const Node& n, Op* op, std::string* why) {
  op->kind = Kind::Pool;
  Shape in;
  if (n.in(0) < 0 || !concrete(g.values[n.in(0)], 1, &in) || in.size() != 4) return no(why, "a dimension other than the batch is unknown, or not two of them");
  op->in[0] = n.in(0);
  if (n.op == "GlobalAveragePool" || n.op == "QLinearGlobalAveragePool") {
    op->average = op->global = true;
    return true;
  }
  op->average = n.op == "AveragePool";
  if (!op->average && (n.outputs.size() != 1 || attr_int(n, "storage_order", 0))) return no(why, "indices of the maximum");
  if (attr_int(n, "ceil_mode", 0)) return no(why, "ceil_mode");
  auto k = n.attrs.find("kernel_shape");
  if (k == n.attrs.end() || k->second.ints.size() != 2) return no(why, "kernel_shape");
  if (!read_window(n, in, k->second.ints[0], k->second.ints[1], op, why)) return false;
  if (op->dilation[0] != 1 || op->dilation[1] != 1) return no(why, "dilations");
  op->count_padding = attr_int(n, "count_include_pad", 0) != 0;
  return true;
}

bool read_activation(const Graph& g, const Node& n, Act* out) {
  if (!onnx(n) || (n.op != "Relu" && n.op != "Clip")) return false;
  Act act{true, 0, std::numeric_limits<float>::infinity()};
  if (n.op == "Clip" && n.since < 11) {
    act.lo = attr_float(n, "min", -std::numeric_limits<float>::max());
    act.hi = attr_float(n, "max", std::numeric_limits<float>::max());
  } else if (n.op == "Clip") {
    act.lo = -act.hi;
    if (n.in(1) >= 0 && !read_number(g, n.in(1), &act.lo)) return false;
    if (n.in(2) >= 0 && !read_number(g, n.in(2), &act.hi)) return false;
  }
  if (!(act.lo <= act.hi)) return false;  // or a bound is no number
  *out = act;
  return true;
}

bool read_gemm(const Graph& g, const Node& n, Op* op, std::string* why) {
  bool gemm = n.op == "Gemm";
  const Value* w = g.value(n.in(1));
  if (n.in(0) < 0 || !w || !w->constant || !w->data) return no(why, "the second matrix is not constant");
  if (w->dims.size() != 2 || count(w->dims) < 1) return no(why, "the second matrix has not two dimensions");
  op->kind = Kind::MatMul;
  op->in[0] = n.in(0);
  op->weights = n.in(1);
  if (!gemm) return true;
  op->transposed = attr_int(n, "transB", 0) != 0;
  if (attr_int(n, "transA", 0) || attr_float(n, "alpha", 1) != 1) return no(why, "transA or alpha");
  if (const Value* c = g.value(n.in(2))) {
    int64_t columns = w->dims[op->transposed ? 0 : 1];
    if (attr_float(n, "beta", 1) != 1) return no(why, "beta");
    if (!c->constant || !c->data || c->dims.empty() || c->dims.back() != columns || count(c->dims) != columns)
      return no(why, "the bias is not a constant per column");
    op->bias = n.in(2);
  }
  return true;
}

}  // namespace chexp
