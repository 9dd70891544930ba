//go:build cgo

package ort

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

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
	s := &inference{}
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
	session         *onnx.DynamicAdvancedSession
	inputs, outputs []string
}

// Run implements infer.Session.
func (s *inference) Run(_ context.Context,
	given []*format.Tensor) (list []*format.Tensor, took time.Duration, err error) {
	var values []onnx.Value
	outputs := make([]onnx.Value, len(s.outputs)) // nil: the runtime allocates
	defer func() {
		for _, v := range append(values, outputs...) {
			// Where the runtime made a scalar, of which the module makes no tensor,
			// it leaves a nil of a concrete type.
			if v != nil && !reflect.ValueOf(v).IsNil() {
				err = errors.Join(err, v.Destroy())
			}
		}
	}()
	for _, name := range s.inputs {
		var v onnx.Value
		for _, t := range given {
			if t.Name == name {
				if v, err = onnx.NewCustomDataTensor(onnx.Shape(t.Dims), t.Raw,
					onnx.TensorElementDataType(t.Type)); err != nil {
					return nil, 0, fmt.Errorf("input %q: %w", name, err)
				}
			}
		}
		if v == nil {
			return nil, 0, fmt.Errorf("input %q is missing", name)
		}
		values = append(values, v)
	}
	begin := time.Now()
	if err := s.session.Run(values, outputs); err != nil {
		return nil, 0, err
	}
	took = time.Since(begin)
	for i, v := range outputs {
		t := &format.Tensor{Name: s.outputs[i], Dims: append([]int64{}, v.GetShape()...)}
		if t.Type, t.Raw, err = bytesOf(v); err != nil {
			return nil, 0, fmt.Errorf("output %q: %w", t.Name, err)
		}
		list = append(list, t)
	}
	return list, took, nil
}

// bytesOf returns a tensor's values, which the module has copied into Go's
// memory: they stay when the tensor is destroyed. Both processors that the
// agent is built for are little endian, as ONNX is.
func bytesOf(v onnx.Value) (format.DataType, []byte, error) {
	switch t := v.(type) {
	case *onnx.Tensor[float32]:
		return format.Float32, raw(t.GetData()), nil
	case *onnx.Tensor[float64]:
		return format.Float64, raw(t.GetData()), nil
	case *onnx.Tensor[uint8]:
		return format.Uint8, raw(t.GetData()), nil
	case *onnx.Tensor[int8]:
		return format.Int8, raw(t.GetData()), nil
	case *onnx.Tensor[int32]:
		return format.Int32, raw(t.GetData()), nil
	case *onnx.Tensor[int64]:
		return format.Int64, raw(t.GetData()), nil
	}
	return 0, nil, fmt.Errorf("values of type %T are not supported", v)
}

func raw[T any](data []T) []byte {
	if len(data) == 0 {
		return []byte{}
	}
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), len(data)*int(unsafe.Sizeof(zero)))
}

// Close implements infer.Session.
func (s *inference) Close() error { return s.session.Destroy() }
