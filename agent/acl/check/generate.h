// Random models of one operator, in every form that the plugin claims and
// around its limits.
#pragma once

#include "harness.h"
#include "writer.h"

namespace check {

struct Case {
  std::string kind, text;  // what it is, and its attributes for a report
  std::vector<uint8_t> model;
  std::vector<Tensor> inputs;
  // False where a scale or a bound makes infinities or what is no number: the case
  // must end in order, but what it should give is not defined.
  bool defined = true;
  // Summands of one value of the output, 0 where nothing is added up; a mean of them?
  int64_t terms = 0;
  bool mean = false;
};

extern const std::vector<std::string> kinds;

inline bool float16(const std::string& kind) { return kind.size() > 4 && kind.compare(kind.size() - 4, 4, ".f16") == 0; }

// `wild` draws some attributes, shapes and scales from values that make no sense.
// The twin of a float16 case is the same operator on the same values in float32.
Case generate(const std::string& kind, uint64_t seed, bool wild, bool twin = false);

}  // namespace check
