// Random operators, with the CPU provider and with the plugin:
// operators RUNTIME PLUGIN COUNT [SEED [wild]]
#include <algorithm>
#include <cmath>
#include <cstring>

#include "generate.h"

using namespace check;

namespace {

struct Tally {
  int cases = 0, claimed = 0, refused = 0, both_refuse = 0, undefined = 0, failed = 0;
  size_t values = 0, unequal = 0;
  double worst = 0, cpu_worst = 0;
};

bool whole(const Case& c, const Tensor& t) { return t.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || c.kind == "Dequantize"; }

// What a float16 result may differ by from the same sum in float32, rounded once. The kernels
// also keep their running sums in float16 (as the CPU provider's do): each of n additions rounds by
// at most half of the last of 11 bits, of a running sum that is seldom above three standard
// deviations, 3 sqrt(n) for summands of variance 1, or the largest result. Their signs are random, so
// n roundings make about sqrt(n) of one; twice that is allowed. What adds nothing up is exact.
double allowed16(const Case& c, const Difference& d) {
  if (c.terms < 1) return 0;
  const double half_bit = 1.0 / 2048, n = double(c.terms), parts = c.mean ? n : 1;
  return 2 * half_bit * (std::sqrt(n) * std::max(3 * std::sqrt(n), parts * d.largest) / parts + d.largest);
}

// Float32 as float16.
std::vector<Tensor> narrow(std::vector<Tensor> list) {
  for (Tensor& t : list) {
    if (t.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) continue;
    std::vector<uint8_t> out(t.count() * 2);
    for (size_t i = 0; i < t.count(); i++) {
      const __fp16 h = __fp16(reinterpret_cast<const float*>(t.data.data())[i]);
      std::memcpy(&out[2 * i], &h, 2);
    }
    t.type = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
    t.data = out;
  }
  return list;
}

// What may differ: sums of floats are added in another order, and some kernels are
// Winograd's, so floats by a small part of the largest value (which an activation
// may have made smaller). Quantized values may not.
bool fine(const Case& c, const Tensor& want, const Difference& d) {
  if (float16(c.kind)) return d.comparable && d.absolute <= allowed16(c, d);
  return d.comparable && (whole(c, want) ? d.unequal == 0 : d.relative <= 3e-4 || d.absolute <= 1e-6);
}

// The difference as the table shows it: steps, a part of the largest value, or a part of
// what float16 is allowed.
double measure(const Case& c, const Tensor& want, const Difference& d) {
  if (float16(c.kind)) return d.absolute > 0 ? d.absolute / allowed16(c, d) : 0;
  return whole(c, want) ? d.absolute : d.relative;
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

void check_case(const Library& lib, const std::string& kind, bool wild, Tally* t, uint64_t seed, int threads) {
  const uint64_t number = seed * 1000003 + kind.size();
  const Case c = generate(kind, number, wild);
  t->cases++;
  std::vector<Tensor> want, got, own;  // own: the CPU provider's, where it is not what is wanted
  Options o;
  o.threads = threads;
  bool cpu_ok = true;
  std::string cpu_error;
  try {
    Session s(lib, c.model, o);
    want = s.run(c.inputs);
    if (float16(c.kind)) {
      own = want;
      const Case twin = generate(c.kind, number, wild, true);
      want = narrow(Session(lib, twin.model, o).run(twin.inputs));
    }
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
      if (std::getenv("EXPLAIN")) std::fprintf(stderr, "both refuse: %s: %s\n", c.text.c_str(), cpu_error.c_str());
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
  // What was left to the CPU provider is as it computes it, right or wrong.
  if (!own.empty() && ours < all) {
    want = std::move(own);
    own.clear();
  }
  for (size_t i = 0; i < want.size(); i++) {
    Difference d = compare(got[i], want[i]);
    if (fine(c, want[i], d)) {
      t->values += d.n;
      t->unequal += d.unequal;
      t->worst = std::max(t->worst, measure(c, want[i], d));
      if (!own.empty() && c.defined) {
        const double theirs = measure(c, want[i], compare(own[i], want[i]));
        t->cpu_worst = std::max(t->cpu_worst, theirs);
        if (theirs > 1 && std::getenv("EXPLAIN")) std::fprintf(stderr, "the CPU provider: %s seed %llu: %s: %g\n", c.kind.c_str(), (unsigned long long)seed, c.text.c_str(), theirs);
      }
      continue;
    }
    if (!c.defined || (own.empty() && !agrees_with_itself(lib, c, want))) {
      t->undefined++;
      break;
    }
    t->failed++;
    std::printf("FAILED %s seed %llu: %s: differs by %g (relative %g), %zu of %zu values\n", c.kind.c_str(), (unsigned long long)seed, c.text.c_str(), d.absolute, d.relative,
                d.unequal, d.n);
    if (!own.empty()) std::printf("  of what is allowed: %.3g; the CPU provider's own float16: %.3g\n", measure(c, want[i], d), measure(c, want[i], compare(own[i], want[i])));
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
        check_case(lib, kind, wild, &t, seed, 1 + i % 4);
      }
      std::printf("%-26s %6d %8d %8d %8d %9d %7d  %.3g, %.2f %% of values differ", kind.c_str(), t.cases, t.claimed, t.refused, t.both_refuse, t.undefined, t.failed, t.worst,
                  t.values ? 100.0 * double(t.unequal) / double(t.values) : 0.0);
      if (float16(kind)) std::printf("; the CPU provider's own: %.3g", t.cpu_worst);
      std::printf("\n");
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
