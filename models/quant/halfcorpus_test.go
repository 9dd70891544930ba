package quant

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// steep operators jump: a rounded input may be on the other side.
// Dropout in training rolls dice.
var steep = "Floor Ceil Round Sign Mod Hardmax Shrink ThresholdedRelu Equal Greater Less GreaterOrEqual LessOrEqual " +
	"IsNaN Dropout"

// ill says whether a model's answers hang on more bits of its input than float16
// has: numbers around 10,000 that differ by one, and tan near its pole.
func ill(name string) bool {
	return strings.Contains(name, "_large_number") || strings.HasPrefix(name, "test_tan,") || name == "test_tan"
}

// Every model of ONNX's test data that converts must load and answer as its
// float32 form does, but for what float16 rounds.
func TestTheTestModelsOfONNXInFloat16(t *testing.T) {
	const dir = "/usr/share/libonnx-testdata/data"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("apt-get install libonnx-testdata")
	}
	r := runner(t)
	var paths []string
	for _, kind := range []string{"node", "simple", "pytorch-converted", "pytorch-operator"} {
		list, err := filepath.Glob(filepath.Join(dir, kind, "*", "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, list...)
	}
	c := &halfCorpus{r: r, count: map[string]int{}, ops: map[string]int{}}
	for _, path := range paths {
		m, err := onnx.Load(path)
		if err == nil {
			m, err = Prepare(m)
		}
		if err != nil {
			c.count["not prepared"]++
			continue
		}
		if m.Opset() == 6 { // see TestTheTestModelsOfONNXQuantize
			m.Opsets[0].Version = 9
			for _, n := range m.Graph.Nodes {
				n.Attributes = slices.DeleteFunc(n.Attributes,
					func(a *onnx.Attribute) bool { return a.Name == "broadcast" })
			}
		}
		name, sample := filepath.Base(filepath.Dir(path)), testInputs(m, filepath.Dir(path))
		if len(sample) > 1 { // weights are inputs there: once as they are, once as constants
			c.see(t, name+", constant", withConstants(m, sample), sample[:1])
		}
		c.see(t, name, m, sample)
		c.see(t, name+", behind Neg", behindNeg(t, m), sample) // what only moves numbers has float16 to move
	}
	t.Logf("%v; %d operators: %v", c.count, len(c.ops), c.ops)
	if c.count["compared"] < 800 || len(c.ops) < 80 {
		t.Errorf("only %d models with %d operators were compared", c.count["compared"], len(c.ops))
	}
}

// halfCorpus counts what became of the models.
type halfCorpus struct {
	r          infer.Runner
	count, ops map[string]int
}

func (c *halfCorpus) see(t *testing.T, name string, m *onnx.Model, sample Sample) {
	t.Helper()
	x, report, err := HalfModel(m, Options{})
	if err != nil {
		c.count["without anything for float16"]++
		return
	}
	if err := x.Check(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if slices.ContainsFunc(sample, func(t *onnx.Tensor) bool { return t.Type == onnx.Text }) {
		c.count["of strings, which do not travel"]++
		return
	}
	want, err := outputsOf(c.r, m, sample)
	if err != nil {
		c.count["not run in float32 either"]++
		return
	}
	got, err := outputsOf(c.r, x, sample)
	if err != nil {
		t.Errorf("%s: in float16: %v", name, err)
		return
	}
	strict, err := outputsOf(c.r, rounded16(x), sample)
	if err != nil {
		t.Errorf("%s: in float32, rounded: %v", name, err)
		return
	}
	kept, jumps := map[string]bool{}, false
	for _, k := range report.Kept {
		kept[k.Node] = true
	}
	for _, n := range m.Graph.Nodes {
		if !kept[NodeName(n)] {
			c.ops[n.Op]++
		}
		jumps = jumps || strings.Contains(" "+steep+" ", " "+n.Op+" ")
	}
	if jumps {
		c.count["only run, since they jump"]++
		return
	}
	c.count["compared"]++
	for i := range want {
		for form, out := range map[string]*onnx.Tensor{"float16": got[i], "rounded": strict[i]} {
			if why := apart(want[i], out); why != "" && (form == "float16" || !ill(name)) {
				t.Errorf("%s, %s (%v): output %q: %s", name, form, operators(m), want[i].Name, why)
			}
		}
	}
}

// withConstants makes constants of all inputs but the first.
func withConstants(m *onnx.Model, sample Sample) *onnx.Model {
	c, g := *m, *m.Graph
	c.Graph = &g
	g.Initializers = slices.Concat(g.Initializers, sample[1:])
	g.Inputs = slices.DeleteFunc(slices.Clone(g.Inputs), func(v *onnx.Value) bool {
		return slices.ContainsFunc(sample[1:], func(t *onnx.Tensor) bool { return t.Name == v.Name })
	})
	return &c
}

// behindNeg puts a Neg behind every float input.
func behindNeg(t *testing.T, m *onnx.Model) *onnx.Model {
	c, err := onnx.Parse(marshal(t, m))
	if err != nil {
		t.Fatal(err)
	}
	var first []*onnx.Node
	for _, v := range c.Graph.RealInputs() {
		if v.Elem != onnx.Float32 {
			continue
		}
		name := v.Name + ".neg"
		for _, n := range c.Graph.Nodes {
			for i := range n.Inputs {
				if n.Inputs[i] == v.Name {
					n.Inputs[i] = name
				}
			}
		}
		first = append(first, &onnx.Node{Op: "Neg", Inputs: []string{v.Name}, Outputs: []string{name}})
	}
	c.Graph.Nodes = append(first, c.Graph.Nodes...)
	return c
}

func testInputs(m *onnx.Model, dir string) (s Sample) {
	for i, v := range m.Graph.RealInputs() {
		b, err := os.ReadFile(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("input_%d.pb", i)))
		if err != nil {
			return s
		}
		x, err := onnx.ParseTensor(b)
		if err != nil {
			return s
		}
		x.Name = v.Name
		s = append(s, x)
	}
	return s
}

func outputsOf(r infer.Runner, m *onnx.Model, sample Sample) ([]*onnx.Tensor, error) {
	b, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	s, err := r.Open(context.Background(), b, infer.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out, _, err := s.Run(context.Background(), sample)
	return out, err
}

// apart says how two outputs differ by more than a few roundings of the
// largest number in them.
func apart(want, got *onnx.Tensor) string {
	if want.Type != got.Type || want.Elements() != got.Elements() {
		return fmt.Sprintf("%v%v instead of %v%v", got.Type, got.Dims, want.Type, want.Dims)
	}
	a, b := reals(want), reals(got)
	if a == nil && string(want.Raw) != string(got.Raw) {
		return fmt.Sprintf("other %v", want.Type)
	}
	largest, worst := 0.0, 0.0
	for i := range a {
		x, y := a[i], b[i]
		switch {
		case x == y || math.IsNaN(x) && math.IsNaN(y):
		case math.IsInf(x, 0) || math.IsNaN(y) || math.IsInf(y, 0):
			return fmt.Sprintf("%v instead of %v", y, x)
		default:
			worst = max(worst, math.Abs(x-y))
		}
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			largest = max(largest, math.Abs(x))
		}
	}
	if worst > largest/256+1e-7 { // a step of the smallest numbers
		return fmt.Sprintf("off by %.3g, the largest number is %.3g", worst, largest)
	}
	return ""
}

// reals are the numbers of an output of floats, nil of any other.
func reals(t *onnx.Tensor) (list []float64) {
	switch t.Type {
	case onnx.Float32:
		v, _ := t.Float32s()
		for _, x := range v {
			list = append(list, float64(x))
		}
	case onnx.Float64:
		for i := 0; i+8 <= len(t.Raw); i += 8 {
			list = append(list, math.Float64frombits(binary.LittleEndian.Uint64(t.Raw[i:])))
		}
	}
	return list
}
