//go:build cgo

package ort

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
)

// Session configuration entries that this program sets by itself.
const (
	spinning = "session.intra_op.allow_spinning"
	// quantPrecision makes ONNX Runtime turn signed 8-bit weights into
	// unsigned ones on x86: without VNNI, AVX2's multiplication of unsigned by
	// signed values saturates at 16 bits. It is slower. It changes results
	// where 16 bits do not suffice, and nothing on other processors. Off is
	// ONNX Runtime's default; it is set so that the result says so.
	quantPrecision = "session.x64quantprecision"
)

// freeDimensions is an option of every provider that ONNX Runtime does not see.
const freeDimensions = "chexp.free_dimensions"

// wantStatic are providers that take a node only if its shapes are known when
// the session is created, or that compile for them.
var wantStatic = []string{"acl-ort", "xnnpack", "openvino", "tensorrt", "nvtensorrtrtx", "qnn"}

// settings translates what a trial asks for. symbols are the names of the first
// dimensions of the model's inputs.
func settings(o Options, symbols []string) (s trial.Settings, err error) {
	s = trial.Settings{
		IntraOpThreads: o.Threads, InterOpThreads: 1,
		Session: map[string]string{}, Provider: map[string]string{}, Environment: map[string]string{},
	}
	fixed := slices.Contains(wantStatic, o.Provider.Name)
	for k, v := range o.Provider.Options {
		switch {
		case k == freeDimensions && (v == "fixed" || v == "free"):
			fixed = v == "fixed"
		case strings.HasPrefix(k, "chexp."):
			return s, reason.Errorf(reason.OptionInvalid, "option %s=%s: there is only %s, fixed or free", k, v, freeDimensions)
		case strings.HasPrefix(k, "session.") || strings.HasPrefix(k, "mlas."):
			s.Session[k] = v
		default:
			s.Provider[k] = v
		}
	}
	if fixed {
		s.FreeDimensions = map[string]int64{}
		for _, symbol := range symbols {
			s.FreeDimensions[symbol] = int64(o.Batch)
		}
	}
	threads(&s, o)
	if runtime.GOARCH == "amd64" {
		setDefault(s.Session, quantPrecision, "0")
	}
	return s, nil
}

// threads gives each provider the threads where it looks for them. Two pools
// that spin take each other's processors.
func threads(s *trial.Settings, o Options) {
	n := strconv.Itoa(o.Threads)
	switch o.Provider.Name {
	case "xnnpack":
		// A pool of its own, and convolutions are nearly all of the time: the
		// runtime's would only spin against it.
		setDefault(s.Provider, "intra_op_num_threads", n)
		s.IntraOpThreads = 1
		setDefault(s.Session, spinning, "0")
	case "dnnl":
		// OpenMP, which takes all processors unless it is told. What oneDNN
		// does not take runs on the runtime's pool, which so must have as
		// many, and must not spin meanwhile. (Debian's oneDNN 3.12.1 dies on
		// x86 with one thread: memset to NULL below dnnl_primitive_execute.)
		setDefault(s.Environment, "OMP_NUM_THREADS", n)
		setDefault(s.Session, spinning, "0")
	case "openvino":
		setDefault(s.Provider, "device_type", "CPU")
		setDefault(s.Provider, "num_of_threads", n)
		setDefault(s.Session, spinning, "0")
	case "cuda", "tensorrt", "nvtensorrtrtx":
		// The work is elsewhere; a spinning pool would only heat.
		setDefault(s.Session, spinning, "0")
	}
	if s.IntraOpThreads > runtime.NumCPU() {
		// Waiting threads that spin take the processor from the ones that
		// work: 3 to 4 times slower when measured.
		setDefault(s.Session, spinning, "0")
	}
}

func setDefault(m map[string]string, key, value string) {
	if _, set := m[key]; !set {
		m[key] = value
	}
}

func keys(m map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
