// A plugin for tests: its execution provider offers the processor as its device
// and takes no node. It is compiled against the headers in the onnxruntime_go
// module.
#include <string.h>

#include "onnxruntime_c_api.h"

static const OrtApi *api;

static const char *ORT_API_CALL name(const OrtEpFactory *f) NO_EXCEPTION { return "IdleExecutionProvider"; }
static const char *ORT_API_CALL vendor(const OrtEpFactory *f) NO_EXCEPTION { return "chexp test"; }
static const char *ORT_API_CALL version(const OrtEpFactory *f) NO_EXCEPTION { return "1.0.0"; }
static uint32_t ORT_API_CALL vendor_id(const OrtEpFactory *f) NO_EXCEPTION { return 0; }
static bool ORT_API_CALL stream_aware(const OrtEpFactory *f) NO_EXCEPTION { return false; }

static OrtStatus *ORT_API_CALL transfer(OrtEpFactory *f, OrtDataTransferImpl **out) NO_EXCEPTION {
  *out = NULL;
  return NULL;
}

static OrtStatus *ORT_API_CALL allocator(OrtEpFactory *f, const OrtMemoryInfo *m, const OrtKeyValuePairs *o, OrtAllocator **out) NO_EXCEPTION {
  *out = NULL;
  return NULL;
}

static void ORT_API_CALL release_allocator(OrtEpFactory *f, OrtAllocator *a) NO_EXCEPTION {}

static OrtStatus *ORT_API_CALL devices(OrtEpFactory *f, const OrtHardwareDevice *const *list, size_t n, OrtEpDevice **out,
                                       size_t room, size_t *count) NO_EXCEPTION {
  *count = 0;
  for (size_t i = 0; i < n && *count < room; i++) {
    if (api->HardwareDevice_Type(list[i]) != OrtHardwareDeviceType_CPU) continue;
    OrtStatus *s = api->GetEpApi()->CreateEpDevice(f, list[i], NULL, NULL, &out[*count]);
    if (s) return s;
    ++*count;
  }
  return NULL;
}

static const char *ORT_API_CALL ep_name(const OrtEp *ep) NO_EXCEPTION { return "IdleExecutionProvider"; }
static OrtStatus *ORT_API_CALL capability(OrtEp *ep, const OrtGraph *g, OrtEpGraphSupportInfo *i) NO_EXCEPTION { return NULL; }

static OrtEp ep;

static OrtStatus *ORT_API_CALL create_ep(OrtEpFactory *f, const OrtHardwareDevice *const *d, const OrtKeyValuePairs *const *m,
                                         size_t n, const OrtSessionOptions *o, const OrtLogger *l, OrtEp **out) NO_EXCEPTION {
  int known = 0; // the option that the test passes
  api->HasSessionConfigEntry(o, "ep.idleexecutionprovider.colour", &known);
  if (!known) return api->CreateStatus(ORT_INVALID_ARGUMENT, "the option colour did not arrive");
  memset(&ep, 0, sizeof ep);
  ep.ort_version_supported = ORT_API_VERSION;
  ep.GetName = ep_name;
  ep.GetCapability = capability;
  *out = &ep;
  return NULL;
}

static void ORT_API_CALL release_ep(OrtEpFactory *f, OrtEp *e) NO_EXCEPTION {}

static OrtEpFactory factory;

OrtStatus *CreateEpFactories(const char *registered, const OrtApiBase *base, const OrtLogger *l, OrtEpFactory **out,
                             size_t room, size_t *count) {
  api = base->GetApi(ORT_API_VERSION);
  factory.ort_version_supported = ORT_API_VERSION;
  factory.GetName = name;
  factory.GetVendor = vendor;
  factory.GetVendorId = vendor_id;
  factory.GetVersion = version;
  factory.IsStreamAware = stream_aware;
  factory.GetSupportedDevices = devices;
  factory.CreateDataTransfer = transfer;
  factory.CreateAllocator = allocator;
  factory.ReleaseAllocator = release_allocator;
  factory.CreateEp = create_ep;
  factory.ReleaseEp = release_ep;
  out[0] = &factory;
  *count = 1;
  return NULL;
}

OrtStatus *ReleaseEpFactory(OrtEpFactory *f) { return NULL; }
