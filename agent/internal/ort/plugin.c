//go:build cgo

#include "plugin.h"

#include "shim.h"

#include <stdlib.h>
#include <string.h>

enum {
  idx_CreateEnv = 3,
  idx_ReleaseEnv = 92,
  idx_GetEpDevices = 303,
  idx_SessionOptionsAppendExecutionProvider_V2 = 304,
  idx_EpDevice_EpName = 312,
};

typedef void *status;
typedef void *const *devices;

static char *take(void **api, status s) {
  if (s == NULL) return NULL;
  char *text = strdup(((const char *(*)(status))api[idx_GetErrorMessage])(s));
  ((void (*)(status))api[idx_ReleaseStatus])(s);
  return text ? text : strdup("out of memory");
}

// begin hands out the devices, and the environment that holds them: there is one
// in a process, and creating it again counts a reference.
static char *begin(void **api, void **env, devices *list, size_t *count) {
  status (*create)(int, const char *, void **) = (status (*)(int, const char *, void **))api[idx_CreateEnv];
  char *err = take(api, create(3, "chexp", env)); // ORT_LOGGING_LEVEL_ERROR
  if (err) return err;
  status (*get)(void *, devices *, size_t *) = (status (*)(void *, devices *, size_t *))api[idx_GetEpDevices];
  return take(api, get(*env, list, count));
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

char *chexp_device_provider(void **api, size_t index, const char **name) {
  void *env = NULL;
  devices list = NULL;
  size_t count = 0;
  char *err = begin(api, &env, &list, &count);
  if (err == NULL && index >= count) err = strdup("no such device");
  if (err == NULL) *name = ((const char *(*)(const void *))api[idx_EpDevice_EpName])(list[index]);
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
    err = take(api, ((append)api[idx_SessionOptionsAppendExecutionProvider_V2])(options, env, &list[index], 1, keys, values, pairs));
  }
  end(api, env);
  return err;
}
