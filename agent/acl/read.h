// Reading constants and attributes of a node, with every check that a hostile
// model needs: shared by the recognisers.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>

#include "op.h"

namespace chexp {

inline bool no(std::string* why, const char* text) {
  *why = text;
  return false;
}

inline bool onnx(const Node& n) { return n.domain.empty() || n.domain == "ai.onnx"; }
inline bool microsoft(const Node& n) { return n.domain == "com.microsoft"; }

inline int64_t attr_int(const Node& n, const char* name, int64_t fallback) {
  auto a = n.attrs.find(name);
  return a != n.attrs.end() && a->second.kind == Attr::Int ? a->second.ints[0] : fallback;
}

inline float attr_float(const Node& n, const char* name, float fallback) {
  auto a = n.attrs.find(name);
  return a != n.attrs.end() && a->second.kind == Attr::Float ? a->second.f : fallback;
}

// The elements of a constant, or null: absent, not constant, of another type.
template <typename T>
const T* constant(const Graph& g, int id, Type type, int64_t* n) {
  const Value* v = g.value(id);
  if (!v || !v->constant || !v->data || v->type != type || (*n = count(v->dims)) < 1) return nullptr;
  return static_cast<const T*>(v->data);
}

inline bool read_floats(const Graph& g, int id, std::vector<float>* out) {
  int64_t n = 0;
  const float* p = constant<float>(g, id, Type::F32, &n);
  if (!p) return false;
  out->assign(p, p + n);
  return true;
}

inline float from_half(uint16_t h) {
  const int exponent = h >> 10 & 31;
  const float fraction = float(h & 1023), sign = h & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction != 0 ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

// One number of float32 or float16.
inline bool read_number(const Graph& g, int id, float* out) {
  int64_t n = 0;
  if (const uint16_t* h = constant<uint16_t>(g, id, Type::F16, &n)) *out = from_half(*h);
  else if (const float* f = constant<float>(g, id, Type::F32, &n)) *out = *f;
  return n == 1;
}

inline bool read_int64s(const Graph& g, int id, Shape* out) {
  int64_t n = 0;
  const int64_t* p = constant<int64_t>(g, id, Type::S64, &n);
  if (!p || n > 6) return false;
  out->assign(p, p + n);
  return true;
}

// A scale that arithmetic can be trusted with.
inline bool sound(float scale) { return std::isfinite(scale) && scale > 1e-30f && scale < 1e30f; }

// Zero points of type U8 or S8; an absent one is 0.
inline bool read_zeros(const Graph& g, int id, Type type, std::vector<int>* out) {
  out->assign(1, 0);
  if (id < 0) return true;
  int64_t n = 0;
  if (type == Type::U8) {
    const uint8_t* p = constant<uint8_t>(g, id, type, &n);
    if (p) out->assign(p, p + n);
    return p;
  }
  const int8_t* p = constant<int8_t>(g, id, type, &n);
  if (p) out->assign(p, p + n);
  return p;
}

// Scale and zero point of one tensor.
inline bool read_quant(const Graph& g, int scale, int zero, Type type, Quant* q) {
  std::vector<float> s;
  std::vector<int> z;
  if (!read_floats(g, scale, &s) || s.size() != 1 || !sound(s[0]) || !read_zeros(g, zero, type, &z) || z.size() != 1) return false;
  *q = {s[0], z[0]};
  return true;
}

inline bool eight_bits(Type t) { return t == Type::U8 || t == Type::S8; }

// Window attributes; `spatial` are the kernel's [height, width].
bool read_window(const Node& n, const Shape& input, int64_t kh, int64_t kw, Op* op, std::string* why);
// Weights, their quantization and whether a convolution is dense or depthwise.
bool read_conv(const Graph& g, const Node& n, int input, int weights, int bias, Op* op, std::string* why);
bool read_weight_quant(const Graph& g, int weights, const std::vector<float>& scales, int zero, int64_t outputs, Op* op, std::string* why);
bool read_requantization(const Op& op, std::string* why);
bool read_pool(const Graph& g, const Node& n, Op* op, std::string* why);
bool read_activation(const Graph& g, const Node& n, Act* act);
bool read_gemm(const Graph& g, const Node& n, Op* op, std::string* why);

}  // namespace chexp
