// The QDQ form: an operator on floats between DequantizeLinear and
// QuantizeLinear, which means the same as its QLinear form.
#include <algorithm>

#include "read.h"

namespace chexp {

namespace {

// A DequantizeLinear in front of an input.
struct Source {
  int node = -1, value = -1, scale = -1, zero = -1, axis = 1;
};

bool source(const Graph& g, int value, Source* s) {
  const Value* v = g.value(value);
  if (!v || v->producer < 0 || g.sole_consumer(value) < 0) return false;
  const Node& n = g.nodes[v->producer];
  if (!onnx(n) || n.op != "DequantizeLinear" || v->type != Type::F32 || attr_int(n, "block_size", 0)) return false;
  *s = {v->producer, n.in(0), n.in(1), n.in(2), int(attr_int(n, "axis", 1))};
  return s->value >= 0 && s->scale >= 0;
}

// An activation whose bounds, quantized, are no bounds any more: the CPU provider
// drops such a one, and computes any other on floats.
bool idle(const Act& act, const Quant& q, Type t) {
  const float lo = t == Type::U8 ? 0 : -128, hi = t == Type::U8 ? 255 : 127;
  return std::rint(act.lo / q.scale) + float(q.zero) <= lo && std::rint(act.hi / q.scale) + float(q.zero) >= hi;
}

// What follows: perhaps an activation, then a QuantizeLinear.
bool sink(const Graph& g, Op* op, Type t, std::string* why) {
  int next = g.sole_consumer(op->out);
  if (next >= 0 && g.nodes[next].in(0) == op->out && g.nodes[next].outputs.size() == 1 && op->kind != Kind::Reshape &&
      read_activation(g, g.nodes[next], &op->act)) {
    op->nodes.push_back(next);
    op->out = g.nodes[next].outputs[0];
    next = g.sole_consumer(op->out);
  }
  if (next < 0) return no(why, "no QuantizeLinear behind it");
  const Node& q = g.nodes[next];
  if (!onnx(q) || q.op != "QuantizeLinear" || q.in(0) != op->out || q.outputs.size() != 1 || attr_int(q, "block_size", 0))
    return no(why, "no QuantizeLinear behind it");
  if (g.values[q.outputs[0]].type != t || !read_quant(g, q.in(1), q.in(2), t, &op->q_out)) return no(why, "the output's scale or type");
  op->nodes.push_back(next);
  op->out = q.outputs[0];
  if (op->act.on && !idle(op->act, op->q_out, t)) return no(why, "bounds that quantization does not express");
  op->act = {};
  return true;
}

// The bias: int32 behind a DequantizeLinear whose scale is that of the product.
bool bias(const Graph& g, Op* op, int value, std::string* why) {
  Source b;
  std::vector<float> scales;
  if (!source(g, value, &b) || g.values[b.value].type != Type::S32 || !read_floats(g, b.scale, &scales)) return no(why, "the bias is not quantized");
  if (b.zero >= 0) {
    int64_t n = 0;
    const int32_t* z = constant<int32_t>(g, b.zero, Type::S32, &n);
    if (!z || std::any_of(z, z + n, [](int32_t v) { return v != 0; })) return no(why, "the bias has a zero point");
  }
  size_t n = std::max(scales.size(), op->w_scale.size());
  for (size_t i = 0; i < n; i++) {
    double want = double(op->q_in[0].scale) * op->w_scale[op->w_scale.size() == 1 ? 0 : i];
    double have = scales[scales.size() == 1 ? 0 : std::min(i, scales.size() - 1)];
    if (std::abs(have - want) > 1e-4 * want) return no(why, "the bias has another scale");
  }
  op->bias = b.value;
  op->nodes.push_back(b.node);
  return true;
}

bool product(const Graph& g, const Node& n, Op* op, const Source& x, std::string* why) {
  Source w;
  if (!source(g, n.in(1), &w)) return no(why, "the weights are not quantized");
  const Value& weights = g.values[w.value];
  if (!weights.constant || !weights.data || count(weights.dims) < 1) return no(why, "weights are not constant");
  if (g.values[x.value].type == Type::S8 && weights.type != Type::S8) return no(why, "signed values with unsigned weights, which the CPU provider computes on floats");
  op->nodes.push_back(w.node);
  bool conv = n.op == "Conv";
  int64_t outputs = 0, axis = w.axis < 0 ? w.axis + int64_t(weights.dims.size()) : w.axis;
  if (conv) {
    if (!read_conv(g, n, x.value, w.value, -1, op, why)) return false;
    outputs = weights.dims[0];
  } else {
    if (weights.dims.size() != 2 || attr_int(n, "transA", 0) || attr_float(n, "alpha", 1) != 1 || attr_float(n, "beta", 1) != 1)
      return no(why, "transA, alpha or beta");
    op->kind = Kind::MatMul;
    op->weights = w.value;
    op->transposed = attr_int(n, "transB", 0) != 0;
    outputs = weights.dims[op->transposed ? 0 : 1];
  }
  std::vector<float> scales;
  if (!read_floats(g, w.scale, &scales)) return no(why, "scales are not constant");
  if (scales.size() > 1 && axis != (conv || op->transposed ? 0 : 1)) return no(why, "scales along another axis");
  if (!read_weight_quant(g, w.value, scales, w.zero, outputs, op, why)) return false;
  if (n.in(2) < 0) return true;
  if (!bias(g, op, n.in(2), why)) return false;
  const Value& b = g.values[op->bias];
  return (b.constant && b.data && count(b.dims) == outputs) || no(why, "the bias is not a constant per channel");
}

}  // namespace

bool recognise_qdq(const Graph& g, int node, Op* op, std::string* why) {
  const Node& n = g.nodes[node];
  *op = Op{};
  Source x, y;
  if (!onnx(n) || n.nested || n.outputs.size() != 1 || n.outputs[0] < 0 || n.inputs.empty()) return false;
  if (!source(g, n.in(0), &x) || !read_quant(g, x.scale, x.zero, g.values[x.value].type, &op->q_in[0])) return false;
  Type t = g.values[x.value].type;
  if (!eight_bits(t) || g.values[x.value].constant) return false;
  op->quantized = true;
  op->nodes = {node, x.node};
  op->out = n.outputs[0];
  op->in[0] = x.value;
  if (n.op == "Conv" || n.op == "Gemm" || n.op == "MatMul") {
    return product(g, n, op, x, why) && sink(g, op, t, why) && read_requantization(*op, why);
  }
  if (n.op == "Add") {
    op->kind = Kind::Add;
    if (!source(g, n.in(1), &y) || y.node == x.node || g.values[y.value].type != t || !read_quant(g, y.scale, y.zero, t, &op->q_in[1])) return false;
    const Value &a = g.values[x.value], &b = g.values[y.value];
    if (!a.has_shape || a.dims != b.dims || a.symbols != b.symbols || b.constant) return false;
    if (!a.dims.empty() && a.dims[0] < 0 && a.symbols[0].empty()) return false;  // perhaps two batches
    op->in[1] = y.value;
    op->nodes.push_back(y.node);
    return sink(g, op, t, why);
  }
  bool moves = false;  // an operator that computes nothing keeps the scale
  if (n.op == "GlobalAveragePool" || n.op == "MaxPool") {
    if (!read_pool(g, n, op, why)) return false;
    op->in[0] = x.value;
    moves = n.op == "MaxPool";
  } else if (n.op == "Flatten" || n.op == "Reshape") {
    op->kind = Kind::Reshape;
    op->flatten = n.op == "Flatten";
    if (op->flatten ? attr_int(n, "axis", 1) != 1 : attr_int(n, "allowzero", 0) || !read_int64s(g, n.in(1), &op->shape)) return false;
    moves = true;
  } else {
    return false;
  }
  if (!sink(g, op, t, why)) return false;
  if (!moves) return true;
  return op->q_in[0].scale == op->q_out.scale && op->q_in[0].zero == op->q_out.zero;
}

}  // namespace chexp
