// The execution provider, as ONNX Runtime sees it: a factory that offers one
// device, the CPU, and providers that claim subgraphs and compile them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "arm_compute/core/Version.h"
#include "describe.h"
#include "plan.h"
#include "runtime.h"
#include "scheduler.h"
#include "version.h"

namespace chexp {

namespace {

std::mutex counters_lock;
Counters total;

// The plans that one subgraph keeps, one for each batch that came.
constexpr size_t max_plans = 8;
constexpr unsigned max_threads = 256;

// The library refuses float16 for want of its own kernels with the same words as for
// want of the CPU's.
bool judge(const Graph& g, const Op& op, const Shape& a, const Shape& b, const Shape& out, std::string* why) {
#ifndef CHEXP_FLOAT16
  if (g.values[op.in[0]].type == Type::F16) {
    *why = "this plugin was built without float16 kernels (agent/acl/build.sh says why)";
    return false;
  }
#endif
  return validate(g, op, a, b, out, why);
}

struct Settings {
  unsigned threads = 1;
  bool light = false;    // claim subgraphs without a convolution or product too
  bool explain = false;  // say on standard error why a node is not claimed
};

struct Compiled : OrtNodeComputeInfo {
  Runtime rt;
  unsigned threads = 1;
  Program program;
  std::vector<size_t> input_index;  // of the fused node, for each input of the program
  std::mutex lock;
  std::vector<std::pair<std::vector<Shape>, std::unique_ptr<Plan>>> plans;  // the last used one last

