package quant

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// kind is a small model of a family, written in a few lines.
type kind struct {
	nodes  []*onnx.Node
	inits  []*onnx.Tensor
	inputs []*onnx.Value
	output *onnx.Value
}

func node(op string, in, out string, attributes ...*onnx.Attribute) *onnx.Node {
	inputs := strings.Split(in, " ")
	for i := range inputs {
		inputs[i] = strings.Trim(inputs[i], "-")
	}
	return &onnx.Node{Op: op, Name: op + "." + strings.Split(out, " ")[0], Inputs: inputs,
		Outputs: strings.Split(out, " "), Attributes: attributes}
}

// uneven are weights of which each row is of another size, so that one scale for all
// is bad; the numbers are the same everywhere.
func uneven(name string, dims ...int64) *onnx.Tensor {
	n := int(onnx.Elements(dims))
	values, state := make([]float32, n), uint32(len(name))*2654435761+1
	for i := range values {
		state = state*1664525 + 1013904223
		values[i] = (float32(state>>8)/(1<<24) - 0.5) / 4
	}
	return onnx.FloatTensor(name, dims, values)
}

func long(name string, v ...int64) *onnx.Tensor {
	return onnx.Int64Tensor(name, []int64{int64(len(v))}, v)
}

func (k kind) model(t *testing.T) *onnx.Model {
	t.Helper()
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "g", Nodes: k.nodes,
		Initializers: k.inits, Inputs: k.inputs, Outputs: []*onnx.Value{k.output}}}
	p, err := Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	PrepareBodies(p)
	return p
}

// samples fill the model's inputs; integers are below 40.
func (k kind) samples(n int) (list []Sample) {
	for i := range n {
		var s Sample
		for _, v := range k.inputs {
			var dims []int64
			for _, d := range v.Shape {
				dims = append(dims, d.Size)
			}
			count := int(onnx.Elements(dims))
			if v.Elem == onnx.Int64 {
				x := make([]int64, count)
				for j := range x {
					x[j] = int64(i*7+j*13) % 40
				}
				s = append(s, onnx.Int64Tensor(v.Name, dims, x))
				continue
			}
			x := make([]float32, count)
			for j := range x {
				x[j] = float32(math.Sin(float64(i+1) * (0.7*float64(j) + 0.1*float64(j*j%17))))
			}
			s = append(s, onnx.FloatTensor(v.Name, dims, x))
		}
		list = append(list, s)
	}
	return list
}

func value(name string, dims ...int64) *onnx.Value {
	return onnx.FloatValue(name, onnx.Fixed(dims...)...)
}

func recurrentKind(op string, gates int64) kind {
	return kind{
		nodes: []*onnx.Node{
			node("Transpose", "x", "t", onnx.Ints("perm", 2, 0, 1)),
			node("Slice", "Wraw zero half", "Wa"), node("Slice", "Wraw half end", "Wb"),
			node("Concat", "Wa Wb", "Wc", onnx.Int("axis", 0)), // as PyTorch puts gates into another order
			node("Unsqueeze", "Wc zero", "W"),
			node(op, "t W R B", "y hn", onnx.Int("hidden_size", 16)), node("Squeeze", "hn zero", "h"),
			node("MatMul", "h out", "z"),
		},
		inits: []*onnx.Tensor{uneven("Wraw", gates*16, 12), uneven("R", 1, gates*16, 16), uneven("B", 1, 2*gates*16),
			uneven("out", 16, 5), long("zero", 0), long("half", gates*8), long("end", gates*16)},
		inputs: []*onnx.Value{value("x", 1, 12, 20)}, output: value("z", 1, 5),
	}
}

// graded makes rows of the kind's first weight, of 12 columns, of many sizes.
func graded(k kind) kind {
	values, err := k.inits[0].Float32s()
	if err != nil {
		panic(err)
	}
	for i := range values {
		values[i] /= float32(1 + i/12%8*4)
	}
	k.inits[0] = onnx.FloatTensor(k.inits[0].Name, k.inits[0].Dims, values)
	return k
}

