#include "depthwise.h"

#include <cstring>

#include "scheduler.h"

namespace chexp {

namespace {

constexpr int kernel3 = 3, taps3 = 9;

struct Sums {
  int32x4_t v[4];
};

inline void add(Sums* s, int16x8_t lo, int16x8_t hi) {
  s->v[0] = vaddw_s16(s->v[0], vget_low_s16(lo));
  s->v[1] = vaddw_high_s16(s->v[1], lo);
  s->v[2] = vaddw_s16(s->v[2], vget_low_s16(hi));
  s->v[3] = vaddw_high_s16(s->v[3], hi);
}

inline Sums begin(const int32_t* bias) { return {{vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12)}}; }

inline int8x16_t finish(const Sums& s, const float* scale, int16x8_t zero) {
  return requantize(s.v[0], s.v[1], s.v[2], s.v[3], vld1q_f32(scale), vld1q_f32(scale + 4), vld1q_f32(scale + 8), vld1q_f32(scale + 12), zero);
}

// A block of channels of one pixel: taps[t] + offset has tap t's input. Products
// are added up in 16 bits, `burst` at a time.
Sums block(const int8_t* const* taps, size_t offset, size_t count, const int8_t* weights, size_t stride, size_t burst, const int32_t* bias) {
  Sums s = begin(bias);
  for (size_t t = 0; t < count;) {
    const size_t end = std::min(count, t + burst);
    int8x16_t x = vld1q_s8(taps[t] + offset), w = vld1q_s8(weights + t * stride);
    int16x8_t lo = vmull_s8(vget_low_s8(x), vget_low_s8(w)), hi = vmull_high_s8(x, w);
    for (t++; t < end; t++) {
      x = vld1q_s8(taps[t] + offset), w = vld1q_s8(weights + t * stride);
      lo = vmlal_s8(lo, vget_low_s8(x), vget_low_s8(w)), hi = vmlal_high_s8(hi, x, w);
    }
    add(&s, lo, hi);
  }
  return s;
}

// The same with weights that had a zero point, which takes a ninth bit.
Sums wide_block(const int8_t* const* taps, size_t offset, size_t count, const int16_t* weights, size_t stride, const int32_t* bias) {
  Sums s = begin(bias);
  for (size_t t = 0; t < count; t++) {
    const int8x16_t x = vld1q_s8(taps[t] + offset);
    const int16x8_t lo = vmovl_s8(vget_low_s8(x)), hi = vmovl_high_s8(x), a = vld1q_s16(weights + t * stride), b = vld1q_s16(weights + t * stride + 8);
    s.v[0] = vmlal_s16(s.v[0], vget_low_s16(lo), vget_low_s16(a));
    s.v[1] = vmlal_high_s16(s.v[1], lo, a);
    s.v[2] = vmlal_s16(s.v[2], vget_low_s16(hi), vget_low_s16(b));
    s.v[3] = vmlal_high_s16(s.v[3], hi, b);
  }
  return s;
}

}  // namespace

// What one thread needs: where the taps of a pixel lie, a pixel of padding, and
// the taps of one block of channels where they do not lie side by side.
struct Depthwise::Scratch {
  std::vector<const int8_t*> taps, gathered;
  std::vector<int8_t> zeros, block;
};

Depthwise::Depthwise(const Op& op, const Integers& integers, const Shape& in, const Shape& out)
    : op_(op), integers_(integers), in_(in), out_(out), n_(size_t(out[1])), stride_(whole_blocks(n_)), taps_(size_t(op.kernel[0] * op.kernel[1])),
      multiplier_(out[1] / in[1]) {}

void Depthwise::run(const int8_t* in, int8_t* out) const {
  const size_t rows = size_t(out_[0] * out_[2]), row_bytes = size_t(out_[3]) * n_;
  parallel_parts(rows, 1, [&](size_t first, size_t last) {
    Scratch s;
    s.taps.resize(taps_);
    s.zeros.assign(size_t(in_[1]), int8_t(integers_.in_zero));
    s.block.resize(taps_ * lanes);
    for (size_t t = 0; t < taps_; t++) s.gathered.push_back(&s.block[t * lanes]);
    for (size_t i = first; i < last; i++)
      row(in + (int64_t(i) / out_[2]) * in_[1] * in_[2] * in_[3], out + i * row_bytes, int64_t(i) % out_[2], &s);
  });
}

// One row of the output, from the picture that begins at `in`.
void Depthwise::row(const int8_t* in, int8_t* out, int64_t y, Scratch* s) const {
  const bool fast = op_.kernel[0] == kernel3 && op_.kernel[1] == kernel3 && op_.dilation[1] == 1 && op_.stride[1] <= 2 && multiplier_ == 1 &&
                    n_ >= lanes && out_[3] >= 2 && !integers_.weight_zero && integers_.burst > 1;
  if (fast) {
    const size_t burst = integers_.burst;
    if (op_.stride[1] == 1) burst == taps3 ? pairs<1, taps3>(in, out, y, s) : burst == 3 ? pairs<1, 3>(in, out, y, s) : pairs<1, 2>(in, out, y, s);
    else burst == taps3 ? pairs<2, taps3>(in, out, y, s) : burst == 3 ? pairs<2, 3>(in, out, y, s) : pairs<2, 2>(in, out, y, s);
  }
  const size_t first = fast ? n_ / lanes * lanes : 0;
  if (first == n_) return;
  for (int64_t x = 0; x < out_[3]; x++) pixel(in, y, x, first, out + size_t(x) * n_, s);
}

