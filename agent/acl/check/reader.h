// Reads the few fields of ONNX files that the checks need. The files are the
// checks' own, so what does not parse is an error and no more.
#pragma once

#include <cstring>
#include <stdexcept>

#include "harness.h"
#include "writer.h"

namespace check {

// One field of a message.
struct Field {
  int number = 0;
  uint64_t value = 0;  // of a varint
  std::string bytes;   // of a length-delimited one
};

inline std::vector<Field> fields(const std::string& m) {
  std::vector<Field> list;
  size_t at = 0;
  auto varint = [&] {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at >= m.size()) throw std::runtime_error("a protocol buffer that ends early");
      uint64_t b = uint8_t(m[at++]);
      v |= (b & 127) << shift;
      if (b < 128) break;
    }
    return v;
  };
  while (at < m.size()) {
    uint64_t key = varint();
    Field f;
    f.number = int(key >> 3);
    size_t n = 0;
    switch (key & 7) {
      case 0: f.value = varint(); break;
      case 1: n = 8; break;
      case 2: n = size_t(varint()); break;
      case 5: n = 4; break;
      default: throw std::runtime_error("a protocol buffer of an unknown kind");
    }
    if (n > m.size() - at) throw std::runtime_error("a protocol buffer that ends early");
    f.bytes = m.substr(at, n);
    at += n;
    list.push_back(f);
  }
  return list;
}

// A TensorProto; fixed-size values may be in raw_data or in the typed fields.
inline Tensor parse_tensor(const std::string& m) {
  Tensor t;
  std::string raw, floats;
  std::vector<int64_t> integers;
  for (const Field& f : fields(m)) {
    if (f.number == 1 && f.bytes.empty()) t.dims.push_back(int64_t(f.value));
    if (f.number == 2) t.type = ONNXTensorElementDataType(f.value);
    if (f.number == 4) floats += f.bytes;
    if (f.number == 8) t.name = f.bytes;
    if (f.number == 9) raw = f.bytes;
    if (f.number == 5 || f.number == 7) {
      if (f.bytes.empty()) {
        integers.push_back(int64_t(f.value));
      } else {
        for (size_t i = 0; i < f.bytes.size();) {
          uint64_t v = 0;
          int shift = 0;
          do v |= uint64_t(uint8_t(f.bytes[i]) & 127) << shift, shift += 7;
          while (uint8_t(f.bytes[i++]) > 127 && i < f.bytes.size());
          integers.push_back(int64_t(v));
        }
      }
    }
  }
  const size_t e = element_size(t.type);
  if (!e) throw std::runtime_error("a tensor of an unknown type");
  if (!floats.empty() && t.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) raw = floats;
  if (raw.empty())
    for (int64_t v : integers) raw.append(reinterpret_cast<const char*>(&v), e);  // little-endian
  if (raw.size() != t.count() * e) throw std::runtime_error("a tensor with another number of values than its shape says");
  t.data.assign(raw.begin(), raw.end());
  return t;
}

inline Message tensor_message(const Tensor& t, const std::string& name) {
  Message m;
  for (int64_t d : t.dims) m.integer(1, uint64_t(d));
  return m.integer(2, uint64_t(t.type)).bytes(8, name).bytes(9, t.data.data(), t.data.size());
}

// Names of a graph's inputs or outputs (fields 11 and 12).
inline std::vector<std::string> port_names(const std::string& graph, int field) {
  std::vector<std::string> names;
  for (const Field& f : fields(graph))
    if (f.number == field)
      for (const Field& g : fields(f.bytes))
        if (g.number == 1) names.push_back(g.bytes);
  return names;
}

inline std::string graph_of(const std::vector<uint8_t>& model) {
  for (const Field& f : fields(std::string(model.begin(), model.end())))
    if (f.number == 7) return f.bytes;
  throw std::runtime_error("a model without a graph");
}

}  // namespace check
