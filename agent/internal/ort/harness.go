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
	"chexp/experiments/provider"
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
	h, err := session.MeasureHarness(s, s.bare())
	if err != nil {
		return trial.Unread[trial.Harness]("the model that does nothing does not run: " + err.Error())
	}
	return trial.Read(h)
}

// openData loads a small model from memory, on one thread of the runtime's own
// kernels.
func (l *Library) openData(content []byte) (*Session, error) {
	o := Options{Provider: trial.Provider{Name: provider.CPU}, Threads: 1, Batch: 1}
	return l.open(o, nil, func(opts *onnx.SessionOptions) (*onnx.DynamicAdvancedSession, error) {
		return onnx.NewDynamicAdvancedSessionWithONNXData(content, nil, nil, opts)
	})
}

// bare is the loop in C over this session.
func (s *Session) bare() session.Bare {
	return func(latencies []int64) error {
		err := take(C.chexp_loop(s.lib.api, s.handle, s.bound,
			(*C.int64_t)(unsafe.Pointer(unsafe.SliceData(latencies))), C.size_t(len(latencies))))
		runtime.KeepAlive(s)
		return err
	}
}
