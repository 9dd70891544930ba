#include "harness.h"

#include <dlfcn.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

namespace check {

size_t element_size(ONNXTensorElementDataType t) {
  switch (t) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32: case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32: return 4;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64: case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE: case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64: return 8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8: case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8: case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL: return 1;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16: case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16: case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16: return 2;
    default: return 0;
  }
}

size_t Tensor::count() const {
  size_t n = 1;
  for (int64_t d : dims) n *= size_t(d);
  return n;
}

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream f(path, std::ios::binary);
  if (!f) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(f), {}};
}

void Library::check(OrtStatus* s) const {
  if (!s) return;
  std::string text = api->GetErrorMessage(s);
  api->ReleaseStatus(s);
  throw std::runtime_error(text);
}

Library::Library(const std::string& runtime, const std::string& plugin) {
  void* h = dlopen(runtime.c_str(), RTLD_NOW);
  if (!h) throw std::runtime_error(dlerror());
  auto base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(h, "OrtGetApiBase"));
  if (!base) throw std::runtime_error("no OrtGetApiBase");
  api = base()->GetApi(24);
  if (!api) throw std::runtime_error("the runtime is older than 1.24");
  check(api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "check", &env));
  check(api->RegisterExecutionProviderLibrary(env, "chexp-acl", plugin.c_str()));
  const OrtEpDevice* const* devices = nullptr;
  size_t n = 0;
  check(api->GetEpDevices(env, &devices, &n));
  for (size_t i = 0; i < n; i++)
    if (std::string(api->EpDevice_EpVendor(devices[i])) == "chexp") device = devices[i];
  if (!device) throw std::runtime_error("the plugin offers no device");
  provider = api->EpDevice_EpName(device);
  const OrtKeyValuePairs* m = api->EpDevice_EpMetadata(device);
  for (const char* key : {"version", "library"})
    if (const char* v = api->GetKeyValue(m, key)) version += (version.empty() ? "" : ", ") + std::string(v);
  void* p = dlopen(plugin.c_str(), RTLD_NOW | RTLD_NOLOAD);
  counters_ = p ? reinterpret_cast<int (*)(uint64_t*, int)>(dlsym(p, "ChexpAclCounters")) : nullptr;
  if (!counters_) throw std::runtime_error("the plugin has no counters");
}

Counters Library::counters() const {
  uint64_t v[7] = {};
  if (counters_(v, 7) != 7) throw std::runtime_error("the plugin has other counters");
  return {v[0], v[1], v[2], v[3], v[4], v[5], v[6]};
}

Session::Session(const Library& lib, const std::vector<uint8_t>& model, const Options& o) : lib_(lib) {
  const OrtApi& a = *lib.api;
  OrtSessionOptions* options = nullptr;
  lib.check(a.CreateSessionOptions(&options));
  OrtStatus* s = a.SetIntraOpNumThreads(options, o.threads);
  if (!s) s = a.AddSessionConfigEntry(options, "session.record_ep_graph_assignment_info", "1");
  if (!s) s = a.AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0");
  if (!s && !o.optimize) s = a.SetSessionGraphOptimizationLevel(options, ORT_DISABLE_ALL);
  if (!s && o.acl) {
    std::string threads = std::to_string(o.threads);
    const char* keys[] = {"threads", "claim_light", "explain"};
    const char* values[] = {threads.c_str(), o.light ? "1" : "0", std::getenv("EXPLAIN") ? "1" : "0"};
    s = a.SessionOptionsAppendExecutionProvider_V2(options, lib.env, &lib.device, 1, keys, values, 3);
  }
  if (!s) s = a.CreateSessionFromArray(lib.env, model.data(), model.size(), options, &session_);
  a.ReleaseSessionOptions(options);
  lib.check(s);
  inputs = ports(false);
  outputs = ports(true);
}

Session::~Session() {
  if (session_) lib_.api->ReleaseSession(session_);
}

std::vector<Port> Session::ports(bool output) {
  const OrtApi& a = *lib_.api;
  OrtAllocator* allocator = nullptr;
  lib_.check(a.GetAllocatorWithDefaultOptions(&allocator));
  size_t n = 0;
  lib_.check(output ? a.SessionGetOutputCount(session_, &n) : a.SessionGetInputCount(session_, &n));
  std::vector<Port> list;
  for (size_t i = 0; i < n; i++) {
    char* name = nullptr;
    lib_.check(output ? a.SessionGetOutputName(session_, i, allocator, &name) : a.SessionGetInputName(session_, i, allocator, &name));
    Port p{name, ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED, {}};
    lib_.check(a.AllocatorFree(allocator, name));
    OrtTypeInfo* info = nullptr;
    lib_.check(output ? a.SessionGetOutputTypeInfo(session_, i, &info) : a.SessionGetInputTypeInfo(session_, i, &info));
    const OrtTensorTypeAndShapeInfo* t = nullptr;
    lib_.check(a.CastTypeInfoToTensorInfo(info, &t));
    if (t) {
      size_t rank = 0;
      lib_.check(a.GetTensorElementType(t, &p.type));
      lib_.check(a.GetDimensionsCount(t, &rank));
      p.dims.resize(rank);
      if (rank) lib_.check(a.GetDimensions(t, p.dims.data(), rank));
    }
    a.ReleaseTypeInfo(info);
    list.push_back(p);
  }
  return list;
}

