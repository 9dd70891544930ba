// Writes ONNX models of a few nodes. Protocol buffers need only two kinds of
// field here: a varint and a length with bytes. Field numbers are those of onnx.proto.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "onnxruntime_c_api.h"

namespace check {

class Message {
 public:
  Message& integer(int field, uint64_t v) {
    varint(uint64_t(field) << 3);
    varint(v);
    return *this;
  }
  Message& bytes(int field, const void* p, size_t n) {
    varint(uint64_t(field) << 3 | 2);
    varint(n);
    data.append(static_cast<const char*>(p), n);
    return *this;
  }
  Message& bytes(int field, const std::string& s) { return bytes(field, s.data(), s.size()); }
  Message& message(int field, const Message& m) { return bytes(field, m.data); }
  Message& single(int field, float f) {
    varint(uint64_t(field) << 3 | 5);
    data.append(reinterpret_cast<const char*>(&f), 4);
    return *this;
  }
  std::string data;

 private:
  void varint(uint64_t v) {
    for (; v > 127; v >>= 7) data += char(v | 128);
    data += char(v);
  }
};

struct Model {
  Message graph;
  int initializers = 0;
  int opset = 17;

  using Dims = std::vector<int64_t>;

  void port(int field, const std::string& name, ONNXTensorElementDataType type, const Dims& dims, bool open_batch = false) {
    Message shape, tensor, t, info;
    for (size_t i = 0; i < dims.size(); i++) {
      Message d;
      if (i == 0 && open_batch) d.bytes(2, "batch");
      else d.integer(1, uint64_t(dims[i]));
      shape.message(1, d);
    }
    tensor.integer(1, uint64_t(type)).message(2, shape);
    t.message(1, tensor);
    graph.message(field, info.bytes(1, name).message(2, t));
  }
  void input(const std::string& name, ONNXTensorElementDataType type, const Dims& dims, bool open_batch = false) { port(11, name, type, dims, open_batch); }
  void output(const std::string& name, ONNXTensorElementDataType type) {
    Message tensor, t, info;
    t.message(1, tensor.integer(1, uint64_t(type)));
    graph.message(12, info.bytes(1, name).message(2, t));
  }
  template <typename T>
  std::string constant(ONNXTensorElementDataType type, const Dims& dims, const std::vector<T>& values) {
    std::string name = "c" + std::to_string(initializers++);
    Message t;
    for (int64_t d : dims) t.integer(1, uint64_t(d));
    t.integer(2, uint64_t(type)).bytes(8, name).bytes(9, values.data(), values.size() * sizeof(T));
    graph.message(5, t);
    return name;
  }
  std::string scale(float v) { return constant<float>(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, {}, {v}); }
  template <typename T>
  std::string zero(ONNXTensorElementDataType type, int v) { return constant<T>(type, {}, {T(v)}); }

  std::vector<uint8_t> bytes() const {
    Message m, set, microsoft;
    set.bytes(1, "").integer(2, uint64_t(opset));
    microsoft.bytes(1, "com.microsoft").integer(2, 1);
    m.integer(1, 8).message(7, graph).message(8, set).message(8, microsoft);
    return {m.data.begin(), m.data.end()};
  }
};

struct NodeWriter {
  Message m;
  NodeWriter(const std::string& op, const std::vector<std::string>& in, const std::string& out, const std::string& domain = "") {
    for (auto& i : in) m.bytes(1, i);
    m.bytes(2, out).bytes(4, op);
    if (!domain.empty()) m.bytes(7, domain);
  }
  NodeWriter& attr(const std::string& name, int64_t v) {
    Message a;
    m.message(5, a.bytes(1, name).integer(3, uint64_t(v)).integer(20, 2));
    return *this;
  }
  NodeWriter& attr(const std::string& name, float v) {
    Message a;
    m.message(5, a.bytes(1, name).single(2, v).integer(20, 1));
    return *this;
  }
  NodeWriter& attr(const std::string& name, const std::string& v) {
    Message a;
    m.message(5, a.bytes(1, name).bytes(4, v).integer(20, 3));
    return *this;
  }
  NodeWriter& attr(const std::string& name, const std::vector<int64_t>& v) {
    Message a;
    a.bytes(1, name);
    for (int64_t i : v) a.integer(8, uint64_t(i));
    m.message(5, a.integer(20, 7));
    return *this;
  }
  void into(Model* model) const { model->graph.message(1, m); }
};

}  // namespace check
