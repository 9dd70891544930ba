#include "product.h"

#include <algorithm>
#include <cstring>

#include "scheduler.h"

namespace chexp {

namespace ac = arm_compute;

namespace {

// Bytes of a block's sums and unfolded input on each thread: half of the 512 KiB
// of level 2 that each core of a Raspberry Pi 5 has.
constexpr size_t block_bytes = 256 << 10;
// A block's rows are a multiple of this on each thread, if they can be: the
// library's kernels take 4, 6 or 8 at a time.
constexpr size_t block_rows = 24;
// What one row may take, since a block has at least one.
constexpr size_t max_row = 64 << 20;
constexpr size_t alignment = 64;

struct Extent {
  size_t rows, k, n;
};

Extent extent(const Op& op, const Shape& weights, const Shape& out) {
  const bool transposed = op.kind != Kind::MatMul || op.transposed;
  const size_t n = size_t(weights[transposed ? 0 : 1]);
  return {size_t(count(out)) / n, size_t(count(weights)) / n, n};
}

// A convolution of single pixels reads its input as it lies.
bool unfolds(const Op& op) {
  if (op.kind == Kind::MatMul) return false;
  for (int i = 0; i < 2; i++)
    if (op.kernel[i] != 1 || op.stride[i] != 1) return true;
  return std::any_of(op.pad, op.pad + 4, [](int64_t p) { return p != 0; });
}

size_t row_bytes(const Op& op, const Extent& e) { return 4 * e.n + (unfolds(op) ? e.k : 0); }

size_t block_height(const Op& op, const Extent& e) {
  const size_t most = std::max<size_t>(1, block_bytes * threads() / row_bytes(op, e)), blocks = (e.rows + most - 1) / most;
  const size_t height = (e.rows + blocks - 1) / blocks, step = block_rows * threads();
  return std::min(e.rows, blocks > 1 && height >= step ? (height + step - 1) / step * step : height);
}

// Without zero points: Integers have what those add.
ac::TensorInfo matrix(size_t columns, size_t rows, ac::DataType t) {
  ac::TensorInfo info(ac::TensorShape(columns, rows), 1, t);
  if (t != ac::DataType::S32) info.set_quantization_info(ac::QuantizationInfo(1.0f, 0));
  return info;
}

ac::GEMMInfo pack_once() { return ac::GEMMInfo(false, false, true); }

// The sum of n bytes.
int32_t add_up(const int8_t* v, size_t n) {
  int32x4_t sum = vdupq_n_s32(0);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) sum = vpadalq_s16(sum, vpaddlq_s8(vld1q_s8(v + i)));
  int32_t all = vaddvq_s32(sum);
  for (; i < n; i++) all += v[i];
  return all;
}

}  // namespace

std::string refuse_product(const Op& op, const Shape& weights, const Shape& out) {
  const Extent e = extent(op, weights, out);
  if (row_bytes(op, e) > max_row) return "a row of its unfolded input and its sums would be too long";
  const size_t height = block_height(op, e);
  const ac::TensorInfo a = matrix(e.k, height, ac::DataType::QASYMM8_SIGNED), b = matrix(e.n, e.k, ac::DataType::QASYMM8_SIGNED);
  const ac::TensorInfo c = matrix(e.n, height, ac::DataType::S32);
  const ac::Status s = ac::NEGEMMLowpMatrixMultiplyCore::validate(&a, &b, nullptr, &c, pack_once());
  return bool(s) ? "" : "the library: " + s.error_description();
}

Product::Product(const Op& op, const Shape& weights, const Integers& integers, const Shape& in, const Shape& out,
                 std::shared_ptr<ac::IMemoryManager> manager)
    : op_(op), integers_(integers), in_(in), out_(out), unfolds_(unfolds(op)), multiply_(std::move(manager)) {
  const Extent e = extent(op, weights, out);
  rows_ = e.rows;
  k_ = e.k;
  n_ = e.n;
  height_ = block_height(op, e);
  left_.allocator()->init(matrix(k_, height_, ac::DataType::QASYMM8_SIGNED));
  right_.allocator()->init(matrix(n_, k_, ac::DataType::QASYMM8_SIGNED));
  sums_.allocator()->init(matrix(n_, height_, ac::DataType::S32));
  right_.allocator()->import_memory(const_cast<int8_t*>(integers_.weights.data()));
  multiply_.configure(&left_, &right_, nullptr, &sums_, pack_once());
}

// Sums of one block, a block of channels more (requantize_rows reads that far),
// the sum of each row, and the unfolded input.
size_t Product::scratch_bytes() const {
  const size_t sums = (4 * (height_ * n_ + lanes + height_) + alignment - 1) / alignment * alignment;
  return sums + (unfolds_ ? height_ * k_ : 0);
}

void Product::run(const int8_t* in, int8_t* out, uint8_t* scratch) {
  auto* sums = reinterpret_cast<int32_t*>(scratch);
  int32_t* terms = integers_.weight_zero ? sums + height_ * n_ + lanes : nullptr;
  auto* unfolded = reinterpret_cast<int8_t*>(scratch + scratch_bytes() - height_ * k_);
  sums_.allocator()->import_memory(sums);
  for (size_t next = 0; next < rows_; next += height_) {
    // The last block begins early enough to be whole: one function fits all, and
    // what is computed twice comes out the same.
    const size_t first = std::min(next, rows_ - height_);
    const int8_t* left = unfolds_ ? unfolded : in + first * k_;
    if (unfolds_) parallel_parts(height_, block_rows, [&](size_t a, size_t b) { unfold(in, unfolded + a * k_, first + a, first + b); });
    left_.allocator()->import_memory(const_cast<int8_t*>(left));
    multiply_.run();
    parallel_parts(height_, block_rows, [&](size_t a, size_t b) {
      if (terms)
        for (size_t i = a; i < b; i++) terms[i] = int32_t(uint32_t(-integers_.weight_zero) * uint32_t(add_up(left + i * k_, k_)));
      requantize_rows(sums + a * n_, out + (first + a) * n_, b - a, n_, integers_.to, terms ? terms + a : nullptr);
    });
  }
}

// The pixels that each of the output's pixels sees, row after row; what lies in
// the padding is the zero point.
void Product::unfold(const int8_t* in, int8_t* to, size_t first, size_t last) const {
  const int64_t channels = in_[1], height = in_[2], width = in_[3], columns = op_.kernel[1], step = op_.dilation[1];
  for (size_t pixel = first; pixel < last; pixel++) {
    const int64_t image = int64_t(pixel) / (out_[2] * out_[3]), rest = int64_t(pixel) % (out_[2] * out_[3]);
    const int64_t y0 = rest / out_[3] * op_.stride[0] - op_.pad[0], x0 = rest % out_[3] * op_.stride[1] - op_.pad[1];
    for (int64_t i = 0; i < op_.kernel[0]; i++, to += columns * channels) {
      const int64_t y = y0 + i * op_.dilation[0];
      const int8_t* row = in + (image * height + y) * width * channels;
      if (y < 0 || y >= height) {
        std::memset(to, integers_.in_zero, size_t(columns * channels));
      } else if (step == 1 && x0 >= 0 && x0 + columns <= width) {
        std::memcpy(to, row + x0 * channels, size_t(columns * channels));
      } else {
        for (int64_t j = 0; j < columns; j++) {
          const int64_t x = x0 + j * step;
          if (x < 0 || x >= width) std::memset(to + j * channels, integers_.in_zero, size_t(channels));
          else std::memcpy(to + j * channels, row + x * channels, size_t(channels));
        }
      }
    }
  }
}

}  // namespace chexp