// The channels from `first` on of one pixel, whatever the kernel.
void Depthwise::pixel(const int8_t* in, int64_t y, int64_t x, size_t first, int8_t* out, Scratch* s) const {
  const int64_t channels = in_[1];
  for (int64_t i = 0, t = 0; i < op_.kernel[0]; i++)
    for (int64_t j = 0; j < op_.kernel[1]; j++, t++) {
      const int64_t v = y * op_.stride[0] - op_.pad[0] + i * op_.dilation[0], u = x * op_.stride[1] - op_.pad[1] + j * op_.dilation[1];
      const bool inside = v >= 0 && v < in_[2] && u >= 0 && u < in_[3];
      s->taps[size_t(t)] = inside ? in + (v * in_[3] + u) * channels : s->zeros.data();
    }
  const int16x8_t zero = vdupq_n_s16(int16_t(integers_.to.zero));
  for (size_t c = first; c < n_; c += lanes) {
    const size_t some = std::min(lanes, n_ - c);
    const bool direct = multiplier_ == 1 && some == lanes;
    const int8_t* const* taps = direct ? s->taps.data() : s->gathered.data();
    if (!direct)
      for (size_t t = 0; t < taps_; t++)
        for (size_t i = 0; i < some; i++) s->block[t * lanes + i] = s->taps[t][int64_t(c + i) / multiplier_];
    const int32_t* bias = &integers_.to.bias[c];
    const Sums sums = integers_.weight_zero ? wide_block(taps, direct ? c : 0, taps_, &integers_.wide[c], stride_, bias)
                                            : block(taps, direct ? c : 0, taps_, &integers_.weights[c], stride_, integers_.burst, bias);
    store(out + c, finish(sums, &integers_.to.scale[c], zero), some);
  }
}

// Kernels of 3x3: two neighbours at a time, which share input and weights. An odd
// last pixel is computed together with the one before it, a second time.
template <int stride, int burst>
void Depthwise::pairs(const int8_t* in, int8_t* out, int64_t y, Scratch* s) const {
  constexpr int columns = kernel3 + stride;
  const int64_t channels = in_[1], width = in_[3];
  const int8_t* rows[kernel3];
  for (int i = 0; i < kernel3; i++) {
    const int64_t v = y * op_.stride[0] - op_.pad[0] + i * op_.dilation[0];
    rows[i] = v >= 0 && v < in_[2] ? in + v * width * channels : nullptr;
  }
  const int16x8_t zero = vdupq_n_s16(int16_t(integers_.to.zero));
  for (int64_t next = 0; next < out_[3]; next += 2) {
    const int64_t x = std::min(next, out_[3] - 2), left = x * stride - op_.pad[1];
    const int8_t* taps[kernel3 * columns];
    for (int i = 0; i < kernel3; i++)
      for (int j = 0; j < columns; j++)
        taps[i * columns + j] = rows[i] && left + j >= 0 && left + j < width ? rows[i] + (left + j) * channels : s->zeros.data();
    int8_t *one = out + size_t(x) * n_, *two = one + n_;
    for (size_t c = 0; c + lanes <= n_; c += lanes) {
      const int8_t* weights = &integers_.weights[c];
      Sums a = begin(&integers_.to.bias[c]), b = a;
      int16x8_t a_lo{}, a_hi{}, b_lo{}, b_hi{};
#pragma GCC unroll 9
      for (int t = 0; t < taps3; t++) {
        const int at = t / kernel3 * columns + t % kernel3;
        const int8x16_t w = vld1q_s8(weights + size_t(t) * stride_), u = vld1q_s8(taps[at] + c), v = vld1q_s8(taps[at + stride] + c);
        if (t % burst == 0) {
          a_lo = vmull_s8(vget_low_s8(u), vget_low_s8(w)), a_hi = vmull_high_s8(u, w);
          b_lo = vmull_s8(vget_low_s8(v), vget_low_s8(w)), b_hi = vmull_high_s8(v, w);
        } else {
          a_lo = vmlal_s8(a_lo, vget_low_s8(u), vget_low_s8(w)), a_hi = vmlal_high_s8(a_hi, u, w);
          b_lo = vmlal_s8(b_lo, vget_low_s8(v), vget_low_s8(w)), b_hi = vmlal_high_s8(b_hi, v, w);
        }
        if (t % burst == burst - 1 || t == taps3 - 1) add(&a, a_lo, a_hi), add(&b, b_lo, b_hi);
      }
      vst1q_s8(one + c, finish(a, &integers_.to.scale[c], zero));
      vst1q_s8(two + c, finish(b, &integers_.to.scale[c], zero));
    }
  }
}

}  // namespace chexp
