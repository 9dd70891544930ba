// Execution providers that come as a library of their own (C API 1.22), and
// which nodes a session gave to whom (1.24): what onnxruntime_go v1.27.0 lacks
// for chexp's ACL plugin.
#ifndef CHEXP_ORT_ACL_H
#define CHEXP_ORT_ACL_H

#include <stddef.h>

// Places in the same append-only table as those of shim.h; TestACLAPIIndexes
// checks them.
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

// Errors: NULL, or a message to be freed with free().

// chexp_find_device finds the first device of the provider of that name, and the
// versions in its metadata; they belong to the runtime. *device is NULL if there is none.
char *chexp_find_device(void **api, const char *provider, void **device, const char **version, const char **library);

// chexp_append_device makes the session try the provider of a device first.
char *chexp_append_device(void **api, void *options, void *device, const char *const *keys, const char *const *values, size_t count);

typedef struct {
  const char *provider, *domain, *op, *name; // they belong to the session
  size_t group; // nodes of one compiled subgraph have the same
} chexp_assigned;

// chexp_assignment lists the nodes of the model as the providers took them, after
// the basic optimizations. The list is to be freed with free(). The session must have been created
// with session.record_ep_graph_assignment_info=1.
char *chexp_assignment(void **api, void *session, chexp_assigned **nodes, size_t *count);

#endif
