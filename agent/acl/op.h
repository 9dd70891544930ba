// What the plugin can do with one or several nodes of a graph.
#pragma once

#include <string>
#include <vector>

#include "graph.h"

namespace chexp {

enum class Kind {
  Conv,        // dense
  Depthwise,   // one or more output channels per input channel
  MatMul,      // by a constant matrix: Gemm, MatMul, QLinearMatMul
  Add,
  Pool,        // maximum, average, and average over everything
  Activation,  // Relu, Clip that follows no convolution
  Quantize,
  Dequantize,
  Reshape,     // changes the shape, moves nothing
};

struct Quant {
  float scale = 1;
  int zero = 0;
};

struct Act {
  bool on = false;
  float lo = 0, hi = 0;  // hi may be infinite
};

struct Op {
  Kind kind{};
  std::vector<int> nodes;  // of the graph, that it stands for
  int in[2] = {-1, -1};    // values; the second only of Add
  int out = -1;
  bool quantized = false;
  Quant q_in[2], q_out;

  // Convolution and matrix product. Weights of a convolution are [O, I/group, H, W],
  // of a product [K, N] or, transposed, [N, K].
  int weights = -1, bias = -1;
  bool transposed = false;
  std::vector<float> w_scale;  // one, or one per output channel
  int w_zero = 0;
  int64_t group = 1;

  // Convolution and pooling, [height, width].
  int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  int64_t pad[4] = {0, 0, 0, 0};  // top, left, bottom, right
  bool average = false, global = false, count_padding = false;

  Act act;
  Shape shape;      // Reshape: the target, 0 and -1 as in ONNX
  bool flatten = false;
};

// The operator that begins at a node (with the activation behind it, or, in the
// QDQ form, with the conversions around it), or why there is none.
bool recognise(const Graph& g, int node, Op* op, std::string* why);
// The same for the QDQ form; `node` is the operator in the middle.
bool recognise_qdq(const Graph& g, int node, Op* op, std::string* why);

// The shape of an operator's output for the shapes of its inputs, which must
// hold no unknown dimension. False: the operator does not fit them.
bool infer(const Graph& g, const Op& op, const Shape& a, const Shape& b, Shape* out, std::string* why);

// A declared shape with batch in the place of an unknown first dimension; false
// if another dimension is unknown.
bool concrete(const Value& v, int64_t batch, Shape* out);

// Every operator of the graph that can be claimed, in topological order.
// `validate` has the last word on one.
using Validate = bool (*)(const Graph&, const Op&, const Shape& a, const Shape& b, const Shape& out, std::string* why);
std::vector<Op> recognise_all(const Graph& g, Validate validate, std::vector<std::string>* refusals);

// Groups of operators (indexes) that can each be fused into one node: convex
// and connected. Groups without a heavy operator are dropped unless `light`.
std::vector<std::vector<int>> partition(const Graph& g, const std::vector<Op>& ops, bool light);

// What has a rescaling in it, which the plugin does by itself: the library rounds twice.
inline bool rescales(const Op& op) { return op.quantized && op.kind != Kind::Reshape && !(op.kind == Kind::Pool && !op.average); }

inline bool heavy(const Op& op) { return op.kind == Kind::Conv || op.kind == Kind::Depthwise || op.kind == Kind::MatMul; }

}  // namespace chexp
