// Package provider is the one table of ONNX Runtime's execution providers:
// what people and the runtime call each of them, how a session gets it, which
// libraries it comes with, and what is known about it beforehand. The agent
// opens sessions by it, chexp-pack and the orchestrator tell from it what a
// library has, and models/inspect says from it what a model can expect.
//
// A provider that is not in the table works too, by the rules that most
// providers follow. To add one, add a row here; what it takes of a model is a
// function in models/inspect, and a way of its own into a session is a function
// in agent/internal/ort.
package provider

import (
	"slices"
	"strings"
)

// Names that code asks for.
const (
	CPU    = "cpu"
	ACL    = "acl"     // chexp's plugin (agent/acl)
	ACLORT = "acl-ort" // ONNX Runtime's own, which no published build has
)

// Provider is one row of the table. Empty fields say nothing special.
type Provider struct {
	Name   string // in experiments, plans and results: lower case
	Native string // ONNX Runtime's name for it, without [Suffix]

	// How a session gets it. Function is the ending of an exported function
	// OrtSessionOptionsAppendExecutionProvider_…(options, int), and Argument the
	// option that the integer stands for. Generic is what ONNX Runtime's function
	// for all providers wants to hear, where that is not Name.
	Function, Argument string
	Generic            string

	// Where its code is. BuiltIn: in ONNX Runtime's own library wherever that
	// exports the provider's function. Library: in a file that must lie beside
	// ONNX Runtime's. Linked: in a library whose name begins so, which ONNX
	// Runtime's library then needs. Plugin: in a file beside ONNX Runtime's that
	// is registered as a plugin.
	BuiltIn                 bool
	Library, Linked, Plugin string
	Built                   string // the runtime that has it and that `make runtime-NAME` builds

	// StaticShapes: it takes a node only if its shapes are known when the session
	// is created, or compiles for them.
	StaticShapes bool
	// Threads says where it looks for its number of threads.
	Threads Threads
	// Defaults are options of its own that are set unless the experiment does.
	Defaults map[string]string
	// Refusal, where it is not empty, is how it refuses a machine.
	Refusal Refusal

	// Title is its name in models/inspect, and Known says what it takes by which
	// source. Both are empty where nobody has looked.
	Title, Known string
	// Note is what a reader of any result of it must know.
	Note string
}

// Threads says what a provider computes with. Two pools that spin take each
// other's processors.
type Threads struct {
	Option   string // of the provider: the size of a pool of its own
	Variable string // of the environment: the same
	// Alone: its own pool does nearly all of the work, so that the runtime's
	// gets one thread.
	Alone bool
	// Still: the threads of the runtime's pool must not spin while they wait.
	Still bool
}

// Refusal is a text in ONNX Runtime's error, and what it means.
type Refusal struct{ Text, Means, Next string }

