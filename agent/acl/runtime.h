// ONNX Runtime's C interface: errors as exceptions inside, as statuses outside.
#pragma once

#include <stdexcept>
#include <string>

#include "graph.h"
#include "onnxruntime_c_api.h"

namespace chexp {

// The version of the interface that this plugin was written for: 1.24 and later.
constexpr uint32_t api_version = 24;

struct Runtime {
  const OrtApi* api = nullptr;
  const OrtEpApi* ep = nullptr;

  void check(OrtStatus* status) const {
    if (!status) return;
    std::string text = api->GetErrorMessage(status);
    api->ReleaseStatus(status);
    throw std::runtime_error(text);
  }
  OrtStatus* fail(const char* text) const { return api->CreateStatus(ORT_EP_FAIL, text); }

  // Runs body; no exception may cross into the runtime.
  template <typename F>
  OrtStatus* guard(F body) const noexcept {
    try {
      body();
      return nullptr;
    } catch (const std::bad_alloc&) {
      return fail("chexp's ACL plugin: out of memory (bad_alloc)");
    } catch (const std::exception& e) {
      return fail((std::string("chexp's ACL plugin: ") + e.what()).c_str());
    } catch (...) {
      return fail("chexp's ACL plugin: an unknown error");
    }
  }
};

// Reads a graph. Constants stay the runtime's; handles[i] is node i.
Graph read_graph(const Runtime& rt, const OrtGraph* graph, std::vector<const OrtNode*>* handles);

std::string name_of(const Runtime& rt, const OrtValueInfo* info);

}  // namespace chexp
