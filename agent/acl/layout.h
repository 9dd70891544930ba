// What is done to tensors at the edge of a claimed subgraph: ONNX keeps channels
// first, the library is fastest with channels last.
#pragma once

#include <cstdint>
#include <cstring>

#include "op.h"
#include "scheduler.h"

namespace chexp {

// Whether the two layouts are two orders of the bytes.
inline bool layouts_differ(const Shape& s) { return s.size() == 4 && s[1] > 1 && s[2] * s[3] > 1; }

template <typename T>
void to_last(const T* in, T* out, const Shape& s) {
  const int64_t c = s[1], w = s[3], plane = s[2] * w;
  parallel(size_t(s[0] * s[2]), [&](size_t row) {
    const T* from = in + (int64_t(row) / s[2]) * c * plane + (int64_t(row) % s[2]) * w;
    T* to = out + int64_t(row) * w * c;
    for (int64_t x = 0; x < w; x++)
      for (int64_t k = 0; k < c; k++) to[x * c + k] = from[k * plane + x];
  });
}

template <typename T>
void to_first(const T* in, T* out, const Shape& s) {
  const int64_t c = s[1], w = s[3], plane = s[2] * w;
  parallel(size_t(s[0] * s[2]), [&](size_t row) {
    const T* from = in + int64_t(row) * w * c;
    T* to = out + (int64_t(row) / s[2]) * c * plane + (int64_t(row) % s[2]) * w;
    for (int64_t k = 0; k < c; k++)
      for (int64_t x = 0; x < w; x++) to[k * plane + x] = from[x * c + k];
  });
}

// Bytes in the other order.
inline void change_layout(const void* in, void* out, const Shape& s, size_t element, bool last) {
  auto go = [&](auto zero) {
    using T = decltype(zero);
    if (last) to_last(static_cast<const T*>(in), static_cast<T*>(out), s);
    else to_first(static_cast<const T*>(in), static_cast<T*>(out), s);
  };
  switch (element) {
    case 1: go(uint8_t{}); break;
    case 2: go(uint16_t{}); break;
    case 8: go(uint64_t{}); break;
    default: go(uint32_t{});
  }
}

// As QuantizeLinear: rounds half to even, saturates; what is no number becomes
// zero, as it does in the CPU provider on ARM.
template <typename T>
T quantize(float x, Quant q) {
  constexpr int lowest = std::is_signed<T>::value ? -128 : 0;
  const float lo = float(lowest - q.zero), hi = float(lowest + 255 - q.zero);
  float v = x / q.scale;
  v = v < lo ? lo : v;
  v = v > hi ? hi : v;
  v = v == v ? __builtin_nearbyintf(v) : 0;
  return T(int(v) + q.zero);
}

// Quantizes; with `last`, from channels first to channels last on the way.
template <typename T>
void quantize_tensor(const float* in, T* out, const Shape& s, Quant q, bool last) {
  if (!last) {
    constexpr size_t part = 1 << 14;
    const size_t n = size_t(count(s));
    parallel((n + part - 1) / part, [&](size_t i) {
      for (size_t j = i * part, end = std::min(n, j + part); j < end; j++) out[j] = quantize<T>(in[j], q);
    });
    return;
  }
  const int64_t c = s[1], w = s[3], plane = s[2] * w;
  parallel(size_t(s[0] * s[2]), [&](size_t row) {
    const float* from = in + (int64_t(row) / s[2]) * c * plane + (int64_t(row) % s[2]) * w;
    T* to = out + int64_t(row) * w * c;
    for (int64_t k = 0; k < c; k++)
      for (int64_t x = 0; x < w; x++) to[x * c + k] = quantize<T>(from[k * plane + x], q);
  });
}

template <typename T>
void dequantize_tensor(const T* in, float* out, size_t n, Quant q) {
  constexpr size_t part = 1 << 14;
  parallel((n + part - 1) / part, [&](size_t i) {
    for (size_t j = i * part, end = std::min(n, j + part); j < end; j++) out[j] = float(int(in[j]) - q.zero) * q.scale;
  });
}

}  // namespace chexp
