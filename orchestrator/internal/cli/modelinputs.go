package cli

import (
	"fmt"

	"chexp/experiments/failure"
	"chexp/experiments/input"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/models/inputs"
	"chexp/models/onnx"
	"chexp/models/quant"
	"chexp/models/samples"

	"github.com/urfave/cli/v2"
)

// inputFlag describes the inputs of a model as `inputs:` of an experiment does.
func inputFlag() cli.Flag {
	return &cli.GenericFlag{Name: "input", Value: &inputValues{},
		Usage: "what an input is fed with, as `NAME=WHAT`: sizes (x=1,3,320,320 or x={width: 320}), a constant (sr=16000), " +
			"a file (x=data.npy), or all as in an experiment's inputs (h={sizes: [2, batch, 8], values: 0}); FILE.npz has " +
			"an array for each input; may be repeated"}
}

// inputValues are the descriptions that a command line gives. They may hold
// commas, which a list of texts would be split at.
type inputValues struct{ list []input.Given }

// Set implements [cli.Generic].
func (v *inputValues) Set(s string) error {
	g, err := spec.ParseInput(s)
	v.list = append(v.list, g)
	return err
}

func (v *inputValues) String() string { return "" }

// fed says how a model's inputs are fed. The model itself keeps the shapes that it
// has: sizes written into it may contradict what its nodes compute in a branch that
// is not taken, and ONNX Runtime then refuses to load it.
type fed struct {
	ports     []*onnx.Value      // the model's inputs, with the sizes of one sample where they are known
	sizes     map[string][]int64 // those that --shape or --input says; nil: they say none
	described bool               // by --input: settled says how
	settled   inputs.Settled
}

// feeding reads --shape and --input.
func feeding(c *cli.Context, m *onnx.Model) (f *fed, err error) {
	f = &fed{ports: m.Graph.RealInputs()}
	if s := c.String("shape"); s != "" {
		if f.sizes, err = inputShape(f.ports, s); err != nil {
			return nil, err
		}
	}
	if v, ok := c.Generic("input").(*inputValues); ok && len(v.list) > 0 {
		f.described, f.settled = true, inputs.Settle(m, v.list, input.Options{})
		if err := inputs.Error(f.settled.Problems); err != nil {
			return nil, failure.Usage.Errorf("--input: %s", words.Printable(err.Error())).
				Advise("`chexp model inspect` shows the inputs of a model")
		}
		f.sizes = inputs.Sizes(f.settled.Inputs, 1)
	}
	for i, v := range f.ports {
		if dims, ok := f.sizes[v.Name]; ok {
			w := *v
			w.Shape = onnx.Fixed(dims...)
			f.ports[i] = &w
		}
	}
	return f, nil
}

// inputShape reads --shape, which is for models with one input.
func inputShape(ports []*onnx.Value, shape string) (map[string][]int64, error) {
	dims, err := sizes(shape)
	if err != nil {
		return nil, failure.Usage.Errorf("--shape %v", err)
	}
	bad := len(ports) != 1
	if !bad && ports[0].Shape != nil {
		bad = len(ports[0].Shape) != len(dims)
		for i, d := range ports[0].Shape {
			bad = bad || d.Known() && d.Size != dims[i]
		}
	}
	if bad {
		return nil, failure.Usage.Errorf("--shape %s does not fit the model's inputs", shape).
			Advise("`chexp model inspect` without it shows them; --input is for several")
	}
	return map[string][]int64{ports[0].Name: dims}, nil
}

// has reports whether a person said where an input's values come from.
func (f *fed) has(name string) bool {
	for _, in := range f.settled.Inputs {
		if in.Name == name && (in.Values.Kind == input.File || in.Values.Kind == input.Constant && in.Guess == "") {
			return true
		}
	}
	return false
}

// samples makes so many sets of values of the inputs that are asked for.
func (f *fed) samples(n int, wanted func(name string) bool) (list [][]*onnx.Tensor, err error) {
	const seed = 1
	src, err := inputs.NewSource(f.settled, 1, seed)
	if err != nil {
		return nil, err
	}
	for range n {
		all, err := src.Next()
		if err != nil {
			return nil, err
		}
		var some []*onnx.Tensor
		for _, t := range all {
			if wanted(t.Name) {
				some = append(some, t)
			}
		}
		list = append(list, some)
	}
	return list, nil
}

// sampled is readSamples, of the inputs whose values --input does not give; without
// a folder all are as --input says.
func (a modelVerbs) sampled(c *cli.Context, dir string, f *fed) (list []quant.Sample, set *samples.Set, err error) {
	if !f.described {
		return a.readSamples(c, f.ports, dir)
	}
	f.say(a.app)
	n, wanted := c.Int("samples"), func(string) bool { return true }
	if set = (&samples.Set{}); dir != "" {
		var open []*onnx.Value
		wanted = f.has
		for _, v := range f.ports {
			if !f.has(v.Name) {
				open = append(open, v)
			}
		}
		if list, set, err = a.readSamples(c, open, dir); err != nil {
			return nil, nil, err
		}
		n = len(list)
	}
	if most := f.rows(); dir == "" && most > 0 && (n == 0 || n > most) {
		n = most // no sample twice: some are held back to judge by
	}
	more, err := f.samples(max(1, n), wanted)
	if err != nil {
		return nil, nil, err
	}
	for i, tensors := range more {
		if i == len(list) {
			list = append(list, nil)
		}
		list[i] = append(list[i], tensors...)
	}
	return list, set, nil
}

// rows is how many samples the files have; 0: there is none with a batch.
func (f *fed) rows() (most int) {
	for _, in := range f.settled.Inputs {
		if a := in.Axis(); in.Values.Kind == input.File && a >= 0 && a < len(in.Values.Shape) {
			most = max(most, int(in.Values.Shape[a]))
		}
	}
	return most
}

// real reports whether all values are a person's own: what is made up says nothing
// of the ranges that a model will see.
func (f *fed) real() bool {
	if !f.described {
		return false
	}
	for _, in := range f.settled.Inputs {
		if !f.has(in.Name) {
			return false
		}
	}
	return true
}

// say tells how the inputs are fed.
func (f *fed) say(a *app) {
	for _, in := range f.settled.Inputs {
		text := in.String()
		if in.Guess != "" {
			text += ": " + in.Guess
		}
		fmt.Fprintf(a.err, "  feeds %s\n", words.Printable(text))
	}
}
