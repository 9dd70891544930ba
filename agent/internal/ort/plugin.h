// Execution providers that come as a library of their own (C API 1.22), and
// which nodes a session gave to whom (1.24): what onnxruntime_go v1.27.0 lacks
// to use a library that it has registered; see shim.h.
#ifndef CHEXP_ORT_PLUGIN_H
#define CHEXP_ORT_PLUGIN_H

#include <stddef.h>

enum {
  idx_CreateEnv = 3,
  idx_ReleaseEnv = 92,
  idx_GetKeyValue = 297,
  idx_GetEpDevices = 303,
  idx_SessionOptionsAppendExecutionProvider_V2 = 304,
  idx_EpDevice_EpName = 312,
  idx_EpDevice_EpMetadata = 314,
  idx_Session_GetEpGraphAssignmentInfo = 407,
  idx_EpAssignedSubgraph_GetEpName = 408,
  idx_EpAssignedSubgraph_GetNodes = 409,
  idx_EpAssignedNode_GetName = 410,
  idx_EpAssignedNode_GetDomain = 411,
  idx_EpAssignedNode_GetOperatorType = 412,
};

// Devices are counted from 0, in the runtime's order; registering a library adds
// its own at the end.

char *chexp_device_count(void **api, size_t *count);

// What a device's provider says of itself. The strings belong to the runtime;
// version and library are NULL where the metadata has none.
typedef struct {
  const char *provider, *version, *library;
} chexp_device;

char *chexp_device_info(void **api, size_t index, chexp_device *device);

// chexp_append_nth makes the session try the provider of that device first.
char *chexp_append_nth(void **api, void *options, size_t index, const char *const *keys, const char *const *values,
                       size_t count);

typedef struct {
  const char *provider, *domain, *op, *name; // they belong to the session
  size_t group;                              // nodes of one compiled subgraph have the same
} chexp_assigned;

// chexp_assignment lists the nodes of the model as the providers took them, after
// the basic optimizations. The list is to be freed with free(). The session must
// have been created with session.record_ep_graph_assignment_info=1.
char *chexp_assignment(void **api, void *session, chexp_assigned **nodes, size_t *count);

#endif
