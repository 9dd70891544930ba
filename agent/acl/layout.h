// What is done to tensors at the edge of a claimed subgraph. ONNX keeps channels
// first, the library is fastest with channels last. And inside, quantized values
// are signed, whatever the model has: with signed weights, as nearly all models
// have, the library would convert unsigned ones before and after every operator.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "op.h"
#include "scheduler.h"

namespace chexp {

// Whether the two layouts are two orders of the bytes.
inline bool layouts_differ(const Shape& s) { return s.size() == 4 && s[1] > 1 && s[2] * s[3] > 1; }

template <typename T>
void to_last(const T* in, T* out, const Shape& s, T mask) {
  const int64_t c = s[1], w = s[3], plane = s[2] * w;
  parallel(size_t(s[0] * s[2]), [&](size_t row) {
    const T* from = in + (int64_t(row) / s[2]) * c * plane + (int64_t(row) % s[2]) * w;
    T* to = out + int64_t(row) * w * c;
    for (int64_t x = 0; x < w; x++)
      for (int64_t k = 0; k < c; k++) to[x * c + k] = T(from[k * plane + x] ^ mask);
  });
}

template <typename T>
void to_first(const T* in, T* out, const Shape& s, T mask) {
  const int64_t c = s[1], w = s[3], plane = s[2] * w;
  parallel(size_t(s[0] * s[2]), [&](size_t row) {
    const T* from = in + int64_t(row) * w * c;
    T* to = out + (int64_t(row) / s[2]) * c * plane + (int64_t(row) % s[2]) * w;
    for (int64_t k = 0; k < c; k++)
      for (int64_t x = 0; x < w; x++) to[k * plane + x] = T(from[x * c + k] ^ mask);
  });
}

// Between unsigned and signed, with the zero point moved by 128.
inline uint8_t flip(Type t) { return t == Type::U8 ? 0x80 : 0; }

// A tensor in the other order, and unsigned values as signed ones or back.
inline void change_layout(const void* in, void* out, const Shape& s, Type type, bool last) {
  auto go = [&](auto mask) {
    using T = decltype(mask);
    if (last) to_last(static_cast<const T*>(in), static_cast<T*>(out), s, mask);
    else to_first(static_cast<const T*>(in), static_cast<T*>(out), s, mask);
  };
  switch (size_of(type)) {
    case 1: go(flip(type)); break;
    case 2: go(uint16_t{}); break;
    case 8: go(uint64_t{}); break;
    default: go(uint32_t{});
  }
}

// The same without another order.
inline void copy(const void* in, void* out, const Shape& s, Type type) {
  const size_t n = size_t(count(s)) * size_of(type);
  std::memcpy(out, in, n);
  if (type == Type::U8)
    for (size_t i = 0; i < n; i++) static_cast<uint8_t*>(out)[i] ^= 0x80;
}

}  // namespace chexp
