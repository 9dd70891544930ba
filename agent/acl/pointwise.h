// Quantized operators that work on single values: done here, as ONNX Runtime's CPU
// provider does them on arm64, whose rounding the library's kernels do not share.
// Quantized values are signed in here, and lie channels-last.
#pragma once

#include <cstddef>
#include <cstdint>

#include "op.h"

namespace chexp {

// As QuantizeLinear; with `last`, from channels first to channels last on the way.
void quantize_tensor(const float* in, int8_t* out, const Shape& s, Quant q, bool last);
void dequantize_tensor(const int8_t* in, float* out, size_t n, Quant q);

// The mean of each plane.
void average_planes(const int8_t* in, int8_t* out, const Shape& s, Quant from, Quant to);

// The two factors of a quantized sum in fixed point. False: the scales are so far
// apart that the CPU provider goes another way.
bool sum_factors(Quant a, Quant b, Quant out, int32_t* factor_a, int32_t* factor_b, int* shift);

// A sum with broadcasting; shapes as ONNX has them.
void add_tensors(const int8_t* a, const Shape& a_shape, Quant qa, const int8_t* b, const Shape& b_shape, Quant qb, int8_t* out, const Shape& shape,
                 Quant q);

}  // namespace chexp
