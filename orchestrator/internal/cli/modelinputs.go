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

// fed is a model whose inputs --input describes.
type fed struct {
	settled inputs.Settled
	open    map[*onnx.Value][]onnx.Dim // the shapes that the inputs had
}

// feedInputs gives a model's inputs the sizes that --input describes, for one
// sample; nil where nothing is described.
func feedInputs(c *cli.Context, m *onnx.Model) (*fed, error) {
	v, ok := c.Generic("input").(*inputValues)
	if !ok || len(v.list) == 0 {
		return nil, nil
	}
	f := &fed{settled: inputs.Settle(m, v.list, input.Options{}), open: map[*onnx.Value][]onnx.Dim{}}
	if err := inputs.Error(f.settled.Problems); err != nil {
		return nil, failure.Usage.Errorf("--input: %s", words.Printable(err.Error())).
			Advise("`chexp model inspect` shows the inputs of a model")
	}
	sizes := inputs.Sizes(f.settled.Inputs, 1)
	for _, in := range m.Graph.RealInputs() {
		f.open[in], in.Shape = in.Shape, onnx.Fixed(sizes[in.Name]...)
	}
	return f, nil
}

// keep gives another model's inputs of the same names the shapes that they had.
func (f *fed) keep(m *onnx.Model) {
	for v, shape := range f.open {
		for _, in := range m.Graph.RealInputs() {
			if in.Name == v.Name {
				in.Shape = shape
			}
		}
	}
}

// reopen gives the inputs back the shapes that they had in the file.
func (f *fed) reopen() {
	for v, shape := range f.open {
		v.Shape = shape
	}
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
func (a modelVerbs) sampled(c *cli.Context, m *onnx.Model, dir string, f *fed) (list []quant.Sample,
	set *samples.Set, err error) {
	if f == nil {
		return a.readSamples(c, m, dir)
	}
	f.say(a.app)
	n, wanted := c.Int("samples"), func(string) bool { return true }
	if set = (&samples.Set{}); dir != "" {
		only, g := *m, *m.Graph
		g.Inputs, wanted = nil, f.has
		for _, v := range m.Graph.RealInputs() {
			if !f.has(v.Name) {
				g.Inputs = append(g.Inputs, v)
			}
		}
		only.Graph = &g
		if list, set, err = a.readSamples(c, &only, dir); err != nil {
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
