//go:build cgo

package ort

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/experiments/input"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
	"chexp/models/infer"
	format "chexp/models/onnx"
)

// Inference runs models on given inputs (infer.Runner): for calibration and
// agreement. Nothing of it is timed for a result.
type Inference struct{ Library *Library }

// Open implements infer.Runner.
func (r Inference) Open(_ context.Context, model []byte, o infer.Options) (infer.Session, error) {
	m, err := format.Parse(model)
	if err != nil {
		return nil, err
	}
	how := Options{Provider: trial.Provider{Name: provider.CPU, Options: o.Config}, Threads: max(1, o.Threads)}
	set, err := settings(how, nil)
	if err != nil {
		return nil, err
	}
	opts, err := r.Library.sessionOptions(how, set)
	if err != nil {
		return nil, err
	}
	defer opts.Destroy()
	s := &inference{lib: r.Library}
	for _, v := range m.Graph.RealInputs() {
		s.inputs = append(s.inputs, v.Name)
	}
	for _, v := range m.Graph.Outputs {
		s.outputs = append(s.outputs, v.Name)
	}
	if s.session, err = onnx.NewDynamicAdvancedSessionWithONNXData(model, s.inputs, s.outputs, opts); err != nil {
		return nil, createError("", err)
	}
	return s, nil
}

type inference struct {
	lib             *Library
	session         *onnx.DynamicAdvancedSession
	inputs, outputs []string
}

// Run implements infer.Session.
func (s *inference) Run(_ context.Context,
	given []*format.Tensor) (list []*format.Tensor, took time.Duration, err error) {
	binding, err := s.session.CreateIoBinding()
	if err != nil {
		return nil, 0, err
	}
	v := &values{lib: s.lib}
	defer func() {
		err = errors.Join(err, binding.Destroy())
		v.release()
	}()
	bound, err := hidden(binding, "o")
	if err != nil {
		return nil, 0, err
	}
	for _, name := range s.inputs {
		if err := s.bind(v, bound, name, given); err != nil {
			return nil, 0, fmt.Errorf("input %q: %w", name, err)
		}
	}
	for _, name := range s.outputs {
		if err := s.lib.bindFree(bound, name); err != nil {
			return nil, 0, fmt.Errorf("output %q: %w", name, err)
		}
	}
	begin := time.Now()
	if err := s.session.RunWithBinding(binding); err != nil {
		return nil, 0, err
	}
	took = time.Since(begin)
	for i, name := range s.outputs {
		tensors, err := s.lib.output(bound, i, name)
		if err != nil {
			return nil, 0, fmt.Errorf("output %q: %w", name, err)
		}
		list = append(list, tensors...)
	}
	return list, took, nil
}

// bind gives one input what was given for it.
func (s *inference) bind(v *values, bound unsafe.Pointer, name string, given []*format.Tensor) error {
	i := slices.IndexFunc(given, func(t *format.Tensor) bool { return t.Name == name })
	if i < 0 {
		return errors.New("is missing")
	}
	t := given[i]
	tensor, data, err := v.make(input.TypeOf(int32(t.Type)), t.Dims)
	if err != nil {
		return err
	}
	if t.Type != format.Text {
		if len(data) != len(t.Raw) {
			return fmt.Errorf("%d bytes for %v of %v", len(t.Raw), t.Dims, t.Type)
		}
		copy(data, t.Raw)
	} else {
		texts := make([]string, len(t.Strings))
		for i, b := range t.Strings {
			texts[i] = string(b)
		}
		if int64(len(texts)) != t.Elements() {
			return fmt.Errorf("%d texts for %v", len(texts), t.Dims)
		}
		if err := v.setText(tensor, texts); err != nil {
			return err
		}
	}
	return s.lib.bindTo(bound, name, tensor, false)
}

// Close implements infer.Session.
func (s *inference) Close() error { return s.session.Destroy() }
