package cli_test

import (
	"encoding/binary"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"chexp/models/onnx"
)

// open and sized are dimensions.
func open(name string) onnx.Dim { return onnx.Dim{Param: name} }
func sized(n int64) onnx.Dim    { return onnx.Dim{Size: n} }

func port(name string, t onnx.DataType, dims ...onnx.Dim) *onnx.Value {
	return &onnx.Value{Name: name, Elem: t, Shape: append([]onnx.Dim{}, dims...)}
}

func node(op, out string, in ...string) *onnx.Node {
	return &onnx.Node{Op: op, Inputs: in, Outputs: []string{out}}
}

func named(name, op, out string, in ...string) *onnx.Node {
	n := node(op, out, in...)
	n.Name = name
	return n
}

func int64s(name string, values ...int64) *onnx.Tensor {
	t := &onnx.Tensor{Name: name, Type: onnx.Int64, Dims: []int64{int64(len(values))}}
	for _, v := range values {
		t.Raw = binary.LittleEndian.AppendUint64(t.Raw, uint64(v))
	}
	return t
}

// voice is as voice detectors are: sound of an open length, a state whose second
// axis is the batch, and a sample rate that chooses between two graphs. Each graph
// is for sound of another length: with that of one fixed, the other is wrong.
func voice() *onnx.Graph {
	branch := func(name string, samples int64) *onnx.Attribute {
		weights := onnx.FloatTensor(name+"_w", []int64{samples, 2}, make([]float32, 2*samples))
		weights.Raw[3] = 0x3f // 0.5
		return &onnx.Attribute{Name: name, Kind: onnx.GraphAttribute, Graph: &onnx.Graph{Name: name,
			Nodes:        []*onnx.Node{node("MatMul", name+"_y", "sound", name+"_w")},
			Initializers: []*onnx.Tensor{weights},
			Outputs:      []*onnx.Value{port(name+"_y", onnx.Float32, open("batch"), sized(2))}}}
	}
	choose := node("If", "y", "fast")
	choose.Attributes = []*onnx.Attribute{branch("then_branch", 512), branch("else_branch", 256)}
	rate := int64s("rate", 16000)
	rate.Dims = nil
	return &onnx.Graph{Name: "voice", Initializers: []*onnx.Tensor{rate},
		Inputs: []*onnx.Value{port("sound", onnx.Float32, open("batch"), open("samples")),
			port("state", onnx.Float32, sized(2), open("batch"), sized(8)), port("sr", onnx.Int64)},
		Outputs: []*onnx.Value{port("y", onnx.Float32, open("batch"), sized(2)),
			port("next", onnx.Float32, sized(2), open("batch"), sized(8))},
		Nodes: []*onnx.Node{node("Equal", "fast", "sr", "rate"), choose, node("Neg", "next", "state")}}
}

// inputModels writes the models of the inputs' session.
func inputModels(ts *testscript.TestScript, _ bool, args []string) {
	picture := []onnx.Dim{sized(24), sized(32), sized(3)}
	sequence := &onnx.Value{Name: "s", Other: []byte{0x22, 0x06, 0x0a, 0x04, 0x0a, 0x02, 0x08, 0x01}} // of floats
	long := []onnx.Dim{open("n"), sized(4)}
	reshape := node("Reshape", "y", "x", "one")
	for name, m := range map[string]struct {
		opset, ir int64
		graph     *onnx.Graph
	}{
		"voice": {17, 8, voice()},
		"picture": {17, 8, &onnx.Graph{Nodes: []*onnx.Node{node("Neg", "y", "x")},
			Inputs:  []*onnx.Value{port("x", onnx.Float32, picture...)},
			Outputs: []*onnx.Value{port("y", onnx.Float32, picture...)}}},
		"sequence": {17, 8, &onnx.Graph{Nodes: []*onnx.Node{node("SequenceConstruct", "s", "x", "x")},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{sequence}}},
		"words": {17, 8, &onnx.Graph{Nodes: []*onnx.Node{node("Identity", "y", "x")},
			Inputs: []*onnx.Value{port("x", onnx.Text, open("n"))}, Outputs: []*onnx.Value{port("y", onnx.Text, open("n"))}}},
		// The graph folds the batch into one row, whatever its output says.
		"inside": {17, 8, &onnx.Graph{Nodes: []*onnx.Node{reshape}, Initializers: []*onnx.Tensor{int64s("one", 1, -1)},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{port("y", onnx.Float32, open("n"),
				open("any"))}}},
		// It has room for one row, also where the output is said to have any shape.
		"refolds": {17, 8, &onnx.Graph{Nodes: []*onnx.Node{reshape}, Initializers: []*onnx.Tensor{int64s("one", 1, 4)},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{port("y", onnx.Float32)}}},
		// The same where only a run tells.
		"hidden": {17, 8, &onnx.Graph{Initializers: []*onnx.Tensor{int64s("four", 1, 4)},
			Nodes:  []*onnx.Node{node("Abs", "sure", "four"), node("Reshape", "y", "x", "sure")},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{port("y", onnx.Float32, long...)}}},
		"twins": {17, 8, &onnx.Graph{Nodes: []*onnx.Node{named("n", "Neg", "a", "x"), named("n", "Abs", "y", "a")},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{port("y", onnx.Float32, long...)}}},
		"packed": {21, 10, &onnx.Graph{Nodes: []*onnx.Node{node("Identity", "y", "x")}, // 22 is int4
			Inputs: []*onnx.Value{port("x", 22, long...)}, Outputs: []*onnx.Value{port("y", 22, long...)}}},
		"new": {99, 8, &onnx.Graph{Nodes: []*onnx.Node{node("Neg", "y", "x")},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{port("y", onnx.Float32, long...)}}},
		"newer": {17, 99, &onnx.Graph{Nodes: []*onnx.Node{node("Neg", "y", "x")},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{port("y", onnx.Float32, long...)}}},
		"unknown": {17, 8, &onnx.Graph{Nodes: []*onnx.Node{node("NoSuchOperator", "y", "x")},
			Inputs: []*onnx.Value{port("x", onnx.Float32, long...)}, Outputs: []*onnx.Value{port("y", onnx.Float32, long...)}}},
	} {
		m.graph.Name = name
		file, err := (&onnx.Model{IRVersion: m.ir, Opsets: []onnx.Opset{{Version: m.opset}}, Graph: m.graph}).Marshal()
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(ts.MkAbs("."), name+".onnx"), file, 0o644))
	}
}