std::vector<Tensor> Session::run(const std::vector<Tensor>& in) {
  const OrtApi& a = *lib_.api;
  OrtMemoryInfo* memory = nullptr;
  lib_.check(a.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
  std::vector<OrtValue*> values(in.size(), nullptr), out(outputs.size(), nullptr);
  std::vector<const char*> in_names, out_names;
  OrtStatus* s = nullptr;
  for (size_t i = 0; i < in.size() && !s; i++) {
    in_names.push_back(in[i].name.c_str());
    s = a.CreateTensorWithDataAsOrtValue(memory, const_cast<uint8_t*>(in[i].data.data()), in[i].data.size(), in[i].dims.data(), in[i].dims.size(), in[i].type, &values[i]);
  }
  for (auto& p : outputs) out_names.push_back(p.name.c_str());
  if (!s) s = a.Run(session_, nullptr, in_names.data(), values.data(), values.size(), out_names.data(), out_names.size(), out.data());
  std::vector<Tensor> list;
  for (size_t i = 0; i < out.size() && !s; i++) {
    Tensor t;
    t.name = outputs[i].name;
    OrtTensorTypeAndShapeInfo* info = nullptr;
    void* data = nullptr;
    size_t rank = 0;
    if ((s = a.GetTensorTypeAndShape(out[i], &info))) break;
    s = a.GetTensorElementType(info, &t.type);
    if (!s) s = a.GetDimensionsCount(info, &rank);
    t.dims.resize(rank);
    if (!s && rank) s = a.GetDimensions(info, t.dims.data(), rank);
    a.ReleaseTensorTypeAndShapeInfo(info);
    if (!s) s = a.GetTensorMutableData(out[i], &data);
    if (s) break;
    t.data.resize(t.count() * element_size(t.type));
    if (!t.data.empty()) std::memcpy(t.data.data(), data, t.data.size());
    list.push_back(std::move(t));
  }
  for (OrtValue* v : values) if (v) a.ReleaseValue(v);
  for (OrtValue* v : out) if (v) a.ReleaseValue(v);
  a.ReleaseMemoryInfo(memory);
  lib_.check(s);
  return list;
}

void Session::assigned(int* acl, int* all, int* acl_heavy, int* all_heavy) const {
  const OrtApi& a = *lib_.api;
  *acl = *all = *acl_heavy = *all_heavy = 0;
  const OrtEpAssignedSubgraph* const* groups = nullptr;
  size_t n = 0;
  lib_.check(a.Session_GetEpGraphAssignmentInfo(session_, &groups, &n));
  for (size_t i = 0; i < n; i++) {
    const char* name = nullptr;
    lib_.check(a.EpAssignedSubgraph_GetEpName(groups[i], &name));
    const OrtEpAssignedNode* const* nodes = nullptr;
    size_t m = 0;
    lib_.check(a.EpAssignedSubgraph_GetNodes(groups[i], &nodes, &m));
    const bool ours = lib_.provider == name;
    for (size_t j = 0; j < m; j++) {
      const char* op = nullptr;
      lib_.check(a.EpAssignedNode_GetOperatorType(nodes[j], &op));
      std::string o = op;
      bool heavy = o.find("Conv") != std::string::npos || o.find("MatMul") != std::string::npos || o.find("Gemm") != std::string::npos;
      *all += 1;
      *acl += ours;
      *all_heavy += heavy;
      *acl_heavy += ours && heavy;
    }
  }
}

Difference compare(const Tensor& got, const Tensor& want) {
  Difference d;
  d.n = want.count();
  if (got.type != want.type || got.dims != want.dims) {
    d.comparable = false;
    return d;
  }
  auto value = [](const Tensor& t, size_t i) -> double {
    switch (t.type) {
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: return reinterpret_cast<const float*>(t.data.data())[i];
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE: return reinterpret_cast<const double*>(t.data.data())[i];
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8: case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL: return t.data[i];
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8: return int8_t(t.data[i]);
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32: return reinterpret_cast<const int32_t*>(t.data.data())[i];
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64: return double(reinterpret_cast<const int64_t*>(t.data.data())[i]);
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16: {
        __fp16 h;
        std::memcpy(&h, &t.data[2 * i], 2);
        return double(h);
      }
      default: throw std::runtime_error("a type that the check cannot compare");
    }
  };
  for (size_t i = 0; i < d.n; i++) {
    double a = value(got, i), b = value(want, i);
    if (std::isfinite(b)) d.largest = std::max(d.largest, std::abs(b));
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    d.unequal++;
    double e = std::abs(a - b);
    d.absolute = std::max(d.absolute, std::isnan(e) ? INFINITY : e);
  }
  d.relative = d.largest > 0 ? d.absolute / d.largest : d.absolute;
  return d;
}

}  // namespace check