func kinds() map[string]kind {
	ids := &onnx.Value{Name: "ids", Elem: onnx.Int64, Shape: onnx.Fixed(1, 10)}
	branch := func(i int) *onnx.Attribute {
		g := &onnx.Graph{Name: fmt.Sprint("b", i), Nodes: []*onnx.Node{node("MatMul", fmt.Sprintf("x w%d", i),
			fmt.Sprint("r", i))}, Outputs: []*onnx.Value{value(fmt.Sprint("r", i), 1, 24)}}
		return &onnx.Attribute{Name: []string{"then_branch", "else_branch"}[i], Kind: onnx.GraphAttribute, Graph: g}
	}
	loop := &onnx.Graph{Name: "body",
		Inputs: []*onnx.Value{{Name: "i", Elem: onnx.Int64, Shape: onnx.Fixed()}, {Name: "go", Elem: onnx.Bool,
			Shape: onnx.Fixed()}, value("s", 1, 24), value("v", 24, 24)},
		Nodes: []*onnx.Node{node("MatMul", "s v", "m"), node("Tanh", "m", "next"), node("Identity", "go", "on"),
			node("Identity", "v", "same")},
		Outputs: []*onnx.Value{{Name: "on", Elem: onnx.Bool, Shape: onnx.Fixed()}, value("next", 1, 24),
			value("same", 24, 24)}}
	return map[string]kind{
		"conv1d": {[]*onnx.Node{node("Conv", "x w b", "c", onnx.Ints("pads", 2, 2)), node("Relu", "c", "r"),
			node("Conv", "r w2", "d"), node("GlobalAveragePool", "d", "p"), node("Flatten", "p", "f"),
			node("Gemm", "f m k", "y", onnx.Int("transB", 1), onnx.Float("alpha", 0.5))},
			[]*onnx.Tensor{uneven("w", 16, 8, 5), uneven("b", 16), uneven("w2", 16, 16, 3), uneven("m", 6, 16),
				uneven("k", 1, 6)}, []*onnx.Value{value("x", 1, 8, 40)}, value("y", 1, 6)},
		"conv3d": {[]*onnx.Node{node("Conv", "x w b", "c"), node("Relu", "c", "r"),
			node("MaxPool", "r", "q", onnx.Ints("kernel_shape", 2, 2, 2)), node("Conv", "q w2", "d"),
			node("GlobalAveragePool", "d", "p"), node("Flatten", "p", "f"), node("Gemm", "f m", "y")},
			[]*onnx.Tensor{uneven("w", 8, 3, 3, 3, 3), uneven("b", 8), uneven("w2", 8, 8, 2, 2, 2), uneven("m", 8, 6)},
			[]*onnx.Value{value("x", 1, 3, 8, 8, 8)}, value("y", 1, 6)},
		"embedding": {[]*onnx.Node{node("Gather", "emb ids", "e"),
			node("ReduceMean", "e", "m", onnx.Ints("axes", 1), onnx.Int("keepdims", 0)),
			node("Concat", "m age", "c", onnx.Int("axis", 1)), node("Gemm", "c w", "y")},
			[]*onnx.Tensor{uneven("emb", 40, 16), uneven("w", 20, 6)}, []*onnx.Value{ids, value("age", 1, 4)},
			value("y", 1, 6)},
		"behind transpose and reshape": {[]*onnx.Node{node("Transpose", "w", "wt"), node("MatMul", "x wt", "h"),
			node("Reshape", "v shape", "vr"), node("Transpose", "vr", "vt", onnx.Ints("perm", 0, 2, 1)),
			node("Squeeze", "vt zero", "vs"), node("MatMul", "h vs", "y")},
			[]*onnx.Tensor{uneven("w", 16, 12), uneven("v", 6*16), long("shape", 1, 6, -1), long("zero", 0)},
			[]*onnx.Value{value("x", 1, 12)}, value("y", 1, 6)},
		// ONNX Runtime copies what makes floats of the looked up bytes behind the Transpose.
		"embedding before transpose": {[]*onnx.Node{node("Gather", "emb ids", "e"),
			node("Transpose", "e", "t", onnx.Ints("perm", 1, 0, 2)), node("MatMul", "t w", "h"),
			node("ReduceMean", "h", "m", onnx.Ints("axes", 0), onnx.Int("keepdims", 0)), node("Identity", "m", "y")},
			[]*onnx.Tensor{uneven("emb", 40, 16), uneven("w", 16, 6)}, []*onnx.Value{ids}, value("y", 1, 6)},
		"lstm with a scale for each of W and one for all of R": graded(recurrentKind("LSTM", 4)),
		"lstm": recurrentKind("LSTM", 4), "gru": recurrentKind("GRU", 3), "rnn": recurrentKind("RNN", 1),
		"branches": {[]*onnx.Node{node("ReduceMean", "x", "s", onnx.Int("keepdims", 0)),
			node("Greater", "s nil", "big"), {Op: "If", Name: "If", Inputs: []string{"big"}, Outputs: []string{"y"},
				Attributes: []*onnx.Attribute{branch(0), branch(1)}}},
			[]*onnx.Tensor{uneven("w0", 24, 24), uneven("w1", 24, 24), onnx.FloatTensor("nil", nil, []float32{0})},
			[]*onnx.Value{value("x", 1, 24)}, value("y", 1, 24)},
		"loop": {[]*onnx.Node{node("MatMul", "x w", "s0"), {Op: "Loop", Name: "Loop",
			Inputs: []string{"times", "", "s0", "w"}, Outputs: []string{"y", ""},
			Attributes: []*onnx.Attribute{{Name: "body", Kind: onnx.GraphAttribute, Graph: loop}}}},
			[]*onnx.Tensor{uneven("w", 24, 24), onnx.Int64Tensor("times", nil, []int64{3})},
			[]*onnx.Value{value("x", 1, 24)}, value("y", 1, 24)},
	}
}

