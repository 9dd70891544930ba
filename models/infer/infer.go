// Package infer runs models on given inputs, for calibration, agreement and
// sensitivity: never for a result's latency, which comes from trials.
//
// Running needs ONNX Runtime, which only the agent carries. So there is an
// interface, Runner, and a small protocol over a pair of pipes: the agent
// serves it (`chexp-agent infer`, Serve), and Start gives a Runner that talks
// to such a process. Models and tensors travel as bytes; several models can be
// open at once, so that two can be run in turns.
package infer

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/cpu"

	"chexp/models/onnx"
)

// Runner loads models.
type Runner interface {
	// Open loads a model. The context bounds the loading only.
	Open(ctx context.Context, model []byte, o Options) (Session, error)
}

// Options of a session.
type Options struct {
	// Threads of the runtime's pool; 0 is 1.
	Threads int `json:"threads,omitempty"`
	// Config holds ONNX Runtime's session configuration entries, such as
	// session.x64quantprecision.
	Config map[string]string `json:"config,omitempty"`
}

// Exact makes x86-64 compute 8-bit products as every Arm processor does. The
// fast kernels without VNNI add two products in 16 bits, which saturate; the
// entry changes nothing on other processors.
//
// It costs time: MobileNetV2 takes 8.5 ms instead of 3.8 on an EPYC with VNNI,
// where the answers are the same to the last bit (see Saturates).
func Exact() map[string]string { return map[string]string{"session.x64quantprecision": "1"} }

// Saturates says whether this machine's fast 8-bit kernels may lose accuracy, so
// that only Exact answers as an Arm processor does. ONNX Runtime takes those
// for VNNI, which add in 32 bits, where all of these are present; what else may
// be exact (AVX-VNNI without AVX-512) was not tried.
func Saturates() bool {
	x := cpu.X86
	return runtime.GOARCH == "amd64" && !(x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL &&
		x.HasAVX512VNNI)
}

// Session is a loaded model.
type Session interface {
	// Run gives the model its inputs, by name, and returns its outputs in
	// their order, with the time that the runtime took.
	Run(ctx context.Context, inputs []*onnx.Tensor) (outputs []*onnx.Tensor, took time.Duration, err error)
	Close() error
}
