// What onnxruntime_go v1.27.0 lacks, over the table of functions that ONNX
// Runtime's C API hands out. The table is append-only, so an entry keeps its
// index for ever; TestAPIIndexes checks every one of them against the header.
#ifndef CHEXP_ORT_SHIM_H
#define CHEXP_ORT_SHIM_H

#include <stddef.h>
#include <stdint.h>

enum {
  api_version = 24,
  idx_GetErrorMessage = 2,
  idx_SessionGetInputCount = 30,
  idx_SessionGetOutputCount = 31,
  idx_SessionGetInputTypeInfo = 33,
  idx_SessionGetOutputTypeInfo = 34,
  idx_SessionGetInputName = 36,
  idx_SessionGetOutputName = 37,
  idx_CreateTensorAsOrtValue = 48,
  idx_CreateTensorWithDataAsOrtValue = 49,
  idx_GetTensorMutableData = 51,
  idx_FillStringTensor = 52,
  idx_GetStringTensorDataLength = 53,
  idx_GetStringTensorContent = 54,
  idx_CastTypeInfoToTensorInfo = 55,
  idx_GetTensorElementType = 60,
  idx_GetDimensionsCount = 61,
  idx_GetDimensions = 62,
  idx_GetSymbolicDimensions = 63,
  idx_GetTensorShapeElementCount = 64,
  idx_GetTensorTypeAndShape = 65,
  idx_GetValueType = 67,
  idx_CreateCpuMemoryInfo = 69,
  idx_AllocatorFree = 76,
  idx_GetAllocatorWithDefaultOptions = 78,
  idx_GetValue = 80,
  idx_GetValueCount = 81,
  idx_ReleaseStatus = 93,
  idx_ReleaseMemoryInfo = 94,
  idx_ReleaseValue = 96,
  idx_ReleaseTypeInfo = 98,
  idx_ReleaseTensorTypeAndShapeInfo = 99,
  idx_AddFreeDimensionOverrideByName = 124,
  idx_GetAvailableProviders = 125,
  idx_ReleaseAvailableProviders = 126,
  idx_RunWithBinding = 133,
  idx_BindInput = 136,
  idx_BindOutput = 137,
  idx_BindOutputToDevice = 138,
  idx_GetBoundOutputValues = 140,
  idx_GetBuildInfoString = 254,
};

// Errors: every function returns NULL or a message to be freed with free().

// A status of ONNX Runtime: NULL, or an error that belongs to the caller.
// chexp_take turns it into a message and releases it.
typedef void *status;
char *chexp_take(void **api, status s);

// chexp_open finds the library that is already loaded from path.
char *chexp_open(const char *path, void **handle, void ***api);

char *chexp_providers(void **api, char ***names, int *count);
void chexp_release_providers(void **api, char **names, int count);
const char *chexp_build_info(void **api);

// chexp_append_by_symbol calls OrtSessionOptionsAppendExecutionProvider_<suffix>(options, argument).
// *found is 0 if the library exports no such function.
char *chexp_append_by_symbol(void *handle, void **api, const char *symbol, void *options, int argument, int *found);

enum { chexp_max_dims = 16 };

typedef struct {
  char *name; // to be freed with free()
  int type;   // ONNXTensorElementDataType, 0 if it is no tensor
  size_t dims;
  int64_t dim[chexp_max_dims];    // -1: symbolic
  char *symbol[chexp_max_dims];   // "" or NULL if it has no name; to be freed with free()
} chexp_port;

char *chexp_count(void **api, void *session, int output, size_t *count);
char *chexp_port_info(void **api, void *session, int output, size_t index, chexp_port *port);
void chexp_free_port(chexp_port *port);

// chexp_fix_dimension gives a symbolic dimension of the model its size.
char *chexp_fix_dimension(void **api, void *options, const char *name, int64_t size);

// chexp_bind_output lets the runtime allocate this output at every inference.
char *chexp_bind_output(void **api, void *binding, const char *name);

// chexp_timed runs a session once with its binding. The clock is read on this
// side: the way back into Go may wait for its scheduler.
typedef struct {
  int64_t ns;
  char *error; // as everywhere here
} chexp_time;
chexp_time chexp_timed(void **api, void *session, void *binding);

// chexp_loop runs a session n times with its binding, and writes the time of
// every call: what measuring costs where no Go is in between.
char *chexp_loop(void **api, void *session, void *binding, int64_t *ns, size_t n);

// A value of ONNX Runtime, to be released with chexp_release_value.
typedef void *value;

// chexp_tensor makes a tensor over memory that must outlive it; chexp_text_tensor
// one of strings, which chexp_fill_text gives n texts.
char *chexp_tensor(void **api, int type, const int64_t *dims, size_t rank, void *data, size_t bytes, value *made);
char *chexp_text_tensor(void **api, const int64_t *dims, size_t rank, value *made);
char *chexp_fill_text(void **api, value tensor, const char *const *texts, size_t n);
char *chexp_bind(void **api, void *binding, const char *name, value v, int output);
void chexp_release_value(void **api, value v);

// chexp_bound_output is the index-th bound output after a run.
char *chexp_bound_output(void **api, void *binding, size_t index, value *v);

// What a value is: a tensor with its type, shape and data, or count parts.
typedef struct {
  int kind; // ONNXType: 1 tensor, 2 sequence, 3 map
  int type;
  size_t rank;
  int64_t dim[chexp_max_dims];
  size_t elements;
  const void *data; // of a tensor that is not of strings
  size_t text;      // bytes of all texts, of one that is
  size_t parts;
} chexp_value;
char *chexp_describe(void **api, value v, chexp_value *d);
char *chexp_part(void **api, value v, int index, value *part);
// chexp_texts copies a tensor's texts, one after the other, and where each begins.
char *chexp_texts(void **api, value v, void *bytes, size_t n, size_t *begins, size_t elements);

#endif
