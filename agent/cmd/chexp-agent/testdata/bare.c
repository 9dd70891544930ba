// A bare ONNX Runtime process: loads the library given first, the model given
// second, and runs it 20 times with one thread and zeros as input; prints its
// peak memory in kB. What the agent takes more than this is its own.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"

static const OrtApi *api;

static void check(OrtStatus *status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", api->GetErrorMessage(status));
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  void *handle = dlopen(argv[1], RTLD_LAZY);
  if (handle == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
  const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(handle, "OrtGetApiBase");
  api = base()->GetApi(24);
  OrtEnv *env;
  OrtSessionOptions *options;
  OrtSession *session;
  OrtMemoryInfo *memory;
  OrtValue *input, *output = NULL;
  check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bare", &env));
  check(api->CreateSessionOptions(&options));
  check(api->SetIntraOpNumThreads(options, 1));
  check(api->SetInterOpNumThreads(options, 1));
  check(api->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL));
  check(api->CreateSession(env, argv[2], options, &session));
  OrtAllocator *allocator;
  char *in, *out;
  check(api->GetAllocatorWithDefaultOptions(&allocator));
  check(api->SessionGetInputName(session, 0, allocator, &in));
  check(api->SessionGetOutputName(session, 0, allocator, &out));
  int64_t shape[] = {1, 3, 224, 224};
  size_t bytes = 3 * 224 * 224 * sizeof(float);
  float *values = calloc(1, bytes);
  check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  check(api->CreateTensorWithDataAsOrtValue(memory, values, bytes, shape, 4, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
  const char *ins[] = {in}, *outs[] = {out};
  for (int i = 0; i < 20; i++) check(api->Run(session, NULL, ins, (const OrtValue *const *)&input, 1, outs, 1, &output));
  FILE *status = fopen("/proc/self/status", "r");
  char line[256];
  while (status && fgets(line, sizeof line, status))
    if (strncmp(line, "VmHWM:", 6) == 0) printf("%ld\n", strtol(line + 6, NULL, 10));
  return 0;
}
