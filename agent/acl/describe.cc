#include "describe.h"

#include <cmath>
#include <limits>

namespace chexp {

namespace ac = arm_compute;

namespace {

ac::DataType data_type(Type t, bool quantized) {
  switch (t) {
    case Type::F32: return ac::DataType::F32;
    case Type::F16: return ac::DataType::F16;
    case Type::U8: case Type::S8: return quantized ? ac::DataType::QASYMM8_SIGNED : ac::DataType::S8;
    case Type::S32: return ac::DataType::S32;
    default: return ac::DataType::UNKNOWN;
  }
}

ac::TensorInfo finish(ac::TensorShape shape, Type t, bool quantized, Quant q) {
  ac::TensorInfo info(shape, 1, data_type(t, quantized));
  info.set_data_layout(ac::DataLayout::NHWC);
  if (!quantized) return info;
  q = as_signed(q, t);
  info.set_quantization_info(ac::QuantizationInfo(q.scale, q.zero));
  return info;
}

}  // namespace

ac::TensorInfo describe(Type t, const Shape& s, bool quantized, Quant q) {
  ac::TensorShape shape;
  if (s.size() == 4) {
    shape = ac::TensorShape(size_t(s[1]), size_t(s[3]), size_t(s[2]), size_t(s[0]));
  } else {
    shape = ac::TensorShape(size_t(1));
    for (size_t i = 0; i < s.size(); i++) shape.set(i, size_t(s[s.size() - 1 - i]), false);
  }
  return finish(shape, t, quantized, q);
}

ac::TensorInfo describe_rows(Type t, const Shape& s, bool quantized, Quant q) {
  return finish(ac::TensorShape(size_t(s.back()), size_t(count(s) / s.back())), t, quantized, q);
}

ac::TensorInfo describe_weights(const Graph& g, const Op& op) {
  const Value& w = g.values[op.weights];
  const Shape& d = w.dims;
  ac::TensorShape shape;
  if (op.kind == Kind::MatMul) shape = ac::TensorShape(size_t(d[op.transposed ? 1 : 0]), size_t(1), size_t(1), size_t(d[op.transposed ? 0 : 1]));
  else if (op.kind == Kind::Depthwise) shape = ac::TensorShape(size_t(d[0]), size_t(d[3]), size_t(d[2]));
  else shape = ac::TensorShape(size_t(d[1]), size_t(d[3]), size_t(d[2]), size_t(d[0]));
  return finish(shape, w.type, false, {});
}

ac::TensorInfo describe_bias(const Graph& g, const Op& op) {
  const Value& b = g.values[op.bias];
  return finish(ac::TensorShape(size_t(count(b.dims))), b.type, false, {});
}

ac::PadStrideInfo describe_padding(const Op& op) {
  return ac::PadStrideInfo(unsigned(op.stride[1]), unsigned(op.stride[0]), unsigned(op.pad[1]), unsigned(op.pad[3]), unsigned(op.pad[0]),
                           unsigned(op.pad[2]), ac::DimensionRoundingType::FLOOR);
}

ac::PoolingLayerInfo describe_pool(const Op& op) {
  auto type = op.average ? ac::PoolingType::AVG : ac::PoolingType::MAX;
  if (op.global) return ac::PoolingLayerInfo(type, ac::DataLayout::NHWC);
  return ac::PoolingLayerInfo(type, ac::Size2D(size_t(op.kernel[1]), size_t(op.kernel[0])), ac::DataLayout::NHWC, describe_padding(op),
                              !op.count_padding);
}

Activations describe_activation(const Op& op) {
  Activations a;
  if (!op.act.on) return a;
  using Info = ac::ActivationLayerInfo;
  const float most = std::numeric_limits<float>::max();
  float lo = std::max(op.act.lo, -most), hi = std::min(op.act.hi, most);
  // A bound below zero must not be fused: the assembly kernels know the upper
  // bound only and take the lower one for zero.
  if (op.act.lo == 0) {
    a.fused = std::isinf(op.act.hi) ? Info(Info::ActivationFunction::RELU) : Info(Info::ActivationFunction::BOUNDED_RELU, hi);
    if (heavy(op)) return a;
  }
  a.after = op.act.lo == 0 ? a.fused : Info(Info::ActivationFunction::LU_BOUNDED_RELU, hi, lo);
  a.fused = Info();
  return a;
}

}  // namespace chexp