// All is the table, in the order in which people are told about them.
var All = []Provider{
	{
		Name: CPU, Native: "CPU", BuiltIn: true,
		Title: "cpu", Known: "ONNX Runtime's own kernels: every operator of its version",
	}, {
		Name: ACL, Native: "ChexpACL", Plugin: "libchexp_acl.so",
		Title: "acl (chexp's plugin)",
		Known: "Arm Compute Library through the plugin that chexp's arm64 agent carries",
	}, {
		// The generic function has never known it.
		Name: ACLORT, Native: "ACL", BuiltIn: true, Function: "ACL", Argument: "enable_fast_math", StaticShapes: true,
		Title: "acl (ONNX Runtime's)",
		Known: "Arm Compute Library provider of ONNX Runtime built with --use_acl, by its source of 1.21",
		// microsoft/onnxruntime says so in onnxruntime/core/providers/acl/readme.md.
		Note: "ONNX Runtime's makers have deprecated their ACL provider and will remove it.",
	}, {
		// Its library exports nothing that tells; Debian's build links it.
		Name: "xnnpack", Native: "Xnnpack", Generic: "XNNPACK", Linked: "libXNNPACK.so",
		Built: "debian", StaticShapes: true,
		// Convolutions are nearly all of the time: the runtime's pool would only
		// spin against its own.
		Threads: Threads{Option: "intra_op_num_threads", Alone: true, Still: true},
		Refusal: Refusal{"XNNPACK initialization failed", "XNNPACK does not recognise this processor",
			"it looks at /proc/cpuinfo and /sys/devices/system/cpu: both must be there, as on a real device"},
		Title: "xnnpack", Known: "XNNPACK provider of Debian's builds, by runs of 1.27",
	}, {
		Name: "dnnl", Native: "Dnnl", Function: "Dnnl", Argument: "use_arena",
		Library: "libonnxruntime_providers_dnnl.so", Built: "debian",
		// OpenMP, which takes all processors unless it is told. What oneDNN does
		// not take runs on the runtime's pool, which so must have as many threads.
		// (Debian's oneDNN 3.12.1 dies on x86 with one thread: memset to NULL below
		// dnnl_primitive_execute.)
		Threads: Threads{Variable: "OMP_NUM_THREADS", Still: true},
	}, {
		Name: "openvino", Native: "OpenVINO", Generic: "OpenVINO",
		Library: "libonnxruntime_providers_openvino.so", Built: "openvino", StaticShapes: true,
		Threads:  Threads{Option: "num_of_threads", Still: true},
		Defaults: map[string]string{"device_type": "CPU"},
	},
	// The work of the next three is elsewhere; a spinning pool would only heat.
	{Name: "cuda", Native: "CUDA", Library: "libonnxruntime_providers_cuda.so", Threads: Threads{Still: true}},
	{
		Name: "tensorrt", Native: "Tensorrt", Library: "libonnxruntime_providers_tensorrt.so", StaticShapes: true,
		Threads: Threads{Still: true},
	},
	{Name: "nvtensorrtrtx", Native: "NvTensorRTRTX", StaticShapes: true, Threads: Threads{Still: true}},
	{Name: "qnn", Native: "QNN", Generic: "QNN", Library: "libonnxruntime_providers_qnn.so", StaticShapes: true},
	{
		Name: "rocm", Native: "ROCM", Function: "ROCM", Argument: "device_id",
		Library: "libonnxruntime_providers_rocm.so",
	}, {
		Name: "migraphx", Native: "MIGraphX", Function: "MIGraphX", Argument: "device_id",
		Library: "libonnxruntime_providers_migraphx.so",
	},
	{Name: "vitisai", Native: "VitisAI", Generic: "VitisAI", Library: "libonnxruntime_providers_vitisai.so"},
	// Compiled in, but it drives a GPU through Vulkan's loader.
	{Name: "webgpu", Native: "WebGpu", Generic: "WebGPU", Library: "libvulkan.so.1"},
	{Name: "snpe", Native: "SNPE", Generic: "SNPE"},
	{Name: "coreml", Native: "CoreML", Generic: "CoreML"},
	{Name: "azure", Native: "Azure", Generic: "AZURE"},
}

// Named returns the provider that experiments call so. One that is not in the
// table has nothing but its name.
func Named(name string) Provider {
	for _, p := range All {
		if p.Name == name {
			return p
		}
	}
	return Provider{Name: name}
}

// Suffix ends every name that ONNX Runtime gives a provider.
const Suffix = "ExecutionProvider"

// NameOf is what experiments call a provider that ONNX Runtime names so, with
// or without [Suffix].
func NameOf(native string) string {
	native = strings.TrimSuffix(native, Suffix)
	for _, p := range All {
		if strings.EqualFold(p.Native, native) {
			return p.Name
		}
	}
	return strings.ToLower(native)
}

// FunctionPrefix begins the name of every exported function that appends a
// provider.
const FunctionPrefix = "OrtSessionOptionsAppendExecutionProvider_"

// in lists the providers that a library of ONNX Runtime has, sorted: exported
// are the names of the functions in it, needed the libraries that it is linked
// with, and beside says whether a file lies in the same folder.
func in(exported, needed []string, beside func(file string) bool) (names []string) {
	for _, function := range exported {
		native, ok := strings.CutPrefix(function, FunctionPrefix)
		if !ok {
			continue
		}
		p := Named(NameOf(native))
		if p.Library == "" {
			p.Library = "libonnxruntime_providers_" + p.Name + ".so"
		}
		if p.BuiltIn || beside(p.Library) {
			names = append(names, p.Name)
		}
	}
	for _, p := range All {
		linked := func(lib string) bool { return strings.HasPrefix(lib, p.Linked) }
		if p.Linked != "" && slices.ContainsFunc(needed, linked) || p.Plugin != "" && beside(p.Plugin) {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
