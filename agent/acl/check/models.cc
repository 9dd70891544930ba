// Runs a whole model with the CPU provider and with the plugin on the same
// inputs and compares: models RUNTIME PLUGIN MODEL [inputs [batch [threads [nodes heavy relative]]]]
// With REFERENCE=MODEL in the environment the CPU provider runs that model instead;
// the class must then be the same where its first two are further apart than the
// difference that is allowed, which must be so for half of the inputs.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "harness.h"

using namespace check;

namespace {

// Smooth pictures, as the models expect them: noise alone would give every
// picture the same class.
Tensor picture(const Port& p, int64_t batch, uint64_t seed) {
  Tensor t{p.name, p.type, p.dims, {}};
  if (p.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) throw std::runtime_error("the input is not float");
  t.dims[0] = batch;
  for (int64_t d : t.dims)
    if (d < 1) throw std::runtime_error("only the batch may be open");
  t.data.resize(t.count() * 4);
  auto* v = reinterpret_cast<float*>(t.data.data());
  const int64_t h = t.dims[2], w = t.dims[3];
  for (int64_t n = 0; n < batch; n++) {
    Random r(seed + uint64_t(n) * 7919 + 1);
    float blob[6][6];
    for (auto& b : blob) for (float& x : b) x = r.uniform();
    for (int64_t c = 0; c < t.dims[1]; c++) {
      float base = 2 * r.uniform() - 1, noise = 0.4f * r.uniform();
      for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
          float s = base;
          for (auto& b : blob) {
            float dy = float(y) / float(h) - b[0], dx = float(x) / float(w) - b[1];
            if (dx * dx + dy * dy < 0.08f * b[2]) s += 3 * b[3 + c % 3] - 1.5f;
          }
          *v++ = s + noise * r.normal();
        }
    }
  }
  return t;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: models RUNTIME PLUGIN MODEL [inputs [batch [threads [nodes heavy relative]]]]\n"), 2;
  const int inputs = argc > 4 ? std::atoi(argv[4]) : 1, batch = argc > 5 ? std::atoi(argv[5]) : 1, threads = argc > 6 ? std::atoi(argv[6]) : 1;
  const int first = std::getenv("FIRST") ? std::atoi(std::getenv("FIRST")) : 0;  // to share the work among processes
  try {
    Library lib(argv[1], argv[2]);
    std::vector<uint8_t> model = read_file(argv[3]);
    Options o;
    o.threads = threads;
    const char* reference = std::getenv("REFERENCE");
    Session cpu(lib, reference ? read_file(reference) : model, o);
    o.acl = true;
    Session acl(lib, model, o);
    int ours, all, heavy, all_heavy;
    acl.assigned(&ours, &all, &heavy, &all_heavy);
    std::printf("%s (%s), %d thread(s), batch %d\n", lib.provider.c_str(), lib.version.c_str(), threads, batch);
    std::printf("claimed: %d of %d nodes, %d of %d convolutions and products\n", ours, all, heavy, all_heavy);
    const double bound = argc > 9 ? std::atof(argv[9]) : 0;
    int same = 0, rows = 0, apart = 0, apart_same = 0;
    double worst = 0, worst_relative = 0;
    for (int i = 0; i < inputs; i += batch) {
      Tensor in = picture(cpu.inputs.at(0), batch, uint64_t(first + i));
      std::vector<Tensor> want = cpu.run({in}), got = acl.run({in});
      Difference d = compare(got.at(0), want.at(0));
      if (!d.comparable) throw std::runtime_error("outputs of other shapes");
      worst = std::max(worst, d.absolute);
      worst_relative = std::max(worst_relative, d.relative);
      const size_t classes = want[0].count() / size_t(batch);
      for (int b = 0; b < batch; b++, rows++) {
        auto top = [&](const Tensor& t) {
          auto* v = reinterpret_cast<const float*>(t.data.data()) + size_t(b) * classes;
          return std::max_element(v, v + classes) - v;
        };
        const bool equal = top(want[0]) == top(got[0]);
        same += equal;
        const float* v = reinterpret_cast<const float*>(want[0].data.data()) + size_t(b) * classes;
        double second = -INFINITY, largest = 0;
        for (size_t k = 0; k < classes; k++) {
          if (ptrdiff_t(k) != top(want[0])) second = std::max(second, double(v[k]));
          largest = std::max(largest, std::fabs(double(v[k])));
        }
        const bool far = v[top(want[0])] - second > bound * largest;
        apart += far;
        apart_same += far && equal;
      }
    }
    Counters c = lib.counters();
    std::printf("argmax equal: %d of %d; largest difference %.6g, relative to the largest output %.3g\n", same, rows, worst, worst_relative);
    std::printf("subgraphs %llu, plans %llu, runs %llu; per inference: %.2f layout changes and %.2f copies for %.2f tensors at the edges\n",
                (unsigned long long)c.subgraphs, (unsigned long long)c.plans, (unsigned long long)c.runs,
                double(c.layouts) / double(rows / batch), double(c.copies) / double(rows / batch), double(c.edges) / double(rows / batch));
    if (reference) std::printf("of %d whose first two classes are further apart than %g of the largest output: argmax equal %d\n", apart, bound, apart_same);
    // What was asked for at least; and the same answers.
    if (argc > 9) {
      if (ours < std::atoi(argv[7]) || heavy < std::atoi(argv[8])) throw std::runtime_error("fewer nodes claimed than asked for");
      if (worst_relative > bound || (reference ? apart_same != apart || 2 * apart < rows : same != rows)) throw std::runtime_error("a larger difference than allowed");
      if (c.layouts + c.copies > c.edges) throw std::runtime_error("tensors were moved inside a subgraph");
    }
    return 0;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "models: %s\n", e.what()), 1;
  }
}
