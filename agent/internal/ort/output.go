//go:build cgo

package ort

import (
	"errors"
	"fmt"

	onnx "github.com/yalue/onnxruntime_go"
)

// FirstOutput is the model's first output after a Run, as floats.
func (s *Session) FirstOutput() ([]float32, error) {
	if len(s.dynamic) == 0 {
		if len(s.outputs) == 0 || s.outputs[0].Float32 == nil {
			return nil, errors.New("the first output is not of float32")
		}
		return s.outputs[0].Float32, nil
	}
	// The runtime allocated some outputs itself. The binding hands them out with
	// their names.
	ports, err := s.ports(true)
	if err != nil {
		return nil, err
	}
	names, err := s.binding.GetBoundOutputNames()
	if err != nil {
		return nil, err
	}
	values, err := s.binding.GetBoundOutputValues()
	if err != nil {
		return nil, err
	}
	var out []float32
	for i, v := range values {
		if t, ok := v.(*onnx.Tensor[float32]); ok && i < len(names) && names[i] == ports[0].name {
			out = append(out, t.GetData()...)
		}
		v.Destroy()
	}
	if out == nil {
		return nil, fmt.Errorf("output %q is not of float32", ports[0].name)
	}
	return out, nil
}
