//go:build cgo

package ort

/*
#include "shim.h"
*/
import "C"

import (
	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
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

// inputShape puts the batch in place of a symbolic first dimension. Nothing is
// guessed about other symbolic dimensions.
func (p port) inputShape(batch int64) (onnx.Shape, error) {
	shape := make(onnx.Shape, 0, len(p.dims))
	for i, d := range p.dims {
		switch {
		case d.size >= 1 && (i > 0 || d.size == batch):
			shape = append(shape, d.size)
		case d.size >= 1:
			// One inference of it handles that many inputs, whatever the plan
			// says: its throughput would be wrong.
			return nil, reason.Errorf(reason.InputUnsupported,
				"input %q has the fixed first dimension %d, the trial's batch is %d", p.name, d.size, batch).
				Advise("run it with batch %d, or export the model with a symbolic batch dimension", d.size)
		case i == 0:
			shape = append(shape, batch)
		default:
			name := d.symbol
			if name == "" {
				name = "without a name"
			}
			return nil, reason.Errorf(reason.InputUnsupported,
				"input %q: dimension %d is symbolic (%s), and only the first, the batch, may be", p.name, i+1, name).
				Advise("export the model with that dimension fixed")
		}
	}
	return shape, nil
}

// outputShape is the shape if it is known before the first inference: all
// fixed, or a first dimension with the symbol that the inputs' batch has.
func (p port) outputShape(batch int64, batchSymbols map[string]bool) (onnx.Shape, bool) {
	shape := make(onnx.Shape, 0, len(p.dims))
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
