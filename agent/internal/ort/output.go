//go:build cgo

package ort

import (
	"errors"
	"fmt"

	"chexp/models/onnx"
)

// FirstOutput is the model's first output after a Run, as floats.
func (s *Session) FirstOutput() ([]float32, error) {
	if len(s.outputs) == 0 {
		return nil, errors.New("the model has no output")
	}
	first := s.outputs[0]
	if first.Float32 != nil {
		return first.Float32, nil
	}
	list, err := s.Output(0)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 || list[0].Type != onnx.Float32 {
		return nil, fmt.Errorf("output %q is not of float32", first.Name)
	}
	return list[0].Float32s()
}

// Output is the index-th output after a Run: one tensor, or those that a sequence
// or a map holds.
func (s *Session) Output(index int) ([]*onnx.Tensor, error) {
	return s.lib.output(s.bound, s.place(index), s.outputs[index].Name)
}

// place is an output's place in the binding: outputs are bound again before every
// Run, and keep the place that they had first.
func (s *Session) place(index int) int {
	if s.outputs[index].Data != nil {
		n := 0
		for _, b := range s.outputs[:index] {
			if b.Data != nil {
				n++
			}
		}
		return n
	}
	n := 0 // those with memory were bound first
	for _, b := range s.outputs {
		if b.Data != nil {
			n++
		}
	}
	for _, b := range s.outputs[:index] {
		if b.Data == nil {
			n++
		}
	}
	return n
}
