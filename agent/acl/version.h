#pragma once

namespace chexp {

// The plugin's own version. It is the metadata "version" of its device, and what
// the runtime is told.
constexpr const char* plugin_version = "0.1.0";
// The name under which ONNX Runtime knows it: not ACLExecutionProvider, which is
// ONNX Runtime's own.
constexpr const char* provider_name = "ChexpACLExecutionProvider";

}  // namespace chexp
