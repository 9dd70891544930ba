// A model's graph as plain data: what the plugin decides upon. It knows neither
// ONNX Runtime nor the Arm Compute Library, so everything that judges a model
// (recognise.cc, qdq.cc, partition.cc, shape.cc) is built and tested on any machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace chexp {

enum class Type { Other, F32, F16, U8, S8, S32, S64 };

inline size_t size_of(Type t) {
  switch (t) {
    case Type::F32: case Type::S32: return 4;
    case Type::F16: return 2;
    case Type::U8: case Type::S8: return 1;
    case Type::S64: return 8;
    default: return 0;
  }
}

using Shape = std::vector<int64_t>;

struct Value {
  std::string name;
  Type type = Type::Other;
  bool has_shape = false;
  Shape dims;                        // -1: unknown
  std::vector<std::string> symbols;  // "" where a dimension has no name
  bool constant = false;
  // Of a constant. It belongs to the runtime until Graph::own.
  const void* data = nullptr;
  std::vector<uint8_t> owned;
  bool output = false;   // of the graph
  int producer = -1;     // node, or -1
  std::vector<int> consumers;  // nodes, once per input that uses it
  bool used_elsewhere = false; // by a nested graph: it must stay visible
};

// Attributes of the kinds that the claimed operators have; others are listed
// with kind Other, so that a node with one is refused rather than misread.
struct Attr {
  enum Kind { Int, Ints, Float, String, Other } kind = Other;
  std::vector<int64_t> ints;
  float f = 0;
  std::string s;
};

struct Node {
  std::string op, domain;
  int since = 0;  // the operator set version that defined it
  std::vector<int> inputs;  // values, -1 where an optional input is absent
  std::vector<int> outputs;
  std::map<std::string, Attr> attrs;
  bool nested = false;  // has a graph of its own

  int in(size_t i) const { return i < inputs.size() ? inputs[i] : -1; }
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;  // in topological order
  std::vector<int> inputs;  // values that the graph needs, constants excepted
  std::vector<int> outputs;

  const Value* value(int id) const { return id < 0 ? nullptr : &values[id]; }
  // The only consumer of a value that nothing else can see, or -1.
  int sole_consumer(int id) const {
    const Value& v = values[id];
    return v.output || v.used_elsewhere || v.consumers.size() != 1 ? -1 : v.consumers[0];
  }
};

// The number of elements, or -1: unknown, or more than the library can address
// (it counts bytes with int: 512 Mi elements of four).
inline int64_t count(const Shape& s) {
  int64_t n = 1;
  for (int64_t d : s) {
    if (d < 0 || (d > 0 && n > (int64_t{1} << 31) / d)) return -1;
    n *= d;
  }
  return n;
}

}  // namespace chexp
