// Quantized depthwise convolution, all of it: the library has none that gives its
// 32-bit sums, so it could not be rescaled as requantize.h does.
#pragma once

#include "integers.h"

namespace chexp {

class Depthwise {
 public:
  Depthwise(const Op& op, const Integers& integers, const Shape& in, const Shape& out);
  void run(const int8_t* in, int8_t* out) const;

 private:
  struct Scratch;
  void row(const int8_t* in, int8_t* out, int64_t y, Scratch* s) const;
  void pixel(const int8_t* in, int64_t y, int64_t x, size_t first, int8_t* out, Scratch* s) const;
  template <int stride, int burst>
  void pairs(const int8_t* in, int8_t* out, int64_t y, Scratch* s) const;

  const Op& op_;
  const Integers& integers_;
  Shape in_, out_;
  size_t n_, stride_, taps_;  // output channels, those of the packed weights
  int64_t multiplier_;
};

}  // namespace chexp
