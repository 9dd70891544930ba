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
};

extern const std::vector<std::string> kinds;

// `wild` draws some attributes, shapes and scales from values that make no sense.
Case generate(const std::string& kind, uint64_t seed, bool wild);

}  // namespace check
