#include "runtime.h"

#include <unordered_map>

namespace chexp {

namespace {

Type type_of(ONNXTensorElementDataType t) {
  switch (t) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: return Type::F32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16: return Type::F16;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8: return Type::U8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8: return Type::S8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32: return Type::S32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64: return Type::S64;
    default: return Type::Other;
  }
}

class Reader {
 public:
  Reader(const Runtime& rt, const OrtGraph* graph) : rt_(rt), api_(*rt.api), graph_(graph) {}

  Graph read(std::vector<const OrtNode*>* handles) {
    size_t n = 0;
    rt_.check(api_.Graph_GetNumNodes(graph_, &n));
    handles->resize(n);
    if (n) rt_.check(api_.Graph_GetNodes(graph_, handles->data(), n));
    std::vector<const OrtValueInfo*> list = infos(api_.Graph_GetNumInputs, api_.Graph_GetInputs, graph_);
    for (const OrtValueInfo* i : list) {
      int id = value(i);
      if (id >= 0 && !g_.values[id].constant) g_.inputs.push_back(id);
    }
    for (const OrtNode* node : *handles) read_node(node);
    for (const OrtValueInfo* o : infos(api_.Graph_GetNumOutputs, api_.Graph_GetOutputs, graph_)) {
      int id = value(o);
      if (id < 0) continue;
      g_.values[id].output = true;
      g_.outputs.push_back(id);
    }
    return std::move(g_);
  }

 private:
  template <typename Count, typename Get, typename Of>
  std::vector<const OrtValueInfo*> infos(Count number, Get get, const Of* of) {
    size_t n = 0;
    rt_.check(number(of, &n));
    std::vector<const OrtValueInfo*> list(n);
    if (n) rt_.check(get(of, list.data(), n));
    return list;
  }

  void read_shape(const OrtTensorTypeAndShapeInfo* info, Value* v) {
    ONNXTensorElementDataType t{};
    rt_.check(api_.GetTensorElementType(info, &t));
    v->type = type_of(t);
    v->has_shape = api_.TensorTypeAndShape_HasShape(info);
    size_t rank = 0;
    if (!v->has_shape) return;
    rt_.check(api_.GetDimensionsCount(info, &rank));
    v->dims.resize(rank);
    v->symbols.resize(rank);
    if (!rank) return;
    rt_.check(api_.GetDimensions(info, v->dims.data(), rank));
    std::vector<const char*> names(rank);
    rt_.check(api_.GetSymbolicDimensions(info, names.data(), rank));
    for (size_t i = 0; i < rank; i++)
      if (v->dims[i] < 0 && names[i]) v->symbols[i] = names[i];
  }

  void read_constant(const OrtValueInfo* info, Value* v) {
    rt_.check(api_.ValueInfo_IsConstantInitializer(info, &v->constant));
    if (!v->constant) return;
    // Weights in a file of their own stay the runtime's: mapping somebody
    // else's file is not for a plugin to decide.
    OrtExternalInitializerInfo* external = nullptr;
    rt_.check(api_.ValueInfo_GetExternalInitializerInfo(info, &external));
    if (external) {
      api_.ReleaseExternalInitializerInfo(external);
      return;
    }
    const OrtValue* tensor = nullptr;
    rt_.check(api_.ValueInfo_GetInitializerValue(info, &tensor));
    int is_tensor = 0;
    if (!tensor || (rt_.check(api_.IsTensor(tensor, &is_tensor)), !is_tensor)) return;
    OrtTensorTypeAndShapeInfo* shape = nullptr;
    rt_.check(api_.GetTensorTypeAndShape(tensor, &shape));
    *v = Value{v->name, Type::Other, false, {}, {}, true, nullptr, {}, v->output, v->producer, v->consumers, v->used_elsewhere};
    try {
      read_shape(shape, v);
    } catch (...) {
      api_.ReleaseTensorTypeAndShapeInfo(shape);
      throw;
    }
    api_.ReleaseTensorTypeAndShapeInfo(shape);
    if (v->type != Type::Other) rt_.check(api_.GetTensorData(tensor, &v->data));
  }

