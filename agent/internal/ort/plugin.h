// Execution providers that come as a library of their own (C API 1.22): what
// onnxruntime_go v1.27.0 lacks to use one that it has registered; see shim.h.
#ifndef CHEXP_ORT_PLUGIN_H
#define CHEXP_ORT_PLUGIN_H

#include <stddef.h>

// Devices are counted from 0, in the runtime's order; registering a library adds
// its own at the end. Strings belong to the runtime.

char *chexp_device_count(void **api, size_t *count);
char *chexp_device_provider(void **api, size_t index, const char **name);

// chexp_append_nth makes the session try the provider of that device first.
char *chexp_append_nth(void **api, void *options, size_t index, const char *const *keys, const char *const *values,
                       size_t count);

#endif
