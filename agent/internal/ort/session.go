//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
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
	outputs []session.Buffer // with memory where the shape is known in advance
	values  values           // held as long as the session: it has only bare pointers to them
	set     trial.Settings
	dynamic []*C.char // names of outputs whose shape only an inference tells

	handle, bound unsafe.Pointer // OrtSession and OrtIoBinding, for Timed
}

// Open loads a model. Errors carry a reason.
func (l *Library) Open(path string, o Options) (*Session, error) {
	// If the file cannot be read, the runtime will say so below.
	names, _ := symbols.Dimensions(path)
	return l.open(o, names, func(opts *onnx.SessionOptions) (*onnx.DynamicAdvancedSession, error) {
		s, err := onnx.NewDynamicAdvancedSession(path, nil, nil, opts)
		if err != nil {
			return nil, createError(path, err)
		}
		return s, nil
	})
}

// open makes the session with its options, and binds it. names are the symbols of
// the inputs' dimensions.
func (l *Library) open(o Options, names symbols.Inputs,
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
	s := &Session{lib: l, set: set, values: values{lib: l}}
	if s.session, err = create(opts); err != nil {
		return nil, err
	}
	if err := s.bind(o); err != nil {
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

// Settings are what was set on the session.
func (s *Session) Settings() trial.Settings { return s.set }

// Inputs implements session.Engine.
func (s *Session) Inputs() []session.Buffer { return s.inputs }

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
	if s.session != nil {
		errs = append(errs, s.session.Destroy())
	}
	s.values.release()
	for _, name := range s.dynamic {
		C.free(unsafe.Pointer(name))
	}
	*s = Session{}
	return errors.Join(errs...)
}