func size(t *testing.T, m *onnx.Model) int {
	t.Helper()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}

// floatBytes counts the bytes of 32-bit floats in constants of more than 256 of them.
func floatBytes(g *onnx.Graph) (n int64) {
	for _, t := range g.Initializers {
		if t.Type == onnx.Float32 && t.Elements() >= smallTable {
			n += t.Bytes()
		}
	}
	for _, x := range g.Nodes {
		eachBody(x, func(g *onnx.Graph) { n += floatBytes(g) })
	}
	return n
}

// Every kind of weight is put on 8 bits, none stays as floats beside, and ONNX
// Runtime's answers are near the float model's.
func TestEveryKindOfWeight(t *testing.T) {
	r := runner(t)
	for name, k := range kinds() {
		m := k.model(t)
		for _, o := range []Options{{Mode: Dynamic}, {Mode: Dynamic, PerTensor: true}, {Format: QDQ}, {Format: QOperator}} {
			if o.Mode != Dynamic && Nothing(m, o) != nil { // recurrent nodes, bodies
				continue
			}
			label := fmt.Sprintf("%s, %+v", name, o)
			res, err := Request{Float: m, Options: o, Method: MinMax, Runner: r,
				Session: infer.Options{Config: infer.Exact()}, Samples: k.samples(9), MaxDrop: -1}.Run(context.Background())
			if err != nil {
				t.Errorf("%s: %v", label, err)
				continue
			}
			least := 25.0
			if o.Mode != Dynamic {
				least = 12 // ranges of six samples
			}
			if res.Judgement.SQNR < least {
				t.Errorf("%s: %+v", label, res.Judgement)
			}
			size(t, res.Model)
			if left := floatBytes(res.Model.Graph); left > 0 && o.Mode == Dynamic {
				t.Errorf("%s: %d bytes of floats are left", label, left)
			}
		}
	}
}

// A weight that a Loop's body and the graph around it multiply with is written once.
func TestASharedWeightIsWrittenOnce(t *testing.T) {
	q, err := DynamicModel(kinds()["loop"].model(t), Options{Mode: Dynamic})
	if err != nil {
		t.Fatal(err)
	}
	bytes := int64(0)
	for _, t := range q.Graph.Initializers {
		if t.Type == onnx.Uint8 {
			bytes += t.Bytes()
		}
	}
	if bytes != 24*24+1 { // and a zero point
		t.Errorf("%d bytes of weights, want %d", bytes, 24*24+1)
	}
}

// A constant that several convolutions share is quantized for each of them, and is in
// the file once.
func TestSharedWeightsAreOnceInTheFile(t *testing.T) {
	k := kind{[]*onnx.Node{node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Conv", "x w", "c"),
		node("Add", "b c", "y")}, []*onnx.Tensor{uneven("w", 64, 8, 8)}, []*onnx.Value{value("x", 1, 8, 40)},
		value("y", 1, 64, 33)}
	float, err := Prepare(k.model(t))
	if err != nil {
		t.Fatal(err)
	}
	for mode, make := range map[Mode]func() (*onnx.Model, error){
		Dynamic: func() (*onnx.Model, error) { return DynamicModel(float, Options{Mode: Dynamic, WeightBits: 8}) },
		Static: func() (*onnx.Model, error) {
			ranges := map[string]Range{}
			for _, name := range Activations(float, Options{}) {
				ranges[name] = Range{Low: -1, High: 1}
			}
			return StaticModel(float, ranges, Options{WeightBits: 8})
		},
	} {
		m, err := make()
		if err != nil {
			t.Fatal(err)
		}
		large := 0
		for _, c := range m.Graph.Initializers {
			if c.Elements() == 64*8*8 {
				large++
			}
		}
		if large != 1 {
			t.Errorf("%s: the weights are %d times in the file", mode, large)
		}
		if err := m.Check(); err != nil {
			t.Error(mode, err)
		}
	}
}

