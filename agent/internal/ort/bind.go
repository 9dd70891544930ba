//go:build cgo

package ort

/*
#include "shim.h"
*/
import "C"

import (
	"path/filepath"
	"slices"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/input"
)

// bind allocates and binds every input and output.
func (s *Session) bind(o Options) error {
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
	described, err := describe(inputs, o)
	if err != nil {
		return err
	}
	batchSymbols := map[string]bool{}
	for i, in := range described {
		if a := in.Axis(); a >= 0 && a < len(inputs[i].dims) {
			batchSymbols[inputs[i].dims[a].symbol] = true
		}
		if err := s.bindInput(in, o); err != nil {
			return reason.Errorf(reason.InputUnsupported, "input %q", in.Name).Because(err)
		}
	}
	for _, p := range outputs {
		if err := s.bindOutput(p, int64(o.Batch), batchSymbols); err != nil {
			return reason.Errorf(reason.RuntimeFailed, "output %q cannot be bound", p.name).Because(err)
		}
	}
	return nil
}

// describe says how the model's inputs are fed, in the model's order: as the plan
// says, or, where it is of before plans said it, by the rules of package input.
func describe(ports []port, o Options) ([]input.Input, error) {
	if len(o.Inputs) == 0 {
		return undescribed(ports, int64(o.Batch))
	}
	var list []input.Input
	for _, p := range ports {
		i := slices.IndexFunc(o.Inputs, func(in input.Input) bool { return in.Name == p.name })
		if i < 0 {
			return nil, reason.Errorf(reason.InputUnsupported, "the plan says nothing of the model's input %q", p.name)
		}
		in := o.Inputs[i]
		if in.Type != p.kind() || !p.takes(in.At(int64(o.Batch))) {
			return nil, reason.Errorf(reason.InputUnsupported,
				"the plan has %s for input %q, and the runtime takes %s there", in, p.name, p)
		}
		list = append(list, in)
	}
	return list, nil
}

func undescribed(ports []port, batch int64) ([]input.Input, error) {
	var list []input.Port
	for _, p := range ports {
		list = append(list, input.Port{Name: p.name, Type: p.kind(), Dims: p.inputDims()})
	}
	inputs, _, problems := input.Resolve(list, nil, input.Options{Batches: []int{int(batch)}, Trusting: true})
	for _, p := range problems {
		return nil, reason.Errorf(reason.InputUnsupported, "input %q %s", p.Input, p.Text)
	}
	if len(ports) == 0 && batch != 1 {
		return nil, reason.Errorf(reason.InputUnsupported, "the model has no inputs, and the trial's batch is %d", batch).
			Advise("run it with batch 1")
	}
	if fits := input.Batches(inputs, []int{int(batch)}); len(ports) > 0 && fits[0] != int(batch) {
		// One inference handles another number of inputs, whatever the plan says:
		// its throughput would be wrong.
		return nil, reason.Errorf(reason.InputUnsupported, "the model fixes its first dimension, %s, and the trial's "+
			"batch is %d", ports[0], batch).
			Advise("run it with batch %d, or export the model with a symbolic batch dimension", fits[0])
	}
	return inputs, nil
}

func (s *Session) bindInput(in input.Input, o Options) error {
	shape := in.At(int64(o.Batch))
	tensor, data, err := s.values.make(in.Type, shape)
	if err != nil {
		return err
	}
	b := session.NewBuffer(in, shape, data)
	if in.Values.SHA256 != "" {
		b.Pack = filepath.Join(o.Packs, in.Values.SHA256)
	}
	if in.Type == input.Text {
		b.SetText = func(texts []string) error { return s.values.setText(tensor, texts) }
	}
	s.inputs = append(s.inputs, b)
	return s.lib.bindTo(s.bound, in.Name, tensor, false)
}

// bindOutput gives the output memory of its own where the shape is known in
// advance, which is the least noisy; else the runtime allocates at every Run. It
// would then hold the next output to the shape of the last one, so such outputs
// are bound again before every Run.
func (s *Session) bindOutput(p port, batch int64, batchSymbols map[string]bool) error {
	b := session.Buffer{Input: input.Input{Name: p.name}}
	if shape, ok := p.outputShape(batch, batchSymbols); ok && p.kind().Bytes() > 0 {
		if tensor, data, err := s.values.make(p.kind(), shape); err == nil {
			s.outputs = append(s.outputs, session.NewBuffer(input.Input{Name: p.name, Type: p.kind()}, shape, data))
			return s.lib.bindTo(s.bound, p.name, tensor, true)
		}
	}
	s.outputs = append(s.outputs, b)
	s.dynamic = append(s.dynamic, C.CString(p.name))
	return nil
}

// Prepare implements session.Engine.
func (s *Session) Prepare() error {
	for _, name := range s.dynamic {
		if err := take(C.chexp_bind_output(s.lib.api, s.bound, name)); err != nil {
			return err
		}
	}
	return nil
}

// Outputs are what the model's outputs are after a Run: the memory of those whose
// shape was known before, and no memory for the others.
func (s *Session) Outputs() []session.Buffer { return s.outputs }
