//go:build cgo

#include "acl.h"
#include "shim.h"

#include <stdlib.h>
#include <string.h>

typedef void *status;

static char *take(void **api, status s) {
  if (s == NULL) return NULL;
  char *text = strdup(((const char *(*)(status))api[idx_GetErrorMessage])(s));
  ((void (*)(status))api[idx_ReleaseStatus])(s);
  return text ? text : strdup("out of memory");
}

// The environment is one per process: creating it again hands out the same.
static char *environment(void **api, void **env) {
  status (*create)(int, const char *, void **) = (status (*)(int, const char *, void **))api[idx_CreateEnv];
  return take(api, create(3, "chexp", env)); // ORT_LOGGING_LEVEL_ERROR
}

static void release(void **api, void *env) { ((void (*)(void *))api[idx_ReleaseEnv])(env); }

char *chexp_find_device(void **api, const char *provider, void **device, const char **version, const char **library) {
  *device = NULL;
  void *env = NULL;
  char *err = environment(api, &env);
  if (err) return err;
  void *const *list = NULL;
  size_t n = 0;
  status (*get)(void *, void *const **, size_t *) = (status (*)(void *, void *const **, size_t *))api[idx_GetEpDevices];
  err = take(api, get(env, &list, &n));
  const char *(*name)(const void *) = (const char *(*)(const void *))api[idx_EpDevice_EpName];
  for (size_t i = 0; err == NULL && i < n && *device == NULL; i++) {
    if (strcmp(name(list[i]), provider) != 0) continue;
    *device = list[i];
    const void *metadata = ((const void *(*)(const void *))api[idx_EpDevice_EpMetadata])(list[i]);
    const char *(*value)(const void *, const char *) = (const char *(*)(const void *, const char *))api[idx_GetKeyValue];
    *version = value(metadata, "version");
    *library = value(metadata, "library");
  }
  release(api, env);
  return err;
}

char *chexp_append_device(void **api, void *options, void *device, const char *const *keys, const char *const *values, size_t count) {
  void *env = NULL;
  char *err = environment(api, &env);
  if (err) return err;
  status (*append)(void *, void *, void *const *, size_t, const char *const *, const char *const *, size_t) =
      (status (*)(void *, void *, void *const *, size_t, const char *const *, const char *const *,
                  size_t))api[idx_SessionOptionsAppendExecutionProvider_V2];
  err = take(api, append(options, env, &device, 1, keys, values, count));
  release(api, env);
  return err;
}

char *chexp_assignment(void **api, void *session, chexp_assigned **nodes, size_t *count) {
  *nodes = NULL;
  *count = 0;
  const void *const *groups = NULL;
  size_t n = 0;
  typedef status (*list)(const void *, const void *const **, size_t *);
  typedef status (*text)(const void *, const char **);
  char *err = take(api, ((list)api[idx_Session_GetEpGraphAssignmentInfo])(session, &groups, &n));
  for (size_t i = 0; err == NULL && i < n; i++) {
    const char *provider = NULL;
    const void *const *members = NULL;
    size_t m = 0;
    err = take(api, ((text)api[idx_EpAssignedSubgraph_GetEpName])(groups[i], &provider));
    if (err == NULL) err = take(api, ((list)api[idx_EpAssignedSubgraph_GetNodes])(groups[i], &members, &m));
    chexp_assigned *more = err || m == 0 ? NULL : realloc(*nodes, (*count + m) * sizeof **nodes);
    if (err == NULL && m > 0 && more == NULL) err = strdup("out of memory");
    if (more) *nodes = more;
    for (size_t j = 0; err == NULL && j < m; j++) {
      chexp_assigned *a = &(*nodes)[(*count)++];
      *a = (chexp_assigned){provider, "", "", "", i};
      err = take(api, ((text)api[idx_EpAssignedNode_GetDomain])(members[j], &a->domain));
      if (err == NULL) err = take(api, ((text)api[idx_EpAssignedNode_GetOperatorType])(members[j], &a->op));
      if (err == NULL) err = take(api, ((text)api[idx_EpAssignedNode_GetName])(members[j], &a->name));
    }
  }
  if (err) {
    free(*nodes);
    *nodes = NULL;
    *count = 0;
  }
  return err;
}
