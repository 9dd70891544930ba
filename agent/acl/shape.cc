#include "op.h"

#include <algorithm>

namespace chexp {

bool concrete(const Value& v, int64_t batch, Shape* out) {
  if (!v.has_shape || v.dims.size() > 6) return false;
  *out = v.dims;
  for (size_t i = 0; i < out->size(); i++) {
    if ((*out)[i] < 0 && i == 0) (*out)[i] = batch;
    if ((*out)[i] < 1) return false;
  }
  return count(*out) > 0;
}

namespace {

bool fail(std::string* why, const char* text) {
  *why = text;
  return false;
}

// One spatial dimension of a window that slides over padded input.
bool window(const Op& op, int axis, int64_t in, int64_t* out) {
  int64_t extent = (op.kernel[axis] - 1) * op.dilation[axis] + 1;
  int64_t before = op.pad[axis], after = op.pad[axis + 2];
  // A window that lies in the padding only has no meaning to the library.
  if (before >= extent || after >= extent) return false;
  int64_t room = in + before + after - extent;
  if (room < 0) return false;
  *out = room / op.stride[axis] + 1;
  return true;
}

bool infer_reshape(const Op& op, const Shape& a, Shape* out, std::string* why) {
  // A tensor of four dimensions lies channels-last here, so only one without
  // extent in the plane reads the same under another shape.
  auto plain = [](const Shape& s) { return s.size() != 4 || (s[2] == 1 && s[3] == 1); };
  if (op.flatten) {
    int64_t rest = 1;
    for (size_t i = 1; i < a.size(); i++) rest *= a[i];
    *out = {a.empty() ? 1 : a[0], rest};
  } else {
    *out = op.shape;
    int64_t known = 1;
    int free = -1;
    for (size_t i = 0; i < out->size(); i++) {
      int64_t& d = (*out)[i];
      if (d == 0 && i < a.size()) d = a[i];
      if (d == -1 && free < 0) { free = int(i); continue; }
      if (d < 1 || known > (int64_t{1} << 31) / d) return fail(why, "a shape that makes no sense");
      known *= d;
    }
    if (free >= 0) {
      if (count(a) % known) return fail(why, "a shape that does not divide the input");
      (*out)[free] = count(a) / known;
    }
  }
  if (count(*out) != count(a)) return fail(why, "another number of elements");
  if (*out != a && !(plain(a) && plain(*out))) return fail(why, "reshapes a plane");
  return true;
}

}  // namespace

bool infer(const Graph& g, const Op& op, const Shape& a, const Shape& b, Shape* out, std::string* why) {
  switch (op.kind) {
    case Kind::Conv:
    case Kind::Depthwise: {
      const Shape& w = g.values[op.weights].dims;
      if (a.size() != 4) return fail(why, "not two-dimensional");
      if (a[1] != w[1] * op.group) return fail(why, "the channels of input and weights differ");
      *out = {a[0], w[0], 0, 0};
      if (!window(op, 0, a[2], &(*out)[2]) || !window(op, 1, a[3], &(*out)[3])) return fail(why, "the window does not fit");
      break;
    }
    case Kind::MatMul: {
      const Shape& w = g.values[op.weights].dims;
      int64_t k = op.transposed ? w[1] : w[0], n = op.transposed ? w[0] : w[1];
      if (a.size() < 2 || a.size() == 4 || a.back() != k) return fail(why, "the matrices do not fit");
      *out = a;
      out->back() = n;
      break;
    }
    case Kind::Pool:
      if (a.size() != 4) return fail(why, "not two-dimensional");
      *out = {a[0], a[1], 1, 1};
      if (!op.global && (!window(op, 0, a[2], &(*out)[2]) || !window(op, 1, a[3], &(*out)[3])))
        return fail(why, "the window does not fit");
      break;
    case Kind::Add: {
      if (a.size() != b.size() && (a.size() == 4 || b.size() == 4)) {
        // A constant of fewer dimensions is aligned at the end, so it gets ones in front.
        if (std::max(a.size(), b.size()) != 4) return fail(why, "more than four dimensions");
      }
      size_t n = std::max(a.size(), b.size());
      out->assign(n, 1);
      for (size_t i = 0; i < n; i++) {
        int64_t x = i + a.size() < n ? 1 : a[i + a.size() - n], y = i + b.size() < n ? 1 : b[i + b.size() - n];
        if (x != y && x != 1 && y != 1) return fail(why, "shapes that do not broadcast");
        (*out)[i] = std::max(x, y);
      }
      break;
    }
    case Kind::Reshape:
      if (!infer_reshape(op, a, out, why)) return false;
      break;
    default:
      *out = a;
  }
  if (count(*out) < 1) return fail(why, "an output that is empty or too large");
  return true;
}

}  // namespace chexp
