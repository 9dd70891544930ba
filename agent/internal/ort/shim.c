//go:build cgo

#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

char *chexp_take(void **api, status s) {
  if (s == NULL) return NULL;
  const char *(*message)(status) = (const char *(*)(status))api[idx_GetErrorMessage];
  void (*release)(status) = (void (*)(status))api[idx_ReleaseStatus];
  char *text = strdup(message(s));
  release(s);
  return text ? text : strdup("out of memory");
}

char *chexp_open(const char *path, void **handle, void ***api) {
  *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
  if (*handle == NULL) return strdup("the library is not loaded");
  const void **(*base)(void) = (const void **(*)(void))dlsym(*handle, "OrtGetApiBase");
  if (base == NULL) return strdup("the library has no OrtGetApiBase");
  // OrtApiBase is {GetApi, GetVersionString}.
  const void *(*get)(uint32_t) = (const void *(*)(uint32_t))base()[0];
  *api = (void **)get(api_version);
  if (*api == NULL) return strdup("the library is too old: it lacks C API 24");
  return NULL;
}

char *chexp_providers(void **api, char ***names, int *count) {
  status (*get)(char ***, int *) = (status (*)(char ***, int *))api[idx_GetAvailableProviders];
  return chexp_take(api, get(names, count));
}

void chexp_release_providers(void **api, char **names, int count) {
  status (*release)(char **, int) = (status (*)(char **, int))api[idx_ReleaseAvailableProviders];
  free(chexp_take(api, release(names, count)));
}

const char *chexp_build_info(void **api) {
  return ((const char *(*)(void))api[idx_GetBuildInfoString])();
}

char *chexp_append_by_symbol(void *handle, void **api, const char *symbol, void *options, int argument, int *found) {
  status (*append)(void *, int) = (status (*)(void *, int))dlsym(handle, symbol);
  *found = append != NULL;
  if (append == NULL) return NULL;
  return chexp_take(api, append(options, argument));
}

char *chexp_count(void **api, void *session, int output, size_t *count) {
  status (*get)(void *, size_t *) =
      (status (*)(void *, size_t *))api[output ? idx_SessionGetOutputCount : idx_SessionGetInputCount];
  return chexp_take(api, get(session, count));
}

static char *port_name(void **api, void *session, int output, size_t index, char **name) {
  void *allocator = NULL;
  status (*get_allocator)(void **) = (status (*)(void **))api[idx_GetAllocatorWithDefaultOptions];
  char *err = chexp_take(api, get_allocator(&allocator));
  if (err) return err;
  status (*get)(void *, size_t, void *, char **) =
      (status (*)(void *, size_t, void *, char **))api[output ? idx_SessionGetOutputName : idx_SessionGetInputName];
  char *text = NULL;
  if ((err = chexp_take(api, get(session, index, allocator, &text)))) return err;
  *name = strdup(text);
  status (*release)(void *, void *) = (status (*)(void *, void *))api[idx_AllocatorFree];
  return chexp_take(api, release(allocator, text));
}

static char *port_shape(void **api, void *type_info, chexp_port *port) {
  const void *tensor = NULL;
  status (*cast)(void *, const void **) = (status (*)(void *, const void **))api[idx_CastTypeInfoToTensorInfo];
  char *err = chexp_take(api, cast(type_info, &tensor));
  if (err || tensor == NULL) return err; // no tensor: type stays 0
  status (*get_type)(const void *, int *) = (status (*)(const void *, int *))api[idx_GetTensorElementType];
  if ((err = chexp_take(api, get_type(tensor, &port->type)))) return err;
  status (*get_count)(const void *, size_t *) = (status (*)(const void *, size_t *))api[idx_GetDimensionsCount];
  if ((err = chexp_take(api, get_count(tensor, &port->dims)))) return err;
  if (port->dims > chexp_max_dims) {
    port->dims = 0;
    return strdup("a tensor of more than 16 dimensions");
  }
  if (port->dims == 0) return NULL;
  status (*get_dims)(const void *, int64_t *, size_t) = (status (*)(const void *, int64_t *, size_t))api[idx_GetDimensions];
  if ((err = chexp_take(api, get_dims(tensor, port->dim, port->dims)))) return err;
  const char *names[chexp_max_dims] = {0};
  status (*get_names)(const void *, const char **, size_t) =
      (status (*)(const void *, const char **, size_t))api[idx_GetSymbolicDimensions];
  if ((err = chexp_take(api, get_names(tensor, names, port->dims)))) return err;
  for (size_t i = 0; i < port->dims; i++)
    if (names[i]) port->symbol[i] = strdup(names[i]);
  return NULL;
}

char *chexp_port_info(void **api, void *session, int output, size_t index, chexp_port *port) {
  memset(port, 0, sizeof *port);
  char *err = port_name(api, session, output, index, &port->name);
  if (err) return err;
  void *type_info = NULL;
  status (*get)(void *, size_t, void **) =
      (status (*)(void *, size_t, void **))api[output ? idx_SessionGetOutputTypeInfo : idx_SessionGetInputTypeInfo];
  if ((err = chexp_take(api, get(session, index, &type_info)))) return err;
  err = port_shape(api, type_info, port);
  ((void (*)(void *))api[idx_ReleaseTypeInfo])(type_info);
  return err;
}

void chexp_free_port(chexp_port *port) {
  free(port->name);
  for (size_t i = 0; i < chexp_max_dims; i++) free(port->symbol[i]);
  memset(port, 0, sizeof *port);
}

char *chexp_bind_output(void **api, void *binding, const char *name) {
  void *info = NULL;
  // OrtArenaAllocator 1, OrtMemTypeDefault 0.
  status (*create)(int, int, void **) = (status (*)(int, int, void **))api[idx_CreateCpuMemoryInfo];
  char *err = chexp_take(api, create(1, 0, &info));
  if (err) return err;
  status (*bind)(void *, const char *, const void *) = (status (*)(void *, const char *, const void *))api[idx_BindOutputToDevice];
  err = chexp_take(api, bind(binding, name, info));
  ((void (*)(void *))api[idx_ReleaseMemoryInfo])(info);
  return err;
}

chexp_time chexp_timed(void **api, void *session, void *binding) {
  status (*run)(void *, const void *, const void *) = (status (*)(void *, const void *, const void *))api[idx_RunWithBinding];
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  status s = run(session, NULL, binding);
  clock_gettime(CLOCK_MONOTONIC, &b);
  return (chexp_time){(b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec), chexp_take(api, s)};
}

char *chexp_loop(void **api, void *session, void *binding, int64_t *ns, size_t n) {
  for (size_t i = 0; i < n; i++) {
    chexp_time t = chexp_timed(api, session, binding);
    if (t.error) return t.error;
    ns[i] = t.ns;
  }
  return NULL;
}

char *chexp_fix_dimension(void **api, void *options, const char *name, int64_t size) {
  status (*set)(void *, const char *, int64_t) =
      (status (*)(void *, const char *, int64_t))api[idx_AddFreeDimensionOverrideByName];
  return chexp_take(api, set(options, name, size));
}
