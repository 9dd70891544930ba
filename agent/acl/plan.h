// A claimed subgraph, and its execution by the Arm Compute Library.
#pragma once

#include <map>
#include <memory>

#include "arm_compute/runtime/NEON/NEFunctions.h"
#include "arm_compute/runtime/Tensor.h"
#include "depthwise.h"
#include "product.h"

namespace chexp {

// Asks the library whether it has a function for an operator.
bool validate(const Graph& g, const Op& op, const Shape& a, const Shape& b, const Shape& out, std::string* why);

// What was done. A layout change or a copy happens to a tensor that enters or
// leaves a subgraph, and nowhere else.
struct Counters {
  uint64_t subgraphs = 0;  // claimed
  uint64_t nodes = 0;      // claimed, of the model
  uint64_t plans = 0;      // configured: one per subgraph and combination of input shapes
  uint64_t runs = 0;       // of subgraphs
  uint64_t edges = 0;      // tensors that entered or left one
  uint64_t layouts = 0;    // tensors whose layout was changed
  uint64_t copies = 0;     // tensors that were copied as they are
};

// Weights in the order in which they are read, made once.
struct Weights {
  std::vector<uint8_t> data;  // as the library wants them
  arm_compute::TensorInfo info;
  std::vector<uint8_t> bias;
  Integers integers;  // of a quantized operator, instead
};

struct Program {
  Graph g;
  std::vector<Op> ops;
  std::vector<Weights> weights;  // one per op
  std::vector<int> inputs, outputs;  // values, in the order of the fused node

  // Copies the constants that the operators use and lets go of the rest.
  void pack();
};

struct Span {
  void* data = nullptr;
  Shape shape;
};

// The functions configured for one combination of input shapes.
class Plan {
 public:
  Plan(const Program& p, const std::vector<Shape>& inputs);
  Plan(const Plan&) = delete;

  const Shape& shape(int value) const { return shapes_.at(value); }
  void run(const std::vector<Span>& inputs, const std::vector<Span>& outputs, Counters* counters);

 private:
  struct View {  // a tensor over memory of this plan or of the caller
    arm_compute::Tensor tensor;
    int value = -1;
  };
  struct Step {
    const Op* op = nullptr;
    View a, b, out;
    arm_compute::Tensor weights, bias;
    std::vector<uint8_t> constant;  // the second summand, where it is one
    std::unique_ptr<arm_compute::IFunction> function, activation;
    std::unique_ptr<Product> product;
    std::unique_ptr<Depthwise> depthwise;
    bool from_first = false;  // Quantize that also changes the layout
  };

  void infer_shapes(const std::vector<Shape>& inputs);
  void place();
  void configure(Step* s, size_t i);
  void configure_weights(Step* s, const Weights& w);
  void configure_quantized(Step* s, size_t i);
  void* memory(int value);
  bool outside(int value) const { return direct_.count(value) != 0; }
  void run_step(Step* s, Counters* counters);
  void run_quantized(Step* s);

  const Program& p_;
  std::map<int, Shape> shapes_;
  std::map<int, int> root_;       // a value that shares the memory of another
  std::map<int, size_t> offset_;  // in the arena, of roots
  std::map<int, void**> direct_;  // roots that lie in the caller's memory
  std::vector<void*> callers_;
  std::vector<bool> in_direct_, out_direct_;
  std::unique_ptr<uint8_t[]> arena_;
  uint8_t* base_ = nullptr;
  size_t arena_bytes_ = 0;
  std::vector<uint8_t> scratch_;  // of one product at a time
  std::shared_ptr<arm_compute::MemoryManagerOnDemand> manager_;
  arm_compute::Allocator allocator_;
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace chexp
