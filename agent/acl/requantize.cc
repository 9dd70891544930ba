#include "requantize.h"

#include <algorithm>

namespace chexp {

namespace {

// Rows that share what is loaded for a block of channels.
constexpr size_t group = 8;

template <bool terms>
void requantize_group(const int32_t* sums, int8_t* out, size_t rows, size_t n, const Requantization& r, const int32_t* row_terms) {
  const int16x8_t zero = vdupq_n_s16(int16_t(r.zero));
  for (size_t c = 0; c < n; c += lanes) {
    const int32_t* bias = &r.bias[c];
    const float* scale = &r.scale[c];
    const int32x4_t b0 = vld1q_s32(bias), b1 = vld1q_s32(bias + 4), b2 = vld1q_s32(bias + 8), b3 = vld1q_s32(bias + 12);
    const float32x4_t s0 = vld1q_f32(scale), s1 = vld1q_f32(scale + 4), s2 = vld1q_f32(scale + 8), s3 = vld1q_f32(scale + 12);
    const int32_t* from = sums + c;
    int8_t* to = out + c;
    for (size_t i = 0; i < rows; i++, from += n, to += n) {
      int32x4_t v0 = vaddq_s32(vld1q_s32(from), b0), v1 = vaddq_s32(vld1q_s32(from + 4), b1);
      int32x4_t v2 = vaddq_s32(vld1q_s32(from + 8), b2), v3 = vaddq_s32(vld1q_s32(from + 12), b3);
      if (terms) {
        const int32x4_t t = vdupq_n_s32(row_terms[i]);
        v0 = vaddq_s32(v0, t), v1 = vaddq_s32(v1, t), v2 = vaddq_s32(v2, t), v3 = vaddq_s32(v3, t);
      }
      store(to, requantize(v0, v1, v2, v3, s0, s1, s2, s3, zero), n - c);
    }
  }
}

}  // namespace

void requantize_rows(const int32_t* sums, int8_t* out, size_t rows, size_t n, const Requantization& r, const int32_t* row_terms) {
  for (size_t i = 0; i < rows; i += group) {
    const size_t some = std::min(group, rows - i);
    if (row_terms) requantize_group<true>(sums + i * n, out + i * n, some, n, r, row_terms + i);
    else requantize_group<false>(sums + i * n, out + i * n, some, n, r, nullptr);
  }
}

}  // namespace chexp
