//go:build cgo

package ort

/*
#include "shim.h"
*/
import "C"

import (
	"runtime"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/session"
	"chexp/agent/internal/testmodel"
	"chexp/experiments/trial"
)

// Harness measures what measuring itself costs, in this process, with a model
// that adds one number to itself. It takes some 60 ms.
func (l *Library) Harness() trial.Reading[trial.Harness] {
	s, err := l.openData(testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1}))
	if err != nil {
		return trial.Unread[trial.Harness]("the model that does nothing cannot be loaded: " + err.Error())
	}
	defer s.Close()
	bare, unbare := s.bare()
	h, err := session.MeasureHarness(s, bare, unbare)
	if err != nil {
		return trial.Unread[trial.Harness]("the model that does nothing does not run: " + err.Error())
	}
	return trial.Read(h)
}

// openData loads a small model from memory, on one thread of the runtime's own
// kernels.
func (l *Library) openData(content []byte) (*Session, error) {
	o := Options{Provider: trial.Provider{Name: "cpu"}, Threads: 1, Batch: 1}
	set, err := settings(o, nil)
	if err != nil {
		return nil, err
	}
	opts, err := l.sessionOptions(o, set)
	if err != nil {
		return nil, err
	}
	defer opts.Destroy()
	s := &Session{lib: l}
	if s.session, err = onnx.NewDynamicAdvancedSessionWithONNXData(content, nil, nil, opts); err != nil {
		return nil, err
	}
	if err := s.bind(1); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// bare is the loop in C over this session, or why there is none.
func (s *Session) bare() (loop session.Bare, why string) {
	handle, err := hidden(s.session, "s", "ortSession")
	if err != nil {
		return nil, err.Error()
	}
	binding, err := hidden(s.binding, "o")
	if err != nil {
		return nil, err.Error()
	}
	return func(latencies []int64) error {
		err := take(C.chexp_loop(s.lib.api, handle, binding, (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(latencies))), C.size_t(len(latencies))))
		runtime.KeepAlive(s)
		return err
	}, ""
}
