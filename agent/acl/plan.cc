#include "plan.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "arm_compute/runtime/BlobLifetimeManager.h"
#include "arm_compute/runtime/OffsetLifetimeManager.h"
#include "arm_compute/runtime/PoolManager.h"
#include "describe.h"
#include "layout.h"
#include "pointwise.h"

namespace chexp {

namespace ac = arm_compute;

namespace {

constexpr size_t alignment = 64;
constexpr size_t max_arena = size_t{2} << 30;

[[noreturn]] void refuse(const std::string& text) { throw std::runtime_error(text); }

size_t bytes(Type t, const Shape& s) { return size_t(count(s)) * size_of(t); }

// Between the caller's form of a tensor and the inner one; true if that is also
// another order.
bool move(const void* from, void* to, const Shape& s, Type t, bool inwards) {
  const bool differ = layouts_differ(s);
  if (differ) change_layout(from, to, s, t, inwards);
  else copy(from, to, s, t);
  return differ;
}

// Weights from ONNX's order into the library's.
std::vector<uint8_t> reorder(const Value& v, const Op& op) {
  const size_t e = size_of(v.type);
  const auto* from = static_cast<const uint8_t*>(v.data);
  std::vector<uint8_t> to(bytes(v.type, v.dims));
  auto put = [&](size_t at, size_t source) { std::memcpy(&to[at * e], from + source * e, e); };
  const Shape& d = v.dims;
  if (op.kind == Kind::MatMul) {
    size_t k = size_t(d[0]), n = size_t(d[1]);
    if (op.transposed) std::memcpy(to.data(), from, to.size());
    else
      for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < n; j++) put(j * k + i, i * n + j);
  } else {
    size_t o = size_t(d[0]), c = size_t(d[1]), plane = size_t(d[2] * d[3]);
    for (size_t i = 0; i < o; i++)
      for (size_t j = 0; j < c; j++)
        for (size_t x = 0; x < plane; x++) {
          size_t at = op.kind == Kind::Depthwise ? x * o + i : (i * plane + x) * c + j;
          put(at, (i * c + j) * plane + x);
        }
  }
  return to;
}

}  // namespace

void Program::pack() {
  weights.resize(ops.size());
  for (size_t i = 0; i < ops.size(); i++) {
    const Op& op = ops[i];
    if (op.weights >= 0 && op.quantized) {
      weights[i].integers = pack_integers(g, op);
    } else if (op.weights >= 0) {
      weights[i].data = reorder(g.values[op.weights], op);
      weights[i].info = describe_weights(g, op);
    }
    if (op.bias >= 0 && !op.quantized) {
      const Value& b = g.values[op.bias];
      weights[i].bias.assign(static_cast<const uint8_t*>(b.data), static_cast<const uint8_t*>(b.data) + bytes(b.type, b.dims));
    }
    if (op.kind == Kind::Add && g.values[op.in[1]].constant) {
      Value& c = g.values[op.in[1]];
      if (c.owned.empty()) c.owned.assign(static_cast<const uint8_t*>(c.data), static_cast<const uint8_t*>(c.data) + bytes(c.type, c.dims));
    }
  }
  for (Value& v : g.values) v.data = v.owned.empty() ? nullptr : v.owned.data();
}

Plan::Plan(const Program& p, const std::vector<Shape>& inputs) : p_(p) {
  infer_shapes(inputs);
  place();
  manager_ = std::make_shared<ac::MemoryManagerOnDemand>(std::make_shared<ac::OffsetLifetimeManager>(), std::make_shared<ac::PoolManager>());
  for (size_t i = 0; i < p_.ops.size(); i++) {
    steps_.push_back(std::make_unique<Step>());
    configure(steps_.back().get(), i);
  }
  manager_->populate(allocator_, 1);
}

