#include "pointwise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "requantize.h"
#include "scheduler.h"

namespace chexp {

namespace {

constexpr size_t part = 1 << 14;  // values that make a thread worth waking

// x / scale, rounded half to even, and the zero point. What is no number gives the
// lowest value: a maximum of numbers only is the lower bound.
struct Quantizer {
  explicit Quantizer(Quant q)
      : scale(vdupq_n_f32(q.scale)), lo(vdupq_n_f32(float(-128 - q.zero))), hi(vdupq_n_f32(float(127 - q.zero))), zero(vdupq_n_s32(q.zero)) {}
  int32x4_t operator()(float32x4_t x) const {
    return vaddq_s32(vcvtnq_s32_f32(vminnmq_f32(vmaxnmq_f32(vdivq_f32(x, scale), lo), hi)), zero);
  }
  int8x16_t operator()(const float* p) const {
    const int16x8_t a = vmovn_high_s32(vmovn_s32((*this)(vld1q_f32(p))), (*this)(vld1q_f32(p + 4)));
    const int16x8_t b = vmovn_high_s32(vmovn_s32((*this)(vld1q_f32(p + 8))), (*this)(vld1q_f32(p + 12)));
    return vmovn_high_s16(vmovn_s16(a), b);
  }
  int8_t one(float x) const { return int8_t(vgetq_lane_s32((*this)(vdupq_n_f32(x)), 0)); }
  float32x4_t scale, lo, hi;
  int32x4_t zero;
};

// One row of all channels, channels-last.
void quantize_row(const float* in, int8_t* out, int64_t channels, int64_t width, int64_t plane, const Quantizer& q) {
  int64_t x = 0;
  if (channels == 3)  // a colour picture
    for (; x + int64_t(lanes) <= width; x += lanes) vst3q_s8(out + 3 * x, int8x16x3_t{{q(in + x), q(in + plane + x), q(in + 2 * plane + x)}});
  for (; x < width; x++)
    for (int64_t c = 0; c < channels; c++) out[x * channels + c] = q.one(in[c * plane + x]);
}

}  // namespace

void quantize_tensor(const float* in, int8_t* out, const Shape& s, Quant to, bool last) {
  const Quantizer q(to);
  if (last) {
    const int64_t c = s[1], w = s[3], plane = s[2] * w;
    parallel_parts(size_t(s[0] * s[2]), 1, [&](size_t first, size_t end) {
      for (size_t row = first; row < end; row++)
        quantize_row(in + (int64_t(row) / s[2]) * c * plane + (int64_t(row) % s[2]) * w, out + int64_t(row) * w * c, c, w, plane, q);
    });
    return;
  }
  parallel_parts(size_t(count(s)), part, [&](size_t i, size_t end) {
    for (; i + lanes <= end; i += lanes) vst1q_s8(out + i, q(in + i));
    for (; i < end; i++) out[i] = q.one(in[i]);
  });
}

void dequantize_tensor(const int8_t* in, float* out, size_t n, Quant q) {
  parallel_parts(n, part, [&](size_t i, size_t end) {
    for (; i < end; i++) out[i] = float(int(in[i]) - q.zero) * q.scale;
  });
}

void average_planes(const int8_t* in, int8_t* out, const Shape& s, Quant from, Quant to) {
  const int64_t c = s[1], plane = s[2] * s[3], blocks = (c + int64_t(lanes) - 1) / int64_t(lanes);
  const float32x4_t scale = vdupq_n_f32(from.scale / (to.scale * float(plane)));
  const int16x8_t zero = vdupq_n_s16(int16_t(to.zero));
  const int32x4_t bias = vdupq_n_s32(-int32_t(plane) * from.zero);
  parallel_parts(size_t(s[0] * blocks), 1, [&](size_t first, size_t end) {
    for (size_t i = first; i < end; i++) {
      const int64_t n = int64_t(i) / blocks, k = int64_t(i) % blocks * int64_t(lanes);
      const size_t some = std::min(lanes, size_t(c - k));
      const int8_t* p = in + n * plane * c + k;
      int32x4_t v[4] = {bias, bias, bias, bias};
      int8_t partial[lanes] = {};
      for (int64_t x = 0; x < plane; x++, p += c) {
        if (some < lanes) std::memcpy(partial, p, some);
        const int8x16_t b = vld1q_s8(some < lanes ? partial : p);
        const int16x8_t lo = vmovl_s8(vget_low_s8(b)), hi = vmovl_high_s8(b);
        v[0] = vaddw_s16(v[0], vget_low_s16(lo)), v[1] = vaddw_high_s16(v[1], lo);
        v[2] = vaddw_s16(v[2], vget_low_s16(hi)), v[3] = vaddw_high_s16(v[3], hi);
      }
      store(out + n * c + k, requantize(v[0], v[1], v[2], v[3], scale, scale, scale, scale, zero), some);
    }
  });
}

// The larger ratio of scales gets 22 bits, the other what that leaves it.
bool sum_factors(Quant a, Quant b, Quant out, int32_t* factor_a, int32_t* factor_b, int* shift) {
  const float ra = a.scale / out.scale, rb = b.scale / out.scale;
  for (float r : {ra, rb})
    if (!(r >= 0x1p-14f && r < 256)) return false;
  const int exponent = std::ilogb(std::max(ra, rb));
  *shift = 21 - exponent;
  *factor_a = int32_t(std::lrintf(std::ldexp(ra, *shift)));
  *factor_b = int32_t(std::lrintf(std::ldexp(rb, *shift)));
  const int32_t least = 1 << 21, most = 1 << 22;
  return *shift >= 13 && *shift <= 31 && *factor_a < most && *factor_b < most && std::max(*factor_a, *factor_b) >= least;
}

namespace {

// The CPU provider's sum on ARM: in fixed point, rounded half away from zero.
struct Adder {
  Adder(Quant a, Quant b, Quant out) : zero_a(vdup_n_s8(int8_t(a.zero))), zero_b(vdup_n_s8(int8_t(b.zero))), zero(vdupq_n_s16(int16_t(out.zero))) {
    int bits = 0;
    sum_factors(a, b, out, &factor_a, &factor_b, &bits);
    shift = vdupq_n_s32(-bits);
  }
  int32x4_t round(int32x4_t v) const { return vrshlq_s32(vsraq_n_s32(v, v, 31), shift); }
  int16x8_t half(int8x8_t a, int8x8_t b) const {
    const int16x8_t x = vsubl_s8(a, zero_a), y = vsubl_s8(b, zero_b);
    const int32x4_t lo = vmlaq_n_s32(vmulq_n_s32(vmovl_s16(vget_low_s16(x)), factor_a), vmovl_s16(vget_low_s16(y)), factor_b);
    const int32x4_t hi = vmlaq_n_s32(vmulq_n_s32(vmovl_high_s16(x), factor_a), vmovl_high_s16(y), factor_b);
    return vqaddq_s16(vqmovn_high_s32(vqmovn_s32(round(lo)), round(hi)), zero);
  }
  int8x16_t operator()(int8x16_t a, int8x16_t b) const {
    return vqmovn_high_s16(vqmovn_s16(half(vget_low_s8(a), vget_low_s8(b))), half(vget_high_s8(a), vget_high_s8(b)));
  }
  // n values; a step of 0 repeats the first.
  void run(const int8_t* a, size_t a_step, const int8_t* b, size_t b_step, int8_t* out, size_t n) const {
    int8_t parts[2][lanes] = {};
    for (size_t i = 0; i < n; i += lanes) {
      const size_t some = std::min(lanes, n - i);
      auto load = [&](const int8_t* p, size_t step, int8_t* copy) {
        if (!step) return vdupq_n_s8(*p);
        if (some == lanes) return vld1q_s8(p + i);
        std::memcpy(copy, p + i, some);
        return vld1q_s8(copy);
      };
      const int8x16_t x = load(a, a_step, parts[0]), y = load(b, b_step, parts[1]);
      store(out + i, (*this)(x, y), some);
    }
  }
  int8x8_t zero_a, zero_b;
  int16x8_t zero;
  int32_t factor_a = 0, factor_b = 0;
  int32x4_t shift;
};

// Steps through a tensor along each of the result's dimensions, in the order in
// which they lie; 0 where it repeats.
Shape steps(const Shape& shape, const Shape& result) {
  Shape s(result.size() - shape.size(), 1), at(result.size());
  s.insert(s.end(), shape.begin(), shape.end());
  auto last = [](Shape* d) { if (d->size() == 4) std::rotate(d->begin() + 1, d->begin() + 2, d->end()); };
  last(&s);
  int64_t step = 1;
  for (size_t i = s.size(); i-- > 0; step *= s[i]) at[i] = s[i] == 1 ? 0 : step;
  return at;
}

}  // namespace

void add_tensors(const int8_t* a, const Shape& a_shape, Quant qa, const int8_t* b, const Shape& b_shape, Quant qb, int8_t* out, const Shape& shape,
                 Quant q) {
  const Adder adder(qa, qb, q);
  if (a_shape == shape && b_shape == shape) {
    parallel_parts(size_t(count(shape)), part, [&](size_t first, size_t end) { adder.run(a + first, 1, b + first, 1, out + first, end - first); });
    return;
  }
  Shape lying = shape;
  if (lying.size() == 4) std::rotate(lying.begin() + 1, lying.begin() + 2, lying.end());
  const Shape sa = steps(a_shape, shape), sb = steps(b_shape, shape);
  const int64_t inner = lying.empty() ? 1 : lying.back();
  parallel_parts(size_t(count(shape) / inner), 1, [&](size_t first, size_t end) {
    for (size_t row = first; row < end; row++) {
      int64_t rest = int64_t(row), at_a = 0, at_b = 0;
      for (size_t i = lying.size() - 1; i-- > 0; rest /= lying[i]) {
        at_a += rest % lying[i] * sa[i];
        at_b += rest % lying[i] * sb[i];
      }
      adder.run(a + at_a, size_t(sa.back()), b + at_b, size_t(sb.back()), out + int64_t(row) * inner, size_t(inner));
    }
  });
}

}  // namespace chexp
