//go:build cgo

package ort

/*
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/agent/internal/symbols"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// Session is one loaded model with its inputs and outputs bound. It implements
// session.Engine.
type Session struct {
	lib     *Library
	session *onnx.DynamicAdvancedSession
	binding *onnx.IoBinding
	inputs  []session.Buffer
	outputs []session.Buffer // only outputs whose shape is known in advance
	tensors []onnx.Value     // held as long as the session: it has only bare pointers to them
	memory  []unsafe.Pointer // behind the tensors
	set     trial.Settings
	dynamic []*C.char // names of outputs whose shape only an inference tells

	handle, bound unsafe.Pointer // OrtSession and OrtIoBinding, for Timed
}

// Open loads a model. Errors carry a reason.
func (l *Library) Open(path string, o Options) (*Session, error) {
	// If the file cannot be read, the runtime will say so below.
	names, _ := symbols.FirstDimensions(path)
	return l.open(o, names, func(opts *onnx.SessionOptions) (*onnx.DynamicAdvancedSession, error) {
		s, err := onnx.NewDynamicAdvancedSession(path, nil, nil, opts)
		if err != nil {
			return nil, createError(path, err)
		}
		return s, nil
	})
}

// open makes the session with its options, and binds it. names are the symbols of
// the inputs' first dimensions.
func (l *Library) open(o Options, names []string,
	create func(*onnx.SessionOptions) (*onnx.DynamicAdvancedSession, error)) (*Session, error) {
	set, err := settings(o, names)
	if err != nil {
		return nil, err
	}
	opts, err := l.sessionOptions(o, set)
	if err != nil {
		return nil, err
	}
	defer opts.Destroy()
	s := &Session{lib: l, set: set}
	if s.session, err = create(opts); err != nil {
		return nil, err
	}
	if err := s.bind(int64(o.Batch)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// createError gives the runtime's refusal a code, which only its text tells.
func createError(path string, err error) error {
	text := err.Error()
	if isOutOfMemory(text) {
		return reason.Errorf(reason.OutOfMemory, "loading the model took more memory than there is").
			Advise("use a smaller model or a larger device").Because(err)
	}
	for _, p := range provider.All {
		if r := p.Refusal; r.Text != "" && strings.Contains(text, r.Text) {
			return reason.Errorf(reason.ProviderAbsent, "%s", r.Means).Advise("%s", r.Next).Because(err)
		}
	}
	for _, sign := range []string{"Protobuf parsing failed", "No graph was found", "Invalid model",
		"ModelProto does not have a graph",
		"is not a valid", "INVALID_GRAPH", "Unknown model file format", "INVALID_PROTOBUF", "is invalid"} {
		if strings.Contains(text, sign) {
			return reason.Errorf(reason.ModelInvalid, "the file is not a valid ONNX model").
				Advise("check the file: was it downloaded completely, is it the .onnx " +
					"and not a web page or a Git LFS pointer").
				Because(err)
		}
	}
	return reason.Errorf(reason.ModelInvalid, "this ONNX Runtime cannot load the model").Because(err)
}

func isOutOfMemory(text string) bool {
	return strings.Contains(text, "bad_alloc") || strings.Contains(text, "Failed to allocate memory") ||
		strings.Contains(text, "bad allocation")
}

// bind allocates and binds every input and output.
func (s *Session) bind(batch int64) error {
	inputs, err := s.ports(false)
	if err != nil {
		return reason.Errorf(reason.RuntimeFailed, "the model's inputs cannot be read").Because(err)
	}
	outputs, err := s.ports(true)
	if err != nil {
		return reason.Errorf(reason.RuntimeFailed, "the model's outputs cannot be read").Because(err)
	}
	if s.binding, err = s.session.CreateIoBinding(); err != nil {
		return reason.Errorf(reason.RuntimeFailed, "the model's inputs and outputs cannot be bound").Because(err)
	}
	if s.handle, err = hidden(s.session, "s", "ortSession"); err != nil {
		return err
	}
	if s.bound, err = hidden(s.binding, "o"); err != nil {
		return err
	}
	batchSymbols := map[string]bool{}
	for _, p := range inputs {
		if len(p.dims) > 0 {
			batchSymbols[p.dims[0].symbol] = true
		}
		shape, err := p.inputShape(batch)
		if err != nil {
			return err
		}
		value, buffer, err := s.tensor(p, shape)
		if err != nil {
			return reason.Errorf(reason.InputUnsupported, "input %q", p.name).Because(err)
		}
		if err := s.binding.BindInput(p.name, value); err != nil {
			return reason.Errorf(reason.RuntimeFailed, "input %q cannot be bound", p.name).Because(err)
		}
		s.inputs = append(s.inputs, buffer)
	}
	for _, p := range outputs {
		if err := s.bindOutput(p, batch, batchSymbols); err != nil {
			return reason.Errorf(reason.RuntimeFailed, "output %q cannot be bound", p.name).Because(err)
		}
	}
	return nil
}

// bindOutput gives the output memory of its own where the shape is known in
// advance, which is the least noisy; else the runtime allocates at every Run. It
// would then hold the next output to the shape of the last one, so such outputs
// are bound again before every Run.
func (s *Session) bindOutput(p port, batch int64, batchSymbols map[string]bool) error {
	if shape, ok := p.outputShape(batch, batchSymbols); ok {
		if value, buffer, err := s.tensor(p, shape); err == nil {
			s.outputs = append(s.outputs, buffer)
			return s.binding.BindOutput(p.name, value)
		}
	}
	s.dynamic = append(s.dynamic, C.CString(p.name))
	return nil
}

// Prepare implements session.Engine.
func (s *Session) Prepare() error {
	if len(s.dynamic) == 0 {
		return nil
	}
	b, err := hidden(s.binding, "o")
	for _, name := range s.dynamic {
		if err == nil {
			err = take(C.chexp_bind_output(s.lib.api, b, name))
		}
	}
	return err
}

// tensor makes a tensor over zeroed C memory.
func (s *Session) tensor(p port, shape onnx.Shape) (onnx.Value, session.Buffer, error) {
	b := session.Buffer{Name: p.name, Shape: shape}
	var value onnx.Value
	var err error
	switch p.elem {
	case onnx.TensorElementDataTypeFloat:
		value, b.Float32, err = newTensor[float32](s, shape)
	case onnx.TensorElementDataTypeUint8:
		value, b.Uint8, err = newTensor[uint8](s, shape)
	case onnx.TensorElementDataTypeInt32:
		value, b.Int32, err = newTensor[int32](s, shape)
	case onnx.TensorElementDataTypeInt64:
		value, b.Int64, err = newTensor[int64](s, shape)
	default:
		err = fmt.Errorf("values of type %v are not supported; float32, uint8, int32 and int64 are", p.elem)
	}
	return value, b, err
}

// maxElements bounds a tensor: 1 Gi values. A model that asks for more is
// refused before the memory is.
const maxElements = 1 << 30

func newTensor[T onnx.TensorData](s *Session, shape onnx.Shape) (onnx.Value, []T, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 1 || n > maxElements/d {
			return nil, nil, fmt.Errorf("the shape %v is empty or too large", shape)
		}
		n *= d
	}
	var zero T
	size := C.size_t(n) * C.size_t(unsafe.Sizeof(zero))
	// 64: a cache line, and the widest vector that the runtime uses.
	memory := C.aligned_alloc(64, (size+63)&^63)
	if memory == nil {
		return nil, nil, reason.Errorf(reason.OutOfMemory, "no memory for a tensor of %d bytes", size).
			Advise("lower the batch")
	}
	C.memset(memory, 0, size)
	s.memory = append(s.memory, memory)
	data := unsafe.Slice((*T)(memory), n)
	if len(shape) == 0 {
		shape = onnx.NewShape(1) // the module cannot make a tensor without dimensions
	}
	value, err := onnx.NewTensor(shape, data)
	if err != nil {
		return nil, nil, err
	}
	s.tensors = append(s.tensors, value)
	return value, data, nil
}

// Settings are what was set on the session.
func (s *Session) Settings() trial.Settings { return s.set }

// Inputs implements session.Engine.
func (s *Session) Inputs() []session.Buffer { return s.inputs }

// Outputs are the memory of the outputs whose shape is known before the first
// inference, filled by every Run.
func (s *Session) Outputs() []session.Buffer { return s.outputs }

// Run implements session.Engine.
func (s *Session) Run() error {
	_, err := s.Timed()
	return err
}

// Timed implements session.Timer.
func (s *Session) Timed() (ns int64, err error) {
	t := C.chexp_timed(s.lib.api, s.handle, s.bound)
	runtime.KeepAlive(s)
	if t.error == nil {
		return int64(t.ns), nil
	}
	if err = take(t.error); err != nil && isOutOfMemory(err.Error()) {
		return 0, reason.Errorf(reason.OutOfMemory, "an inference took more memory than there is").
			Advise("lower the batch or use a smaller model").Because(err)
	}
	return 0, err
}

// Close implements session.Engine. The order matters: the binding points to the
// tensors and the session, the tensors to the memory.
func (s *Session) Close() error {
	var errs []error
	if s.binding != nil {
		errs = append(errs, s.binding.Destroy())
	}
	for _, t := range s.tensors {
		errs = append(errs, t.Destroy())
	}
	if s.session != nil {
		errs = append(errs, s.session.Destroy())
	}
	for _, m := range s.memory {
		C.free(m)
	}
	for _, name := range s.dynamic {
		C.free(unsafe.Pointer(name))
	}
	*s = Session{}
	return errors.Join(errs...)
}