void Plan::infer_shapes(const std::vector<Shape>& inputs) {
  for (size_t i = 0; i < inputs.size(); i++) {
    const Value& v = p_.g.values[p_.inputs[i]];
    bool fits = v.dims.size() == inputs[i].size();
    for (size_t d = 0; fits && d < v.dims.size(); d++) fits = inputs[i][d] > 0 && (v.dims[d] < 0 ? d == 0 : v.dims[d] == inputs[i][d]);
    if (!fits || count(inputs[i]) < 1) refuse("input " + v.name + " has a shape that the model does not declare, or is too large");
    shapes_[p_.inputs[i]] = inputs[i];
  }
  for (const Op& op : p_.ops) {
    std::string why;
    const Value* second = p_.g.value(op.in[1]);
    const Shape none, &b = !second ? none : second->constant ? second->dims : shapes_.at(op.in[1]);
    Shape out;
    const Shape& a = shapes_.at(op.in[0]);
    if (!infer(p_.g, op, a, b, &out, &why) || !validate(p_.g, op, a, b, out, &why))
      refuse("with this input shape, the operator that makes " + p_.g.values[op.out].name + " cannot run: " + why);
    shapes_[op.out] = out;
  }
}

// Gives every value its memory: the caller's where it has the right layout, else
// a place in one arena, reused as soon as nothing needs the value any more.
void Plan::place() {
  for (const Op& op : p_.ops)
    if (op.kind == Kind::Reshape) root_[op.out] = root_.count(op.in[0]) ? root_[op.in[0]] : op.in[0];
  auto root = [&](int v) { return root_.count(v) ? root_[v] : v; };

  const size_t n = p_.inputs.size(), m = p_.outputs.size();
  callers_.assign(n + m, nullptr);
  in_direct_.assign(n, false);
  out_direct_.assign(m, false);
  std::map<int, size_t> last;  // op that uses a root last
  for (size_t i = 0; i < p_.ops.size(); i++)
    for (int v : p_.ops[i].in)
      if (v >= 0) last[root(v)] = i;
  for (size_t i = 0; i < n; i++) {
    int v = p_.inputs[i];
    // A Quantize reads channels first by itself, so it needs no converted input.
    bool only_quantize = std::all_of(p_.ops.begin(), p_.ops.end(), [&](const Op& op) { return (op.in[0] != v && op.in[1] != v) || op.kind == Kind::Quantize; });
    in_direct_[i] = p_.g.values[v].type != Type::U8 && (!layouts_differ(shapes_.at(v)) || only_quantize);
    if (in_direct_[i]) direct_[v] = &callers_[i];
  }
  for (size_t i = 0; i < m; i++) {
    int v = p_.outputs[i];
    last[root(v)] = p_.ops.size();
    bool aliased = root(v) != v || std::any_of(root_.begin(), root_.end(), [&](auto& r) { return r.second == v; });
    out_direct_[i] = p_.g.values[v].type != Type::U8 && !layouts_differ(shapes_.at(v)) && !aliased && !direct_.count(v);
    if (out_direct_[i]) direct_[v] = &callers_[n + i];
  }

  std::map<size_t, size_t> taken;  // offset to end
  auto allocate = [&](int v) {
    size_t size = (bytes(p_.g.values[v].type, shapes_.at(v)) + alignment - 1) / alignment * alignment, at = 0;
    for (auto& t : taken) {
      if (t.first >= at + size) break;
      at = t.second;
    }
    if (at + size > max_arena) refuse("the batch needs more than 2 GiB between operators; lower it");
    taken[at] = at + size;
    offset_[v] = at;
    arena_bytes_ = std::max(arena_bytes_, at + size);
  };
  for (size_t i = 0; i < n; i++)
    if (!in_direct_[i]) allocate(p_.inputs[i]);
  for (size_t i = 0; i < p_.ops.size(); i++) {
    const Op& op = p_.ops[i];
    if (root(op.out) == op.out && !direct_.count(op.out)) allocate(op.out);
    for (auto& l : last)
      if (l.second == i && offset_.count(l.first)) taken.erase(offset_[l.first]);
  }
  arena_.reset(new uint8_t[arena_bytes_ + alignment]);
  base_ = arena_.get() + (alignment - reinterpret_cast<uintptr_t>(arena_.get()) % alignment) % alignment;
}

void* Plan::memory(int value) {
  if (root_.count(value)) value = root_[value];
  auto d = direct_.find(value);
  return d != direct_.end() ? *d->second : base_ + offset_.at(value);
}

