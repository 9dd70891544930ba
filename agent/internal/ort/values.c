//go:build cgo

// Values of ONNX Runtime: made over memory of ours, and read whatever they are.
#include "shim.h"

#include <stdlib.h>
#include <string.h>

// OrtArenaAllocator 1, OrtMemTypeDefault 0.
static char *cpu_memory(void **api, void **info) {
  status (*create)(int, int, void **) = (status (*)(int, int, void **))api[idx_CreateCpuMemoryInfo];
  return chexp_take(api, create(1, 0, info));
}

static char *default_allocator(void **api, void **allocator) {
  status (*get)(void **) = (status (*)(void **))api[idx_GetAllocatorWithDefaultOptions];
  return chexp_take(api, get(allocator));
}

char *chexp_tensor(void **api, int type, const int64_t *dims, size_t rank, void *data, size_t bytes, value *made) {
  void *info = NULL;
  char *err = cpu_memory(api, &info);
  if (err) return err;
  status (*create)(const void *, void *, size_t, const int64_t *, size_t, int, value *) =
      (status (*)(const void *, void *, size_t, const int64_t *, size_t, int, value *))
          api[idx_CreateTensorWithDataAsOrtValue];
  err = chexp_take(api, create(info, data, bytes, dims, rank, type, made));
  ((void (*)(void *))api[idx_ReleaseMemoryInfo])(info);
  return err;
}

char *chexp_text_tensor(void **api, const int64_t *dims, size_t rank, value *made) {
  void *allocator = NULL;
  char *err = default_allocator(api, &allocator);
  if (err) return err;
  enum { strings = 8 };
  status (*create)(void *, const int64_t *, size_t, int, value *) =
      (status (*)(void *, const int64_t *, size_t, int, value *))api[idx_CreateTensorAsOrtValue];
  return chexp_take(api, create(allocator, dims, rank, strings, made));
}

char *chexp_fill_text(void **api, value tensor, const char *const *texts, size_t n) {
  status (*fill)(value, const char *const *, size_t) =
      (status (*)(value, const char *const *, size_t))api[idx_FillStringTensor];
  return chexp_take(api, fill(tensor, texts, n));
}

char *chexp_bind(void **api, void *binding, const char *name, value v, int output) {
  status (*bind)(void *, const char *, value) =
      (status (*)(void *, const char *, value))api[output ? idx_BindOutput : idx_BindInput];
  return chexp_take(api, bind(binding, name, v));
}

void chexp_release_value(void **api, value v) { ((void (*)(value))api[idx_ReleaseValue])(v); }

char *chexp_bound_output(void **api, void *binding, size_t index, value *v) {
  void *allocator = NULL;
  char *err = default_allocator(api, &allocator);
  if (err) return err;
  value *all = NULL;
  size_t n = 0;
  status (*get)(void *, void *, value **, size_t *) =
      (status (*)(void *, void *, value **, size_t *))api[idx_GetBoundOutputValues];
  if ((err = chexp_take(api, get(binding, allocator, &all, &n)))) return err;
  for (size_t i = 0; i < n; i++) {
    if (i == index)
      *v = all[i];
    else
      chexp_release_value(api, all[i]);
  }
  status (*release)(void *, void *) = (status (*)(void *, void *))api[idx_AllocatorFree];
  if (all) err = chexp_take(api, release(allocator, all));
  return err || index < n ? err : strdup("there is no such output");
}

static char *describe_tensor(void **api, value v, void *info, chexp_value *d) {
  status (*get_type)(const void *, int *) = (status (*)(const void *, int *))api[idx_GetTensorElementType];
  char *err = chexp_take(api, get_type(info, &d->type));
  if (err) return err;
  status (*get_rank)(const void *, size_t *) = (status (*)(const void *, size_t *))api[idx_GetDimensionsCount];
  if ((err = chexp_take(api, get_rank(info, &d->rank)))) return err;
  if (d->rank > chexp_max_dims) return strdup("a tensor of more than 16 dimensions");
  status (*get_dims)(const void *, int64_t *, size_t) =
      (status (*)(const void *, int64_t *, size_t))api[idx_GetDimensions];
  if (d->rank && (err = chexp_take(api, get_dims(info, d->dim, d->rank)))) return err;
  status (*count)(const void *, size_t *) = (status (*)(const void *, size_t *))api[idx_GetTensorShapeElementCount];
  if ((err = chexp_take(api, count(info, &d->elements)))) return err;
  enum { strings = 8 };
  if (d->type == strings) {
    status (*length)(value, size_t *) = (status (*)(value, size_t *))api[idx_GetStringTensorDataLength];
    return chexp_take(api, length(v, &d->text));
  }
  status (*get_data)(value, void **) = (status (*)(value, void **))api[idx_GetTensorMutableData];
  return chexp_take(api, get_data(v, (void **)&d->data));
}

char *chexp_describe(void **api, value v, chexp_value *d) {
  memset(d, 0, sizeof *d);
  status (*kind)(value, int *) = (status (*)(value, int *))api[idx_GetValueType];
  char *err = chexp_take(api, kind(v, &d->kind));
  if (err) return err;
  if (d->kind != 1) {
    status (*count)(value, size_t *) = (status (*)(value, size_t *))api[idx_GetValueCount];
    return d->kind == 2 || d->kind == 3 ? chexp_take(api, count(v, &d->parts)) : NULL;
  }
  void *info = NULL;
  status (*get)(value, void **) = (status (*)(value, void **))api[idx_GetTensorTypeAndShape];
  if ((err = chexp_take(api, get(v, &info)))) return err;
  err = describe_tensor(api, v, info, d);
  ((void (*)(void *))api[idx_ReleaseTensorTypeAndShapeInfo])(info);
  return err;
}

char *chexp_part(void **api, value v, int index, value *part) {
  void *allocator = NULL;
  char *err = default_allocator(api, &allocator);
  if (err) return err;
  status (*get)(value, int, void *, value *) = (status (*)(value, int, void *, value *))api[idx_GetValue];
  return chexp_take(api, get(v, index, allocator, part));
}

char *chexp_texts(void **api, value v, void *bytes, size_t n, size_t *begins, size_t elements) {
  status (*get)(value, void *, size_t, size_t *, size_t) =
      (status (*)(value, void *, size_t, size_t *, size_t))api[idx_GetStringTensorContent];
  return chexp_take(api, get(v, bytes, n, begins, elements));
}
