//go:build cgo

package ort

/*
#include "shim.h"
*/
import "C"

import (
	onnx "github.com/yalue/onnxruntime_go"

	"chexp/experiments/input"
)

// port is one input or output of a model.
type port struct {
	name string
	elem onnx.TensorElementDataType
	dims []dim
}

// dim is a dimension: a size, or a symbol (perhaps without a name) and -1.
type dim struct {
	size   int64
	symbol string
}

func (s *Session) ports(output bool) ([]port, error) {
	p, err := hidden(s.session, "s", "ortSession")
	if err != nil {
		return nil, err
	}
	var which C.int
	if output {
		which = 1
	}
	var count C.size_t
	if err := take(C.chexp_count(s.lib.api, p, which, &count)); err != nil {
		return nil, err
	}
	list := make([]port, 0, int(count))
	for i := range count {
		var c C.chexp_port
		err := take(C.chexp_port_info(s.lib.api, p, which, i, &c))
		if err == nil {
			list = append(list, goPort(&c))
		}
		C.chexp_free_port(&c)
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func goPort(c *C.chexp_port) port {
	p := port{name: C.GoString(c.name), elem: onnx.TensorElementDataType(c._type)}
	for i := range int(c.dims) {
		d := dim{size: int64(c.dim[i])}
		if c.symbol[i] != nil {
			d.symbol = C.GoString(c.symbol[i])
		}
		p.dims = append(p.dims, d)
	}
	return p
}

// kind is the port's element type, "" for what is no tensor or not known here.
func (p port) kind() input.Type { return input.TypeOf(int32(p.elem)) }

// inputDims are the dimensions as package input has them.
func (p port) inputDims() []input.Dim {
	dims := []input.Dim{}
	for _, d := range p.dims {
		dims = append(dims, input.Dim{Size: max(d.size, input.Open), Symbol: d.symbol})
	}
	return dims
}

// takes reports whether the runtime can take a tensor of the shape there. What it
// says of an input without a shape is what it says of a scalar.
func (p port) takes(shape []int64) bool {
	if len(p.dims) == 0 {
		return true
	}
	if len(p.dims) != len(shape) {
		return false
	}
	for i, d := range p.dims {
		if d.size >= 0 && d.size != shape[i] {
			return false
		}
	}
	return true
}

func (p port) String() string {
	return string(p.kind()) + " " + input.Declared(input.Port{Dims: p.inputDims()})
}

// outputShape is the shape if it is known before the first inference: all
// fixed, or a first dimension with the symbol that the inputs' batch has.
func (p port) outputShape(batch int64, batchSymbols map[string]bool) ([]int64, bool) {
	shape := make([]int64, 0, len(p.dims))
	for i, d := range p.dims {
		switch {
		case d.size >= 1:
			shape = append(shape, d.size)
		case i == 0 && d.symbol != "" && batchSymbols[d.symbol]:
			shape = append(shape, batch)
		default:
			return nil, false
		}
	}
	return shape, len(shape) > 0
}
