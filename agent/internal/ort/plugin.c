//go:build cgo

#include "plugin.h"

#include "shim.h"

#include <stdlib.h>
#include <string.h>

typedef void *const *devices;

// begin hands out the devices, and the environment that holds them: there is one
// in a process, and creating it again counts a reference.
static char *begin(void **api, void **env, devices *list, size_t *count) {
  status (*create)(int, const char *, void **) = (status (*)(int, const char *, void **))api[idx_CreateEnv];
  char *err = chexp_take(api, create(3, "chexp", env)); // ORT_LOGGING_LEVEL_ERROR
  if (err) return err;
  status (*get)(void *, devices *, size_t *) = (status (*)(void *, devices *, size_t *))api[idx_GetEpDevices];
  return chexp_take(api, get(*env, list, count));
}

static void end(void **api, void *env) {
  if (env) ((void (*)(void *))api[idx_ReleaseEnv])(env);
}

char *chexp_device_count(void **api, size_t *count) {
  void *env = NULL;
  devices list = NULL;
  char *err = begin(api, &env, &list, count);
  end(api, env);
  return err;
}

char *chexp_device_info(void **api, size_t index, chexp_device *device) {
  void *env = NULL;
  devices list = NULL;
  size_t count = 0;
  char *err = begin(api, &env, &list, &count);
  if (err == NULL && index >= count) err = strdup("no such device");
  if (err == NULL) {
    device->provider = ((const char *(*)(const void *))api[idx_EpDevice_EpName])(list[index]);
    const void *metadata = ((const void *(*)(const void *))api[idx_EpDevice_EpMetadata])(list[index]);
    typedef const char *(*value)(const void *, const char *);
    device->version = ((value)api[idx_GetKeyValue])(metadata, "version");
    device->library = ((value)api[idx_GetKeyValue])(metadata, "library");
  }
  end(api, env);
  return err;
}

char *chexp_append_nth(void **api, void *options, size_t index, const char *const *keys, const char *const *values,
                       size_t pairs) {
  void *env = NULL;
  devices list = NULL;
  size_t count = 0;
  char *err = begin(api, &env, &list, &count);
  if (err == NULL && index >= count) err = strdup("no such device");
  if (err == NULL) {
    typedef status (*append)(void *, void *, devices, size_t, const char *const *, const char *const *, size_t);
    append to = (append)api[idx_SessionOptionsAppendExecutionProvider_V2];
    err = chexp_take(api, to(options, env, &list[index], 1, keys, values, pairs));
  }
  end(api, env);
  return err;
}

char *chexp_assignment(void **api, void *session, chexp_assigned **nodes, size_t *count) {
  *nodes = NULL;
  *count = 0;
  const void *const *groups = NULL;
  size_t n = 0;
  typedef status (*list)(const void *, const void *const **, size_t *);
  typedef status (*text)(const void *, const char **);
  char *err = chexp_take(api, ((list)api[idx_Session_GetEpGraphAssignmentInfo])(session, &groups, &n));
  for (size_t i = 0; err == NULL && i < n; i++) {
    const char *provider = NULL;
    const void *const *members = NULL;
    size_t m = 0;
    err = chexp_take(api, ((text)api[idx_EpAssignedSubgraph_GetEpName])(groups[i], &provider));
    if (err == NULL) err = chexp_take(api, ((list)api[idx_EpAssignedSubgraph_GetNodes])(groups[i], &members, &m));
    chexp_assigned *more = err || m == 0 ? NULL : realloc(*nodes, (*count + m) * sizeof **nodes);
    if (err == NULL && m > 0 && more == NULL) err = strdup("out of memory");
    if (more) *nodes = more;
    for (size_t j = 0; err == NULL && j < m; j++) {
      chexp_assigned *a = &(*nodes)[(*count)++];
      *a = (chexp_assigned){provider, "", "", "", i};
      err = chexp_take(api, ((text)api[idx_EpAssignedNode_GetDomain])(members[j], &a->domain));
      if (err == NULL) err = chexp_take(api, ((text)api[idx_EpAssignedNode_GetOperatorType])(members[j], &a->op));
      if (err == NULL) err = chexp_take(api, ((text)api[idx_EpAssignedNode_GetName])(members[j], &a->name));
    }
  }
  if (err) {
    free(*nodes);
    *nodes = NULL;
    *count = 0;
  }
  return err;
}