void Plan::configure_weights(Step* s, const Weights& w) {
  s->weights.allocator()->init(w.info);
  s->weights.allocator()->import_memory(const_cast<uint8_t*>(w.data.data()));
  if (s->op->bias < 0) return;
  s->bias.allocator()->init(describe_bias(p_.g, *s->op));
  s->bias.allocator()->import_memory(const_cast<uint8_t*>(w.bias.data()));
}

void Plan::configure(Step* s, size_t i) {
  const Op& op = p_.ops[i];
  s->op = &op;
  const Shape &a = shapes_.at(op.in[0]), &out = shapes_.at(op.out);
  Type type = p_.g.values[op.in[0]].type;
  auto of = op.kind == Kind::MatMul ? describe_rows : describe;
  if (rescales(op)) {
    configure_quantized(s, i);
    return;
  }
  s->a.value = op.in[0];
  s->out.value = op.out;
  s->a.tensor.allocator()->init(of(type, a, op.quantized, op.q_in[0]));
  s->out.tensor.allocator()->init(of(p_.g.values[op.out].type, out, op.quantized, op.q_out));
  Activations act = describe_activation(op);
  const ac::Size2D dilation{size_t(op.dilation[1]), size_t(op.dilation[0])};
  switch (op.kind) {
    case Kind::Conv:
    case Kind::MatMul: {
      configure_weights(s, p_.weights[i]);
      auto f = std::make_unique<ac::NEConvolutionLayer>(manager_);
      f->configure(&s->a.tensor, &s->weights, op.bias >= 0 ? &s->bias : nullptr, &s->out.tensor, describe_padding(op), ac::WeightsInfo(), dilation, act.fused);
      s->function = std::move(f);
      break;
    }
    case Kind::Depthwise: {
      configure_weights(s, p_.weights[i]);
      auto f = std::make_unique<ac::NEDepthwiseConvolutionLayer>(manager_);
      f->configure(&s->a.tensor, &s->weights, op.bias >= 0 ? &s->bias : nullptr, &s->out.tensor, describe_padding(op), unsigned(out[1] / a[1]), act.fused, dilation);
      s->function = std::move(f);
      break;
    }
    case Kind::Add: {
      const Value& v = p_.g.values[op.in[1]];
      Shape b = v.constant ? v.dims : shapes_.at(op.in[1]);
      if (a.size() == 4 && b.size() < 4) b.insert(b.begin(), 4 - b.size(), 1);
      s->b.tensor.allocator()->init(describe(type, b, false, {}));
      if (v.constant) {
        s->constant.resize(v.owned.size());
        move(v.owned.data(), s->constant.data(), b, v.type, true);
        s->b.tensor.allocator()->import_memory(s->constant.data());
      } else {
        s->b.value = op.in[1];
      }
      auto f = std::make_unique<ac::NEArithmeticAddition>();
      f->configure(&s->a.tensor, &s->b.tensor, &s->out.tensor, ac::ConvertPolicy::SATURATE);
      s->function = std::move(f);
      break;
    }
    case Kind::Pool: {
      auto f = std::make_unique<ac::NEPoolingLayer>(manager_);
      f->configure(&s->a.tensor, &s->out.tensor, describe_pool(op));
      s->function = std::move(f);
      break;
    }
    case Kind::Quantize:
      s->from_first = layouts_differ(a) && outside(op.in[0]);
      break;
    default:
      break;
  }
  if (act.after.enabled()) {
    auto f = std::make_unique<ac::NEActivationLayer>();
    f->configure(op.kind == Kind::Activation ? &s->a.tensor : &s->out.tensor, &s->out.tensor, act.after);
    s->activation = std::move(f);
  }
  for (View* v : {&s->a, &s->b, &s->out})
    if (v->tensor.info()->has_padding()) refuse("the library wants padding around " + p_.g.values[v->value].name);
  for (View* v : {&s->a, &s->b, &s->out})
    if (v->value >= 0 && !outside(root_.count(v->value) ? root_[v->value] : v->value)) v->tensor.allocator()->import_memory(memory(v->value));
}

