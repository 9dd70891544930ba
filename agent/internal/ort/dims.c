//go:build cgo

#include "dims.h"

#include "shim.h"

#include <stdlib.h>
#include <string.h>

char *chexp_fix_dimension(void **api, void *options, const char *name, int64_t size) {
  void *(*set)(void *, const char *, int64_t) =
      (void *(*)(void *, const char *, int64_t))api[idx_AddFreeDimensionOverrideByName];
  void *status = set(options, name, size);
  if (status == NULL) return NULL;
  const char *(*message)(void *) = (const char *(*)(void *))api[idx_GetErrorMessage];
  char *text = strdup(message(status));
  ((void (*)(void *))api[idx_ReleaseStatus])(status);
  return text ? text : strdup("out of memory");
}
