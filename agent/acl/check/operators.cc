// Random operators, with the CPU provider and with the plugin:
// operators RUNTIME PLUGIN COUNT [SEED [wild]]
#include <algorithm>
#include <cstring>

#include "generate.h"

using namespace check;

namespace {

struct Tally {
  int cases = 0, claimed = 0, refused = 0, both_refuse = 0, undefined = 0, failed = 0;
  size_t values = 0, unequal = 0;
  double worst = 0;
};

bool whole(const Case& c, const Tensor& t) { return t.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || c.kind == "Dequantize"; }

// What may differ: sums of floats are added in another order, and some kernels are
// Winograd's, so floats by a small part of the largest value (which an activation
// may have made smaller). Quantized values may not.
bool fine(const Case& c, const Tensor& want, const Difference& d) {
  return d.comparable && (whole(c, want) ? d.unequal == 0 : d.relative <= 3e-4 || d.absolute <= 1e-6);
}

// Whether the CPU provider says the same without its optimizations: with scales
// that make infinities it may not, and then nothing is right or wrong.
bool agrees_with_itself(const Library& lib, const Case& c, const std::vector<Tensor>& want) {
  Options o;
  o.optimize = false;
  Session s(lib, c.model, o);
  std::vector<Tensor> plain = s.run(c.inputs);
  for (size_t i = 0; i < want.size(); i++)
    if (!fine(c, want[i], compare(plain[i], want[i]))) return false;
  return true;
}

void check_case(const Library& lib, const Case& c, Tally* t, uint64_t seed, int threads) {
  t->cases++;
  std::vector<Tensor> want, got;
  Options o;
  o.threads = threads;
  bool cpu_ok = true;
  std::string cpu_error;
  try {
    Session s(lib, c.model, o);
    want = s.run(c.inputs);
  } catch (const std::exception& e) {
    cpu_ok = false;
    cpu_error = e.what();
  }
  o.acl = o.light = true;
  int ours = 0, all = 0, x, y;
  try {
    Session s(lib, c.model, o);
    s.assigned(&ours, &all, &x, &y);
    got = s.run(c.inputs);
    got = s.run(c.inputs);  // the second time nothing is prepared any more
  } catch (const std::exception& e) {
    if (!cpu_ok) {
      t->both_refuse++;
      return;
    }
    t->failed++;
    std::printf("FAILED %s seed %llu: %s: the CPU provider runs it, with the plugin: %s\n", c.kind.c_str(), (unsigned long long)seed, c.text.c_str(), e.what());
    return;
  }
  if (!cpu_ok) {
    // Not an error of the plugin: it may run what the CPU provider cannot.
    ours ? t->claimed++ : t->refused++;
    return;
  }
  if (!ours) {
    t->refused++;
    return;
  }
  t->claimed++;
  for (size_t i = 0; i < want.size(); i++) {
    Difference d = compare(got[i], want[i]);
    if (fine(c, want[i], d)) {
      t->values += d.n;
      t->unequal += d.unequal;
      t->worst = std::max(t->worst, whole(c, want[i]) ? d.absolute : d.relative);
      continue;
    }
    if (!c.defined || !agrees_with_itself(lib, c, want)) {
      t->undefined++;
      break;
    }
    t->failed++;
    std::printf("FAILED %s seed %llu: %s: differs by %g (relative %g), %zu of %zu values\n", c.kind.c_str(), (unsigned long long)seed, c.text.c_str(), d.absolute, d.relative,
                d.unequal, d.n);
    break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: operators RUNTIME PLUGIN COUNT [SEED [wild [KIND]]]\n"), 2;
  const int n = std::atoi(argv[3]);
  const uint64_t first = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1;
  const bool wild = argc > 5 && !std::strcmp(argv[5], "wild");
  try {
    Library lib(argv[1], argv[2]);
    int failed = 0, cases = 0, claimed = 0;
    std::printf("%-26s %6s %8s %8s %8s %9s %7s  %s\n", wild ? "wild operators" : "operators", "cases", "claimed", "refused", "invalid", "undefined", "failed", "largest difference");
    for (const std::string& kind : kinds) {
      if (argc > 6 && kind != argv[6]) continue;
      Tally t;
      for (int i = 0; i < n; i++) {
        const uint64_t seed = first + uint64_t(i);
        check_case(lib, generate(kind, seed * 1000003 + kind.size(), wild), &t, seed, 1 + i % 4);
      }
      std::printf("%-26s %6d %8d %8d %8d %9d %7d  %.3g, %.2f %% of values differ\n", kind.c_str(), t.cases, t.claimed, t.refused, t.both_refuse, t.undefined, t.failed, t.worst,
                  t.values ? 100.0 * double(t.unequal) / double(t.values) : 0.0);
      std::fflush(stdout);
      failed += t.failed;
      cases += t.cases;
      claimed += t.claimed;
    }
    std::printf("operators: %d cases, %d claimed, failed %d\n", cases, claimed, failed);
    return failed ? 1 : 0;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "operators: %s\n", e.what()), 1;
  }
}