func TestWhyNothingIsQuantized(t *testing.T) {
	x, y := []*onnx.Value{value("x", 1, 8, 8)}, value("y", 1, 8, 8)
	half := uneven("w", 8, 8)
	half.Type, half.Raw = onnx.Float16, half.Raw[:2*64]
	lstm := recurrentKind("LSTM", 4)
	lstm.nodes = lstm.nodes[:6]
	lstm.output = value("hn", 1, 1, 16)
	loop := node("Loop", "x", "y")
	loop.Attributes = []*onnx.Attribute{{Name: "body", Kind: onnx.GraphAttribute, Graph: &onnx.Graph{
		Nodes: []*onnx.Node{node("MatMul", "x w", "z")}, Initializers: []*onnx.Tensor{uneven("w", 8, 8)}}}}
	for name, c := range map[string]struct {
		k    kind
		o    Options
		says string
	}{
		"computed": {kind{[]*onnx.Node{node("Relu", "x", "r"), node("MatMul", "x r", "y")}, nil, x, y},
			Options{Mode: Dynamic}, "MatMul stays in float, because its weights are computed while running (by Relu) " +
				"(MatMul.y)"},
		"given": {kind{[]*onnx.Node{node("MatMul", "x x", "y")}, nil, x, y},
			Options{Mode: Dynamic}, "its weights are no constants of the model (x comes from outside)"},
		"transposed": {kind{[]*onnx.Node{node("ConvTranspose", "x w", "y")}, []*onnx.Tensor{uneven("w", 8, 8, 1)}, x, y},
			Options{Mode: Dynamic}, "ConvTranspose stays in float, because ONNX Runtime has no integer form"},
		"excluded": {kind{[]*onnx.Node{node("Conv", "x w", "y")}, []*onnx.Tensor{uneven("w", 8, 8, 1)}, x, y},
			Options{Mode: Dynamic, Exclude: []string{"Conv"}}, "Conv stays in float, because it is excluded (Conv.y)"},
		"static lstm": {lstm, Options{}, "LSTM stays in float, because it is put on 8 bits in dynamic models only"},
		"none": {kind{[]*onnx.Node{node("Relu", "x", "y")}, nil, x, y}, Options{Mode: Dynamic},
			"no embedding, LSTM or GRU; it has Relu"},
		"inside": {kind{[]*onnx.Node{loop}, nil, x, y}, Options{},
			"outside of If, Loop and Scan, whose insides are put on 8 bits in dynamic models only"},
	} {
		if err := Nothing(c.k.model(t), c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	own := kind{[]*onnx.Node{node("Relu", "x", "y")}, nil, x, y}
	m := own.model(t)
	m.Functions = 2
	if err := Nothing(m, Options{Mode: Dynamic}); err == nil || !strings.Contains(err.Error(), "of its 2 own functions") {
		t.Errorf("a model with functions: %v", err)
	}
	if err := Nothing(kinds()["conv1d"].model(t), Options{}); err != nil {
		t.Errorf("a Conv1D: %v", err)
	}
}

// An initializer of IR version 3 must be listed as an input, which Prepare undoes:
// the version says so (it is 4 then), in every mode.
func TestIR3BecomesIR4(t *testing.T) {
	k := kinds()["conv1d"]
	m := &onnx.Model{IRVersion: 3, Opsets: []onnx.Opset{{Version: 11}}, Graph: &onnx.Graph{Name: "g", Nodes: k.nodes,
		Initializers: k.inits, Inputs: k.inputs, Outputs: []*onnx.Value{k.output}}}
	for _, i := range k.inits {
		v := &onnx.Value{Name: i.Name, Elem: i.Type}
		for _, d := range i.Dims {
			v.Shape = append(v.Shape, onnx.Dim{Size: d})
		}
		m.Graph.Inputs = append(m.Graph.Inputs, v)
	}
	p, err := Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := HalfModel(p, Options{Mode: Half})
	if err != nil {
		t.Fatal(err)
	}
	d, err := DynamicModel(p, Options{Mode: Dynamic})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*onnx.Model{h, d, rounded16(h)} {
		if m.IRVersion < 4 || len(m.Graph.Inputs) != 1 {
			t.Errorf("IR version %d with %d inputs", m.IRVersion, len(m.Graph.Inputs))
		}
	}
}