// What the plugin computes by itself has no tensors of the library's.
void Plan::configure_quantized(Step* s, size_t i) {
  const Op& op = *s->op;
  const Shape &in = shapes_.at(op.in[0]), &out = shapes_.at(op.out);
  if (op.kind == Kind::Depthwise) {
    s->depthwise = std::make_unique<Depthwise>(op, p_.weights[i].integers, in, out);
  } else if (op.weights >= 0) {
    s->product = std::make_unique<Product>(op, p_.g.values[op.weights].dims, p_.weights[i].integers, in, out, manager_);
    scratch_.resize(std::max(scratch_.size(), s->product->scratch_bytes() + alignment));
  } else if (op.kind == Kind::Add && p_.g.values[op.in[1]].constant) {
    const Value& v = p_.g.values[op.in[1]];
    Shape b = v.dims;
    if (in.size() == 4 && b.size() < 4) b.insert(b.begin(), 4 - b.size(), 1);
    s->constant.resize(v.owned.size());
    move(v.owned.data(), s->constant.data(), b, v.type, true);
  }
}

void Plan::run_quantized(Step* s) {
  const Op& op = *s->op;
  const Type t = p_.g.values[op.out].type;
  const auto* in = static_cast<const int8_t*>(memory(op.in[0]));
  auto* out = static_cast<int8_t*>(memory(op.out));
  const Shape& shape = shapes_.at(op.in[0]);
  if (s->product) {
    s->product->run(in, out, scratch_.data() + (alignment - reinterpret_cast<uintptr_t>(scratch_.data()) % alignment) % alignment);
  } else if (s->depthwise) {
    s->depthwise->run(in, out);
  } else if (op.kind == Kind::Add) {
    const Value& v = p_.g.values[op.in[1]];
    const int8_t* second = v.constant ? reinterpret_cast<const int8_t*>(s->constant.data()) : static_cast<const int8_t*>(memory(op.in[1]));
    add_tensors(in, shape, as_signed(op.q_in[0], t), second, v.constant ? v.dims : shapes_.at(op.in[1]), as_signed(op.q_in[1], t), out,
                shapes_.at(op.out), as_signed(op.q_out, t));
  } else {
    average_planes(in, out, shape, as_signed(op.q_in[0], t), as_signed(op.q_out, t));
  }
}

void Plan::run_step(Step* s, Counters* counters) {
  const Op& op = *s->op;
  if (rescales(op)) {
    run_quantized(s);
    return;
  }
  for (View* v : {&s->a, &s->b, &s->out})
    if (v->value >= 0 && outside(root_.count(v->value) ? root_[v->value] : v->value)) v->tensor.allocator()->import_memory(memory(v->value));
  const Shape& shape = shapes_.at(op.in[0]);
  if (op.kind == Kind::Quantize) {
    if (s->from_first) counters->layouts++;
    quantize_tensor(static_cast<const float*>(memory(op.in[0])), static_cast<int8_t*>(memory(op.out)), shape,
                    as_signed(op.q_out, p_.g.values[op.out].type), s->from_first);
  } else if (op.kind == Kind::Dequantize) {
    dequantize_tensor(static_cast<const int8_t*>(memory(op.in[0])), static_cast<float*>(memory(op.out)), size_t(count(shape)),
                      as_signed(op.q_in[0], p_.g.values[op.in[0]].type));
  }
  if (s->function) s->function->run();
  if (s->activation) s->activation->run();
}

void Plan::run(const std::vector<Span>& inputs, const std::vector<Span>& outputs, Counters* counters) {
  const size_t n = inputs.size();
  for (size_t i = 0; i < n; i++) {
    callers_[i] = inputs[i].data;
    if (in_direct_[i]) continue;
    const int v = p_.inputs[i];
    ++(move(inputs[i].data, memory(v), shapes_.at(v), p_.g.values[v].type, true) ? counters->layouts : counters->copies);
  }
  for (size_t i = 0; i < outputs.size(); i++) callers_[n + i] = outputs[i].data;
  for (auto& s : steps_) run_step(s.get(), counters);
  for (size_t i = 0; i < outputs.size(); i++) {
    if (out_direct_[i]) continue;
    const int v = p_.outputs[i];
    ++(move(memory(v), outputs[i].data, shapes_.at(v), p_.g.values[v].type, false) ? counters->layouts : counters->copies);
  }
  counters->runs++;
  counters->edges += n + outputs.size();
}

}  // namespace chexp
