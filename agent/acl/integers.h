// The constants of a quantized convolution or product, in the form in which this
// plugin computes it: made once, for all batches.
#pragma once

#include "op.h"
#include "requantize.h"

namespace chexp {

struct Integers {
  // Of a product [K, N]; depthwise [taps, whole blocks of channels].
  std::vector<int8_t> weights;
  // Depthwise, less their zero point, where eight bits do not hold that.
  std::vector<int16_t> wide;
  Requantization to;
  int in_zero = 0, weight_zero = 0;  // among signed values
  size_t burst = 1;                  // depthwise: taps whose sum 16 bits hold, whatever the input
};

Integers pack_integers(const Graph& g, const Op& op);

}  // namespace chexp
