// What the checks share: ONNX Runtime through its C interface, with and without
// the plugin, and tensors that are plain bytes. Only the checks are built from
// this folder; nothing of it goes into the agent.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "onnxruntime_c_api.h"

namespace check {

struct Tensor {
  std::string name;
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::vector<int64_t> dims;
  std::vector<uint8_t> data;

  size_t count() const;
};

size_t element_size(ONNXTensorElementDataType t);

struct Port {
  std::string name;
  ONNXTensorElementDataType type;
  std::vector<int64_t> dims;  // -1: unknown
};

struct Counters {
  uint64_t subgraphs, nodes, plans, runs, edges, layouts, copies;
};

class Library {
 public:
  // Loads libonnxruntime and registers the plugin with it.
  Library(const std::string& runtime, const std::string& plugin);
  Counters counters() const;
  void check(OrtStatus* s) const;

  const OrtApi* api = nullptr;
  OrtEnv* env = nullptr;
  const OrtEpDevice* device = nullptr;
  std::string provider, version;

 private:
  int (*counters_)(uint64_t*, int) = nullptr;
};

struct Options {
  bool acl = false;
  bool light = false;
  int threads = 1;
  bool optimize = true;
};

class Session {
 public:
  Session(const Library& lib, const std::vector<uint8_t>& model, const Options& o);
  ~Session();
  Session(const Session&) = delete;
  std::vector<Tensor> run(const std::vector<Tensor>& inputs);
  // Nodes of the model that the plugin has, and all.
  void assigned(int* acl, int* all, int* acl_heavy, int* all_heavy) const;

  std::vector<Port> inputs, outputs;

 private:
  std::vector<Port> ports(bool output);
  const Library& lib_;
  OrtSession* session_ = nullptr;
};

std::vector<uint8_t> read_file(const std::string& path);

// Deterministic: a check that failed fails again.
struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 2654435769u + 88172645463325252u) {}
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  int64_t below(int64_t n) { return int64_t(next() >> 11) % n; }
  float uniform() { return float(next() >> 40) / float(1 << 24); }
  float normal() {  // near enough: the sum of twelve
    float s = -6;
    for (int i = 0; i < 12; i++) s += uniform();
    return s;
  }
};

// The largest difference: absolute, relative to the largest expected value, and
// in steps for integers.
struct Difference {
  double absolute = 0, relative = 0, largest = 0;
  size_t unequal = 0, n = 0;
  bool comparable = true;  // same type and shape
};
Difference compare(const Tensor& got, const Tensor& want);

}  // namespace check
