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
	"time"

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
func Exact() map[string]string { return map[string]string{"session.x64quantprecision": "1"} }

// Session is a loaded model.
type Session interface {
	// Run gives the model its inputs, by name, and returns its outputs in
	// their order, with the time that the runtime took.
	Run(ctx context.Context, inputs []*onnx.Tensor) (outputs []*onnx.Tensor, took time.Duration, err error)
	Close() error
}
