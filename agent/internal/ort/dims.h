// The size of a symbolic dimension, which onnxruntime_go v1.27.0 cannot set; see
// shim.h.
#ifndef CHEXP_ORT_DIMS_H
#define CHEXP_ORT_DIMS_H

#include <stdint.h>

enum {
  idx_AddFreeDimensionOverrideByName = 124,
};

char *chexp_fix_dimension(void **api, void *options, const char *name, int64_t size);

#endif
