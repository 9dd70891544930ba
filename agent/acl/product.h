// Quantized convolutions and matrix products: the library multiplies 8-bit
// matrices into 32-bit sums, and requantize.h makes 8 bits of them again.
#pragma once

#include <memory>
#include <string>

#include "arm_compute/runtime/NEON/NEFunctions.h"
#include "arm_compute/runtime/Tensor.h"
#include "integers.h"

namespace chexp {

// Why the library cannot multiply these matrices, or nothing.
std::string refuse_product(const Op& op, const Shape& weights, const Shape& out);

// It works on blocks of rows (pixels of the output), whose sums stay in the second
// level cache: all sums of a layer are four times its output, up to 5 MB a picture.
class Product {
 public:
  Product(const Op& op, const Shape& weights, const Integers& integers, const Shape& in, const Shape& out,
          std::shared_ptr<arm_compute::IMemoryManager> manager);
  Product(const Product&) = delete;

  size_t scratch_bytes() const;
  void run(const int8_t* in, int8_t* out, uint8_t* scratch);

 private:
  void unfold(const int8_t* in, int8_t* to, size_t first, size_t last) const;

  const Op& op_;
  const Integers& integers_;
  Shape in_, out_;
  size_t rows_, k_, n_, height_;  // height: rows of a block
  bool unfolds_;
  arm_compute::Tensor left_, right_, sums_;
  arm_compute::NEGEMMLowpMatrixMultiplyCore multiply_;
};

}  // namespace chexp
