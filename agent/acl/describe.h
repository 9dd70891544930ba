// ONNX's terms in the library's.
#pragma once

#include "arm_compute/core/Types.h"
#include "arm_compute/core/TensorInfo.h"
#include "arm_compute/function_info/ActivationLayerInfo.h"
#include "op.h"

namespace chexp {

// A zero point among signed values, which all quantized ones are inside.
inline Quant as_signed(Quant q, Type t) { return {q.scale, t == Type::U8 ? q.zero - 128 : q.zero}; }

arm_compute::TensorInfo describe(Type t, const Shape& s, bool quantized, Quant q);
// A matrix as the picture that a 1x1 convolution wants: a row is a pixel.
arm_compute::TensorInfo describe_rows(Type t, const Shape& s, bool quantized, Quant q);
arm_compute::TensorInfo describe_weights(const Graph& g, const Op& op);
arm_compute::TensorInfo describe_bias(const Graph& g, const Op& op);
arm_compute::PadStrideInfo describe_padding(const Op& op);
arm_compute::PoolingLayerInfo describe_pool(const Op& op);

// The activation that a function takes in, and the one that must follow it.
struct Activations {
  arm_compute::ActivationLayerInfo fused, after;
};
Activations describe_activation(const Op& op);

}  // namespace chexp
