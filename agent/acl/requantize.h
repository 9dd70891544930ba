// From sums of 32 bits to values of 8, as ONNX Runtime's CPU provider does it on
// arm64: the sum as a float, times one float per channel, rounded once, half to
// even, then the zero point, saturated. The library would multiply in fixed point
// and then shift with a second rounding, which is one too many for values just
// below a half; so it gives the sums and this the rest.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace chexp {

constexpr size_t lanes = 16;  // channels at a time

inline size_t whole_blocks(size_t n) { return (n + lanes - 1) / lanes * lanes; }

struct Requantization {
  // For each output channel, and on to a whole block, so that a block can be read
  // at once. The bias holds what the zero points of input and weights add to a sum
  // of products of raw values; like the CPU provider's, it wraps.
  std::vector<int32_t> bias;
  std::vector<float> scale;
  int zero = 0;  // of the output, among signed values
};

// A block of sums, the bias included.
inline int8x16_t requantize(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d, float32x4_t sa, float32x4_t sb, float32x4_t sc, float32x4_t sd,
                            int16x8_t zero) {
  a = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(a), sa));
  b = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(b), sb));
  c = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(c), sc));
  d = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(d), sd));
  const int16x8_t lo = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), zero), hi = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), zero);
  return vqmovn_high_s16(vqmovn_s16(lo), hi);
}

// The first n values of a block.
inline void store(int8_t* out, int8x16_t v, size_t n) {
  if (n >= lanes) {
    vst1q_s8(out, v);
    return;
  }
  int8_t part[lanes];
  vst1q_s8(part, v);
  for (size_t i = 0; i < n; i++) out[i] = part[i];
}

// Sums of n channels in each row. Reads up to a block past the last row's end,
// which must be memory. `row_terms`, if any, is added to the sums of its row.
void requantize_rows(const int32_t* sums, int8_t* out, size_t rows, size_t n, const Requantization& r, const int32_t* row_terms);

}  // namespace chexp