  int value(const OrtValueInfo* info) {
    if (!info) return -1;
    std::string name = name_of(rt_, info);
    if (name.empty()) return -1;
    auto known = ids_.find(name);
    if (known != ids_.end()) return known->second;
    int id = int(g_.values.size());
    ids_[name] = id;
    Value v;
    v.name = std::move(name);
    const OrtTypeInfo* type = nullptr;
    rt_.check(api_.GetValueInfoTypeInfo(info, &type));
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;
    if (type) rt_.check(api_.CastTypeInfoToTensorInfo(type, &tensor));
    if (tensor) read_shape(tensor, &v);
    read_constant(info, &v);
    g_.values.push_back(std::move(v));
    return id;
  }

  Attr read_attr(const OrtOpAttr* handle) {
    Attr a;
    OrtOpAttrType type{};
    rt_.check(api_.OpAttr_GetType(handle, &type));
    size_t n = 0, got = 0;
    auto read = [&](void* data, size_t len) { rt_.check(api_.ReadOpAttr(handle, type, data, len, &got)); };
    auto measure = [&] {
      OrtStatus* s = api_.ReadOpAttr(handle, type, nullptr, 0, &n);  // fails, and says how many bytes
      if (s) api_.ReleaseStatus(s);
      return n;
    };
    if (type == ORT_OP_ATTR_INT) {
      a.kind = Attr::Int;
      a.ints.resize(1);
      read(a.ints.data(), sizeof(int64_t));
    } else if (type == ORT_OP_ATTR_INTS) {
      a.kind = Attr::Ints;
      if (measure() > 64 * sizeof(int64_t)) return Attr{};
      a.ints.resize(n / sizeof(int64_t));
      if (n) read(a.ints.data(), n);
    } else if (type == ORT_OP_ATTR_FLOAT) {
      a.kind = Attr::Float;
      read(&a.f, sizeof a.f);
    } else if (type == ORT_OP_ATTR_STRING) {
      a.kind = Attr::String;
      if (measure() > 256) return Attr{};
      a.s.resize(n);
      if (n) read(&a.s[0], n);
      while (!a.s.empty() && a.s.back() == '\0') a.s.pop_back();
    }
    return a;
  }

  void read_node(const OrtNode* node) {
    Node n;
    const char* text = nullptr;
    rt_.check(api_.Node_GetOperatorType(node, &text));
    n.op = text ? text : "";
    rt_.check(api_.Node_GetDomain(node, &text));
    n.domain = text ? text : "";
    rt_.check(api_.Node_GetSinceVersion(node, &n.since));
    size_t nested = 0, attrs = 0;
    rt_.check(api_.Node_GetNumSubgraphs(node, &nested));
    n.nested = nested > 0;
    const int index = int(g_.nodes.size());
    for (const OrtValueInfo* i : infos(api_.Node_GetNumInputs, api_.Node_GetInputs, node)) {
      n.inputs.push_back(value(i));
      if (n.inputs.back() >= 0) g_.values[n.inputs.back()].consumers.push_back(index);
    }
    if (n.nested) {
      for (const OrtValueInfo* i : infos(api_.Node_GetNumImplicitInputs, api_.Node_GetImplicitInputs, node)) {
        int id = value(i);
        n.inputs.push_back(id);
        if (id >= 0) g_.values[id].used_elsewhere = true;
      }
    }
    for (const OrtValueInfo* o : infos(api_.Node_GetNumOutputs, api_.Node_GetOutputs, node)) {
      n.outputs.push_back(value(o));
      if (n.outputs.back() >= 0) g_.values[n.outputs.back()].producer = index;
    }
    rt_.check(api_.Node_GetNumAttributes(node, &attrs));
    std::vector<const OrtOpAttr*> list(attrs);
    if (attrs) rt_.check(api_.Node_GetAttributes(node, list.data(), attrs));
    for (const OrtOpAttr* a : list) {
      if (!a) continue;
      rt_.check(api_.OpAttr_GetName(a, &text));
      n.attrs[text ? text : ""] = read_attr(a);
    }
    g_.nodes.push_back(std::move(n));
  }

  const Runtime& rt_;
  const OrtApi& api_;
  const OrtGraph* graph_;
  Graph g_;
  std::unordered_map<std::string, int> ids_;
};

}  // namespace

std::string name_of(const Runtime& rt, const OrtValueInfo* info) {
  const char* text = nullptr;
  rt.check(rt.api->GetValueInfoName(info, &text));
  return text ? text : "";
}

Graph read_graph(const Runtime& rt, const OrtGraph* graph, std::vector<const OrtNode*>* handles) { return Reader(rt, graph).read(handles); }

}  // namespace chexp
