// The float operators, the QLinear ones, and the conversions.
#include <algorithm>

#include "read.h"

namespace chexp {

namespace {

bool same_type(const Graph& g, Op* op, std::string* why, bool eight = false) {
  Type t = g.values[op->in[0]].type;
  if (g.values[op->out].type != t) return no(why, "input and output have different types");
  if (t != Type::F32 && t != Type::F16 && !(eight && eight_bits(t))) return no(why, "a type that is not claimed here");
  for (int id : {op->weights, op->bias, op->in[1]})
    if (id >= 0 && g.values[id].type != t) return no(why, "types differ");
  return true;
}

// Takes the Relu or Clip behind a convolution or product into it.
void fuse_activation(const Graph& g, Op* op) {
  int next = g.sole_consumer(op->out);
  Act act;
  if (next < 0 || g.nodes[next].in(0) != op->out || g.nodes[next].outputs.size() != 1 || !read_activation(g, g.nodes[next], &act)) return;
  op->act = act;
  op->nodes.push_back(next);
  op->out = g.nodes[next].outputs[0];
}

bool float_op(const Graph& g, const Node& n, Op* op, std::string* why) {
  if (n.op == "Conv") {
    if (n.in(0) < 0 || n.in(1) < 0) return no(why, "inputs");
    if (!read_conv(g, n, n.in(0), n.in(1), n.in(2), op, why) || !same_type(g, op, why)) return false;
    fuse_activation(g, op);
    return true;
  }
  if (n.op == "Gemm" || n.op == "MatMul") {
    if (!read_gemm(g, n, op, why) || !same_type(g, op, why)) return false;
    fuse_activation(g, op);
    return true;
  }
  if (n.op == "GlobalAveragePool" || n.op == "AveragePool") return read_pool(g, n, op, why) && same_type(g, op, why);
  if (n.op == "MaxPool") {
    if (!read_pool(g, n, op, why) || !same_type(g, op, why, true)) return false;
    // std::numeric_limits knows no __fp16 (GCC 12): the library pads with zero, not with minus infinity.
    if (g.values[op->in[0]].type == Type::F16 && std::any_of(op->pad, op->pad + 4, [](int64_t p) { return p != 0; }))
      return no(why, "float16 with padding");
    op->quantized = eight_bits(g.values[op->in[0]].type);
    return true;
  }
  if (n.op == "Relu" || n.op == "Clip") {
    op->kind = Kind::Activation;
    op->in[0] = n.in(0);
    if (n.in(0) < 0 || !read_activation(g, n, &op->act)) return no(why, "bounds are not constant");
    return same_type(g, op, why);
  }
  return no(why, "no such operator here");
}

bool same_symbols(const Value& a, const Value& b) {
  if (a.dims.empty() || b.dims.empty() || (a.dims[0] >= 0 && b.dims[0] >= 0)) return true;
  return a.dims[0] < 0 && b.dims[0] < 0 && !a.symbols[0].empty() && a.symbols[0] == b.symbols[0];
}

bool add(const Graph& g, Op* op, int a, int b, std::string* why) {
  op->kind = Kind::Add;
  if (a < 0 || b < 0) return no(why, "inputs");
  if (g.values[a].constant) {
    std::swap(a, b);
    std::swap(op->q_in[0], op->q_in[1]);
  }
  op->in[0] = a;
  op->in[1] = b;
  const Value &x = g.values[a], &y = g.values[b];
  if (x.constant) return no(why, "only constants");
  if (!x.has_shape || !y.has_shape) return no(why, "an unknown shape");
  if (y.constant) {
    if (y.dims.size() > x.dims.size()) return no(why, "a constant of more dimensions than the other");
    return true;
  }
  if (x.dims.size() != y.dims.size()) return no(why, "different numbers of dimensions");
  return same_symbols(x, y) || no(why, "two batches");
}

bool reshape(const Graph& g, const Node& n, Op* op, std::string* why) {
  op->kind = Kind::Reshape;
  op->in[0] = n.in(0);
  if (n.in(0) < 0 || g.values[n.in(0)].type != g.values[op->out].type || !size_of(g.values[op->out].type)) return no(why, "type");
  if (n.op == "Flatten") {
    op->flatten = true;
    return attr_int(n, "axis", 1) == 1 || no(why, "axis");
  }
  if (attr_int(n, "allowzero", 0) || !read_int64s(g, n.in(1), &op->shape)) return no(why, "the shape is not constant");
  return true;
}

bool conversion(const Graph& g, const Node& n, Op* op, std::string* why) {
  bool to = n.op == "QuantizeLinear";
  op->kind = to ? Kind::Quantize : Kind::Dequantize;
  op->in[0] = n.in(0);
  if (n.in(0) < 0) return no(why, "inputs");
  Type wide = g.values[to ? n.in(0) : op->out].type, narrow = g.values[to ? op->out : n.in(0)].type;
  if (wide != Type::F32 || !eight_bits(narrow)) return no(why, "not between float and 8 bits");
  if (attr_int(n, "block_size", 0)) return no(why, "blocks");
  if (!read_quant(g, n.in(1), n.in(2), narrow, to ? &op->q_out : &op->q_in[0])) return no(why, "not one constant scale");
  return true;
}

bool qlinear_conv(const Graph& g, const Node& n, Op* op, std::string* why) {
  op->quantized = true;
  if (n.in(0) < 0 || n.in(3) < 0) return no(why, "inputs");
  const Value &x = g.values[n.in(0)], &w = g.values[n.in(3)];
  if (!eight_bits(x.type) || g.values[op->out].type != x.type) return no(why, "types of input and output");
  if (!read_conv(g, n, n.in(0), n.in(3), n.in(8), op, why)) return false;
  if (op->bias >= 0 && g.values[op->bias].type != Type::S32) return no(why, "the bias is not int32");
  std::vector<float> scales;
  if (!read_floats(g, n.in(4), &scales) || !read_quant(g, n.in(1), n.in(2), x.type, &op->q_in[0]) ||
      !read_quant(g, n.in(6), n.in(7), x.type, &op->q_out))
    return no(why, "scales or zero points are not constant");
  return read_weight_quant(g, n.in(3), scales, n.in(5), w.dims[0], op, why) && read_requantization(*op, why);
}

bool qlinear_matmul(const Graph& g, const Node& n, Op* op, std::string* why) {
  op->quantized = true;
  const Value *x = g.value(n.in(0)), *w = g.value(n.in(3));
  if (!x || !w || !w->constant || !w->data || w->dims.size() != 2 || count(w->dims) < 1) return no(why, "the second matrix is not a constant of two dimensions");
  if (!eight_bits(x->type) || g.values[op->out].type != x->type) return no(why, "types of input and output");
  op->kind = Kind::MatMul;
  op->in[0] = n.in(0);
  op->weights = n.in(3);
  std::vector<float> scales;
  if (!read_floats(g, n.in(4), &scales) || !read_quant(g, n.in(1), n.in(2), x->type, &op->q_in[0]) ||
      !read_quant(g, n.in(6), n.in(7), x->type, &op->q_out))
    return no(why, "scales or zero points are not constant");
  return read_weight_quant(g, n.in(3), scales, n.in(5), w->dims[1], op, why) && read_requantization(*op, why);
}

// What onnxruntime's quantizer makes of Gemm: the bias is in units of the product of both
// scales; without a scale of its own the output is float, which stays with the CPU provider.
bool qgemm(const Graph& g, const Node& n, Op* op, std::string* why) {
  op->quantized = true;
  const Value *x = g.value(n.in(0)), *w = g.value(n.in(3));
  if (!x || !w || !w->constant || !w->data || w->dims.size() != 2 || count(w->dims) < 1) return no(why, "the second matrix is not a constant of two dimensions");
  if (n.in(7) < 0) return no(why, "a float output");
  if (!eight_bits(x->type) || g.values[op->out].type != x->type) return no(why, "types of input and output");
  if (attr_int(n, "transA", 0) || attr_float(n, "alpha", 1) != 1) return no(why, "transA or alpha");
  op->kind = Kind::MatMul;
  op->in[0] = n.in(0);
  op->weights = n.in(3);
  op->transposed = attr_int(n, "transB", 0) != 0;
  const int64_t columns = w->dims[op->transposed ? 0 : 1];
  if (const Value* c = g.value(n.in(6))) {
    if (!c->constant || !c->data || c->type != Type::S32 || c->dims.empty() || c->dims.back() != columns || count(c->dims) != columns)
      return no(why, "the bias is not a constant of int32 per column");
    op->bias = n.in(6);
  }
  std::vector<float> scales;
  if (!read_floats(g, n.in(4), &scales) || !read_quant(g, n.in(1), n.in(2), x->type, &op->q_in[0]) ||
      !read_quant(g, n.in(7), n.in(8), x->type, &op->q_out))
    return no(why, "scales or zero points are not constant");
  return read_weight_quant(g, n.in(3), scales, n.in(5), columns, op, why) && read_requantization(*op, why);
}

bool qlinear_rest(const Graph& g, const Node& n, Op* op, std::string* why) {
  op->quantized = true;
  Type t = g.values[op->out].type;
  if (!eight_bits(t) || n.in(0) < 0 || g.values[n.in(0)].type != t) return no(why, "types of input and output");
  if (n.op == "QLinearAdd") {
    if (n.in(3) < 0 || g.values[n.in(3)].type != t) return no(why, "types of input and output");
    if (!read_quant(g, n.in(1), n.in(2), t, &op->q_in[0]) || !read_quant(g, n.in(4), n.in(5), t, &op->q_in[1]) ||
        !read_quant(g, n.in(6), n.in(7), t, &op->q_out))
      return no(why, "not one constant scale each");
    return add(g, op, n.in(0), n.in(3), why);
  }
  if (attr_int(n, "channels_last", 0)) return no(why, "channels_last");
  if (!read_quant(g, n.in(1), n.in(2), t, &op->q_in[0]) || !read_quant(g, n.in(3), n.in(4), t, &op->q_out))
    return no(why, "not one constant scale each");
  return read_pool(g, n, op, why);
}

// Leaves a conversion alone whose other side is not claimed, and an activation
// between the two: the runtime makes a quantized operator of its own out of what
// the QDQ form means, and would no longer see it.
void drop_stray_conversions(const Graph& g, std::vector<Op>* ops) {
  for (bool again = true; again;) {
    std::vector<bool> claimed(g.nodes.size());
    for (const Op& op : *ops)
      for (int n : op.nodes) claimed[n] = true;
    const size_t before = ops->size();
    auto stray = [&](const Op& op) {
      const int producer = g.values[op.in[0]].producer;
      auto quantizes = [&](int n) { return g.nodes[n].op == "QuantizeLinear"; };
      const std::vector<int>& next = g.values[op.out].consumers;
      if (op.kind == Kind::Quantize || (op.kind == Kind::Activation && std::any_of(next.begin(), next.end(), quantizes)))
        return producer >= 0 && !claimed[producer];
      if (op.kind != Kind::Dequantize) return false;
      return std::any_of(next.begin(), next.end(), [&](int n) { return !claimed[n]; });
    };
    ops->erase(std::remove_if(ops->begin(), ops->end(), stray), ops->end());
    again = ops->size() != before;
  }
}

}  // namespace

bool recognise(const Graph& g, int node, Op* op, std::string* why) {
  const Node& n = g.nodes[node];
  *op = Op{};
  op->nodes = {node};
  if (n.nested || n.outputs.empty() || n.outputs[0] < 0) return no(why, "has a graph of its own, or no output");
  for (size_t i = 1; i < n.outputs.size(); i++)
    if (n.outputs[i] >= 0) return no(why, "a second output");
  op->out = n.outputs[0];
  if (onnx(n)) {
    if (n.op == "QLinearConv") return qlinear_conv(g, n, op, why);
    if (n.op == "QLinearMatMul") return qlinear_matmul(g, n, op, why);
    if (n.op == "QuantizeLinear" || n.op == "DequantizeLinear") return conversion(g, n, op, why);
    if (n.op == "Flatten" || n.op == "Reshape") return reshape(g, n, op, why);
    if (n.op == "Add") return n.since >= 7 ? add(g, op, n.in(0), n.in(1), why) && same_type(g, op, why) : no(why, "an old version");
    return float_op(g, n, op, why);
  }
  if (microsoft(n) && n.op == "QGemm") return qgemm(g, n, op, why);
  if (microsoft(n) && (n.op == "QLinearAdd" || n.op == "QLinearGlobalAveragePool")) return qlinear_rest(g, n, op, why);
  return no(why, "no such operator here");
}

std::vector<Op> recognise_all(const Graph& g, Validate validate, std::vector<std::string>* refusals) {
  std::vector<Op> ops;
  std::vector<bool> taken(g.nodes.size());
  auto take = [&](Op& op, std::string* why) {
    Shape a, b, out, declared;
    for (int n : op.nodes)
      if (taken[n]) return no(why, "part of another operator");
    if (g.values[op.in[0]].constant) return no(why, "only constants");
    if (!concrete(g.values[op.in[0]], 1, &a)) return no(why, "a dimension other than the batch is unknown");
    if (op.in[1] >= 0 && !(g.values[op.in[1]].constant && g.values[op.in[1]].dims.empty()) && !concrete(g.values[op.in[1]], 1, &b))
      return no(why, "a dimension other than the batch is unknown");
    if (!infer(g, op, a, b, &out, why)) return false;
    if (concrete(g.values[op.out], 1, &declared) && declared != out) return no(why, "the declared shape is another");
    if (!validate(g, op, a, b, out, why)) return false;
    std::sort(op.nodes.begin(), op.nodes.end());
    for (int n : op.nodes) taken[n] = true;
    ops.push_back(op);
    return true;
  };
  // First the QDQ units, whose conversions would otherwise be taken alone.
  for (size_t i = 0; i < g.nodes.size(); i++) {
    Op op;
    std::string why;
    if (recognise_qdq(g, int(i), &op, &why)) take(op, &why);
  }
  for (size_t i = 0; i < g.nodes.size(); i++) {
    Op op;
    std::string why;
    if (taken[i] || (recognise(g, int(i), &op, &why) && take(op, &why))) continue;
    const Node& n = g.nodes[i];
    refusals->push_back((n.domain.empty() ? "" : n.domain + ".") + n.op + ": " + why);
  }
  drop_stray_conversions(g, &ops);
  std::sort(ops.begin(), ops.end(), [](const Op& a, const Op& b) { return a.nodes.back() < b.nodes.back(); });
  return ops;
}

}  // namespace chexp