  Span open(const OrtValue* value, Type type) {
    OrtTensorTypeAndShapeInfo* info = nullptr;
    rt.check(rt.api->GetTensorTypeAndShape(value, &info));
    Span s;
    size_t rank = 0;
    ONNXTensorElementDataType t{};
    OrtStatus* status = rt.api->GetDimensionsCount(info, &rank);
    s.shape.resize(rank);
    if (!status && rank) status = rt.api->GetDimensions(info, s.shape.data(), rank);
    if (!status) status = rt.api->GetTensorElementType(info, &t);
    rt.api->ReleaseTensorTypeAndShapeInfo(info);
    rt.check(status);
    const std::pair<Type, ONNXTensorElementDataType> types[] = {{Type::F32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
                                                                {Type::F16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
                                                                {Type::U8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
                                                                {Type::S8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8}};
    if (std::none_of(std::begin(types), std::end(types), [&](auto& p) { return p.first == type && p.second == t; }))
      throw std::runtime_error("an input has another type than the model declares");
    const void* data = nullptr;
    rt.check(rt.api->GetTensorData(value, &data));
    s.data = const_cast<void*>(data);
    return s;
  }

  Plan& plan_for(const std::vector<Shape>& shapes, Counters* c) {
    for (size_t i = 0; i < plans.size(); i++) {
      if (plans[i].first != shapes) continue;
      std::rotate(plans.begin() + long(i), plans.begin() + long(i) + 1, plans.end());
      return *plans.back().second;
    }
    auto plan = std::make_unique<Plan>(program, shapes);
    if (plans.size() == max_plans) plans.erase(plans.begin());
    plans.emplace_back(shapes, std::move(plan));
    c->plans++;
    return *plans.back().second;
  }

  void compute(OrtKernelContext* context) {
    std::lock_guard<std::mutex> hold(lock);  // a plan has one set of buffers
    Inference inference(rt.api, context, threads);
    Counters c;
    std::vector<Span> in, out;
    std::vector<Shape> shapes;
    for (size_t i = 0; i < program.inputs.size(); i++) {
      const OrtValue* value = nullptr;
      rt.check(rt.api->KernelContext_GetInput(context, input_index[i], &value));
      if (!value) throw std::runtime_error("an input is absent");
      in.push_back(open(value, program.g.values[program.inputs[i]].type));
      shapes.push_back(in.back().shape);
    }
    Plan& plan = plan_for(shapes, &c);
    for (size_t i = 0; i < program.outputs.size(); i++) {
      Span s;
      s.shape = plan.shape(program.outputs[i]);
      OrtValue* value = nullptr;
      rt.check(rt.api->KernelContext_GetOutput(context, i, s.shape.data(), s.shape.size(), &value));
      rt.check(rt.api->GetTensorMutableData(value, &s.data));
      out.push_back(s);
    }
    plan.run(in, out, &c);
    std::lock_guard<std::mutex> count(counters_lock);
    total.plans += c.plans;
    total.runs += c.runs;
    total.edges += c.edges;
    total.layouts += c.layouts;
    total.copies += c.copies;
  }
};

OrtStatus* ORT_API_CALL create_state(OrtNodeComputeInfo* self, OrtNodeComputeContext*, void** state) noexcept {
  *state = self;
  return nullptr;
}

OrtStatus* ORT_API_CALL compute(OrtNodeComputeInfo* self, void*, OrtKernelContext* context) noexcept {
  auto* c = static_cast<Compiled*>(self);
  return c->rt.guard([&] { c->compute(context); });
}

void ORT_API_CALL release_state(OrtNodeComputeInfo*, void*) noexcept {}

struct Provider : OrtEp {
  Runtime rt;
  Settings settings;

  void claim(const OrtGraph* graph, OrtEpGraphSupportInfo* support) {
    const OrtNode* parent = nullptr;
    rt.check(rt.api->Graph_GetParentNode(graph, &parent));
    if (parent) return;  // the body of an If or a Loop stays where it is
    std::vector<const OrtNode*> handles;
    Graph g = read_graph(rt, graph, &handles);
    std::vector<std::string> refusals;
    std::vector<Op> ops = recognise_all(g, judge, &refusals);
    Counters c;
    for (const std::vector<int>& group : partition(g, ops, settings.light)) {
      std::vector<const OrtNode*> nodes;
      for (int i : group)
        for (int n : ops[i].nodes) nodes.push_back(handles[n]);
      OrtNodeFusionOptions options{};
      options.ort_version_supported = api_version;
      options.drop_constant_initializers = true;  // Program::pack copies what it needs
      rt.check(rt.ep->EpGraphSupportInfo_AddNodesToFuse(support, nodes.data(), nodes.size(), &options));
      c.subgraphs++;
      c.nodes += nodes.size();
    }
    if (settings.explain)
      for (const std::string& r : refusals) std::fprintf(stderr, "chexp acl: not claimed: %s\n", r.c_str());
    std::lock_guard<std::mutex> hold(counters_lock);
    total.subgraphs += c.subgraphs;
    total.nodes += c.nodes;
  }

  std::unique_ptr<Compiled> compile(const OrtGraph* graph, const OrtNode* fused) {
    auto c = std::make_unique<Compiled>();
    static_cast<OrtNodeComputeInfo&>(*c) = OrtNodeComputeInfo{api_version, create_state, chexp::compute, release_state};
    c->rt = rt;
    c->threads = settings.threads;
    std::vector<const OrtNode*> handles;
    Program& p = c->program;
    p.g = read_graph(rt, graph, &handles);
    std::vector<std::string> refusals;
    p.ops = recognise_all(p.g, judge, &refusals);
    size_t covered = 0;
    for (const Op& op : p.ops) covered += op.nodes.size();
    if (covered != p.g.nodes.size())
      throw std::runtime_error("a claimed subgraph came back different: " + (refusals.empty() ? "a node is in no operator" : refusals[0]));

    size_t n = 0, m = 0;
    rt.check(rt.api->Node_GetNumInputs(fused, &n));
    rt.check(rt.api->Node_GetNumOutputs(fused, &m));
    std::vector<const OrtValueInfo*> in(n), out(m);
    if (n) rt.check(rt.api->Node_GetInputs(fused, in.data(), n));
    if (m) rt.check(rt.api->Node_GetOutputs(fused, out.data(), m));
    auto id = [&](const OrtValueInfo* info) {
      std::string name = info ? name_of(rt, info) : "";
      for (size_t i = 0; i < p.g.values.size(); i++)
        if (p.g.values[i].name == name) return int(i);
      throw std::runtime_error("the fused node names a value that its graph lacks");
    };
    for (size_t i = 0; i < n; i++) {
      int v = id(in[i]);
      bool used = std::any_of(p.ops.begin(), p.ops.end(), [&](const Op& op) { return op.in[0] == v || op.in[1] == v; });
      if (!used || p.g.values[v].constant) continue;
      p.inputs.push_back(v);
      c->input_index.push_back(i);
    }
    for (size_t i = 0; i < m; i++) p.outputs.push_back(id(out[i]));
    p.pack();
    return c;
  }
};

const char* ORT_API_CALL ep_name(const OrtEp*) noexcept { return provider_name; }

OrtStatus* ORT_API_CALL get_capability(OrtEp* self, const OrtGraph* graph, OrtEpGraphSupportInfo* support) noexcept {
  auto* p = static_cast<Provider*>(self);
  return p->rt.guard([&] { p->claim(graph, support); });
}

OrtStatus* ORT_API_CALL compile(OrtEp* self, const OrtGraph** graphs, const OrtNode** fused, size_t count, OrtNodeComputeInfo** infos,
                                OrtNode**) noexcept {
  auto* p = static_cast<Provider*>(self);
  return p->rt.guard([&] {
    std::vector<std::unique_ptr<Compiled>> list;
    for (size_t i = 0; i < count; i++) list.push_back(p->compile(graphs[i], fused[i]));
    for (size_t i = 0; i < count; i++) infos[i] = list[i].release();
  });
}

void ORT_API_CALL release_infos(OrtEp*, OrtNodeComputeInfo** infos, size_t n) noexcept {
  for (size_t i = 0; i < n; i++) delete static_cast<Compiled*>(infos[i]);
}

struct Factory : OrtEpFactory {
  Runtime rt;
  std::string library;

  std::string option(const OrtSessionOptions* options, const char* name) {
    std::string prefix = std::string("ep.") + provider_name + ".", key;
    for (char c : prefix) key += char(std::tolower(c));  // as the runtime writes it
    key += name;
    int has = 0;
    rt.check(rt.api->HasSessionConfigEntry(options, key.c_str(), &has));
    if (!has) return "";
    size_t size = 0;
    rt.check(rt.api->GetSessionConfigEntry(options, key.c_str(), nullptr, &size));
    std::string value(size, '\0');
    rt.check(rt.api->GetSessionConfigEntry(options, key.c_str(), &value[0], &size));
    while (!value.empty() && value.back() == '\0') value.pop_back();
    return value;
  }

  bool flag(const OrtSessionOptions* options, const char* name) {
    std::string v = option(options, name);
    if (!v.empty() && v != "0" && v != "1") throw std::runtime_error(std::string("option ") + name + " is 0 or 1, not " + v);
    return v == "1";
  }

  Settings settings(const OrtSessionOptions* options) {
    Settings s;
    std::string threads = option(options, "threads");
    char* end = nullptr;
    unsigned long n = threads.empty() ? 1 : std::strtoul(threads.c_str(), &end, 10);
    if (n < 1 || n > max_threads || (end && *end)) throw std::runtime_error("option threads is a number from 1 to 256, not " + threads);
    s.threads = unsigned(n);
    s.light = flag(options, "claim_light");
    s.explain = flag(options, "explain");
    return s;
  }
};

const char* ORT_API_CALL factory_name(const OrtEpFactory*) noexcept { return provider_name; }
const char* ORT_API_CALL factory_vendor(const OrtEpFactory*) noexcept { return "chexp"; }
uint32_t ORT_API_CALL factory_vendor_id(const OrtEpFactory*) noexcept { return 0; }
const char* ORT_API_CALL factory_version(const OrtEpFactory*) noexcept { return plugin_version; }
bool ORT_API_CALL stream_aware(const OrtEpFactory*) noexcept { return false; }

OrtStatus* ORT_API_CALL supported_devices(OrtEpFactory* self, const OrtHardwareDevice* const* devices, size_t n, OrtEpDevice** out, size_t max,
                                          size_t* count) noexcept {
  auto* f = static_cast<Factory*>(self);
  *count = 0;
  return f->rt.guard([&] {
    for (size_t i = 0; i < n && *count < max; i++) {
      if (f->rt.api->HardwareDevice_Type(devices[i]) != OrtHardwareDeviceType_CPU) continue;
      OrtKeyValuePairs* metadata = nullptr;
      f->rt.api->CreateKeyValuePairs(&metadata);
      f->rt.api->AddKeyValuePair(metadata, "library", f->library.c_str());
      OrtStatus* s = f->rt.ep->CreateEpDevice(self, devices[i], metadata, nullptr, &out[*count]);
      f->rt.api->ReleaseKeyValuePairs(metadata);
      f->rt.check(s);
      ++*count;
      return;
    }
  });
}

OrtStatus* ORT_API_CALL create_ep(OrtEpFactory* self, const OrtHardwareDevice* const*, const OrtKeyValuePairs* const*, size_t,
                                  const OrtSessionOptions* options, const OrtLogger*, OrtEp** ep) noexcept {
  auto* f = static_cast<Factory*>(self);
  return f->rt.guard([&] {
    auto p = std::make_unique<Provider>();
    static_cast<OrtEp&>(*p) = OrtEp{};
    p->ort_version_supported = api_version;
    p->GetName = ep_name;
    p->GetCapability = get_capability;
    p->Compile = chexp::compile;
    p->ReleaseNodeComputeInfos = release_infos;
    p->rt = f->rt;
    p->settings = f->settings(options);
    *ep = p.release();
  });
}

void ORT_API_CALL release_ep(OrtEpFactory*, OrtEp* ep) noexcept { delete static_cast<Provider*>(ep); }

OrtStatus* ORT_API_CALL no_allocator(OrtEpFactory*, const OrtMemoryInfo*, const OrtKeyValuePairs*, OrtAllocator** a) noexcept {
  *a = nullptr;  // the runtime's own
  return nullptr;
}
void ORT_API_CALL release_allocator(OrtEpFactory*, OrtAllocator*) noexcept {}
OrtStatus* ORT_API_CALL no_transfer(OrtEpFactory*, OrtDataTransferImpl** t) noexcept {
  *t = nullptr;
  return nullptr;
}

// "24.11", out of "arm_compute_version=v24.11 Build options: …".
std::string library_version() {
  std::string info = arm_compute::build_information();
  size_t at = info.find("arm_compute_version=v");
  if (at == std::string::npos) return "unknown";
  at += 21;
  return info.substr(at, info.find_first_not_of("0123456789.", at) - at);
}

}  // namespace

}  // namespace chexp

extern "C" {

__attribute__((visibility("default"))) OrtStatus* CreateEpFactories(const char*, const OrtApiBase* base, const OrtLogger*, OrtEpFactory** factories,
                                                                    size_t max, size_t* count) {
  using namespace chexp;
  Runtime rt;
  rt.api = base->GetApi(api_version);
  if (!rt.api) return base->GetApi(1)->CreateStatus(ORT_INVALID_ARGUMENT, "chexp's ACL plugin needs ONNX Runtime 1.24 or later");
  rt.ep = rt.api->GetEpApi();
  if (max < 1) return rt.fail("chexp's ACL plugin: no room for a factory");
  return rt.guard([&] {
    auto f = std::make_unique<Factory>();
    static_cast<OrtEpFactory&>(*f) = OrtEpFactory{};
    f->ort_version_supported = api_version;
    f->GetName = factory_name;
    f->GetVendor = factory_vendor;
    f->GetVendorId = factory_vendor_id;
    f->GetVersion = factory_version;
    f->GetSupportedDevices = supported_devices;
    f->CreateEp = create_ep;
    f->ReleaseEp = release_ep;
    f->CreateAllocator = no_allocator;
    f->ReleaseAllocator = release_allocator;
    f->CreateDataTransfer = no_transfer;
    f->IsStreamAware = stream_aware;
    f->rt = rt;
    f->library = "Arm Compute Library " + library_version();
    install_scheduler();
    factories[0] = f.release();
    *count = 1;
  });
}

__attribute__((visibility("default"))) OrtStatus* ReleaseEpFactory(OrtEpFactory* factory) {
  delete static_cast<chexp::Factory*>(factory);
  return nullptr;
}

// Counters of the process, in the order of struct Counters; returns how many
// there are.
__attribute__((visibility("default"))) int ChexpAclCounters(uint64_t* out, int n) {
  std::lock_guard<std::mutex> hold(chexp::counters_lock);
  const auto& t = chexp::total;
  const uint64_t all[] = {t.subgraphs, t.nodes, t.plans, t.runs, t.edges, t.layouts, t.copies};
  const int have = int(sizeof all / sizeof all[0]);
  for (int i = 0; i < n && i < have; i++) out[i] = all[i];
  return have;
}

}  // extern "C"
