package inputs

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"chexp/experiments/input"
	"chexp/models/onnx"
)

// voice is a model as voice detectors are: sr chooses between two graphs, ids are
// rows of a table.
func voice() *onnx.Model {
	value := func(name string, t onnx.DataType, dims ...onnx.Dim) *onnx.Value {
		return &onnx.Value{Name: name, Elem: t, Shape: append([]onnx.Dim{}, dims...)}
	}
	rate := binary.LittleEndian.AppendUint64(nil, 16000)
	identity := &onnx.Node{Op: "Identity", Inputs: []string{"rows"}, Outputs: []string{"z"}}
	body := &onnx.Graph{Name: "b", Nodes: []*onnx.Node{identity},
		Outputs: []*onnx.Value{value("z", onnx.Float32)}}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "g",
		Inputs: []*onnx.Value{value("ids", onnx.Int64, onnx.Dim{Param: "n"}, onnx.Dim{Param: "length", Size: -1}),
			value("sr", onnx.Int64), value("sized", onnx.Int64, onnx.Dim{Size: 4}),
			value("kind", onnx.Int32, onnx.Dim{Param: "n"})},
		Outputs: []*onnx.Value{value("y", onnx.Float32)},
		Initializers: []*onnx.Tensor{{Name: "depth", Type: onnx.Int32, Raw: []byte{9, 0, 0, 0}},
			{Name: "onoff", Type: onnx.Float32, Dims: []int64{2}, Raw: make([]byte, 8)},
			{Name: "rate", Type: onnx.Int64, Raw: rate},
			{Name: "table", Type: onnx.Float32, Dims: []int64{50, 2}, Raw: make([]byte, 400)}},
		Nodes: []*onnx.Node{
			{Op: "Cast", Inputs: []string{"ids"}, Outputs: []string{"wide"}, Attributes: []*onnx.Attribute{onnx.Int("to", 7)}},
			{Op: "Gather", Inputs: []string{"table", "wide"}, Outputs: []string{"rows"}},
			{Op: "OneHot", Inputs: []string{"kind", "depth", "onoff"}, Outputs: []string{"one"}},
			{Op: "Equal", Inputs: []string{"sr", "rate"}, Outputs: []string{"fast"}},
			{Op: "Shape", Inputs: []string{"sized"}, Outputs: []string{"size"}},
			{Op: "ReduceMax", Inputs: []string{"size"}, Outputs: []string{"largest"}},
			{Op: "Cast", Inputs: []string{"largest"}, Outputs: []string{"any"},
				Attributes: []*onnx.Attribute{onnx.Int("to", 9)}},
			{Op: "If", Inputs: []string{"fast"}, Outputs: []string{"y"}, Attributes: []*onnx.Attribute{
				{Name: "then_branch", Kind: onnx.GraphAttribute, Graph: body},
				{Name: "else_branch", Kind: onnx.GraphAttribute, Graph: body}}},
			{Op: "If", Inputs: []string{"any"}, Outputs: []string{"y2"}, Attributes: []*onnx.Attribute{
				{Name: "then_branch", Kind: onnx.GraphAttribute, Graph: body},
				{Name: "else_branch", Kind: onnx.GraphAttribute, Graph: body}}},
		}}}
}

// What decides a branch is found by its values, not by its size.
func TestUses(t *testing.T) {
	got := fmt.Sprintf("%+v", Ports(voice()))
	const want = "[{Name:ids Type:int64 Dims:[{Size:-1 Symbol:n} {Size:-1 Symbol:length}] " +
		"Use:{Rows:50 Decides:false Sizes:false Compared:[]}} " +
		"{Name:sr Type:int64 Dims:[] Use:{Rows:0 Decides:true Sizes:false Compared:[16000]}} " +
		"{Name:sized Type:int64 Dims:[{Size:4 Symbol:}] Use:{Rows:0 Decides:false Sizes:false Compared:[]}} " +
		"{Name:kind Type:int32 Dims:[{Size:-1 Symbol:n}] Use:{Rows:9 Decides:false Sizes:false Compared:[]}}]"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestSettle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ids.npy")
	head := "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }\n"
	b := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(head)))...)
	b = append(b, head...)
	for i := range 6 {
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	s := Settle(voice(), []input.Given{
		{Name: "ids", Values: input.Values{Kind: input.File, Path: path, Name: "ids.npy"}},
		{Name: "sr", Values: input.Values{Kind: input.Constant, Constant: []string{"16000"}}},
	}, input.Options{})
	if len(s.Problems) > 0 || fmt.Sprint(s.Inputs[0]) != "ids int64 [batch, 3], from ids.npy" || len(s.Packs) != 1 {
		t.Fatalf("%v %v", s.Inputs, s.Problems)
	}
	src, err := NewSource(s, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[0 1 2]", "[3 4 5]", "[0 1 2]"} {
		list, err := src.Next()
		if err != nil {
			t.Fatal(err)
		}
		var ids []uint64
		for i := range 3 {
			ids = append(ids, binary.LittleEndian.Uint64(list[0].Raw[8*i:]))
		}
		if fmt.Sprint(ids) != want || fmt.Sprint(list[0].Dims, list[1].Raw[:2]) != "[1 3] [128 62]" {
			t.Errorf("%v %v, want %s", ids, list[1].Raw, want)
		}
	}
	if err := Error(Settle(voice(), nil, input.Options{}).Problems); err == nil {
		t.Error("it asks for nothing")
	}
}

// What decides a branch inside another's body is found, too, and what comes of a
// body's own values.
func TestUsesInBodies(t *testing.T) {
	m := voice()
	inner := &onnx.Graph{Name: "inner", Outputs: []*onnx.Value{{Name: "v", Elem: onnx.Float32}},
		Nodes: []*onnx.Node{{Op: "Identity", Inputs: []string{"rows"}, Outputs: []string{"v"}}}}
	branches := func(g *onnx.Graph) []*onnx.Attribute {
		return []*onnx.Attribute{{Name: "then_branch", Kind: onnx.GraphAttribute, Graph: g},
			{Name: "else_branch", Kind: onnx.GraphAttribute, Graph: g}}
	}
	outer := &onnx.Graph{Name: "outer", Outputs: []*onnx.Value{{Name: "w", Elem: onnx.Float32}}, Nodes: []*onnx.Node{
		{Op: "Equal", Inputs: []string{"sr", "rate"}, Outputs: []string{"fast"}},
		{Op: "If", Inputs: []string{"fast"}, Outputs: []string{"w"}, Attributes: branches(inner)},
	}}
	m.Graph.Nodes = append(m.Graph.Nodes[:2], &onnx.Node{Op: "If", Inputs: []string{"sure"}, Outputs: []string{"y"},
		Attributes: branches(outer)})
	for _, p := range Ports(m) {
		if p.Use.Decides != (p.Name == "sr") || p.Name == "sr" && fmt.Sprint(p.Use.Compared) != "[16000]" {
			t.Errorf("%+v", p)
		}
	}
}

// A length that the model computes with is no 0 or 1.
func TestUsesAsSizes(t *testing.T) {
	m := voice()
	m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{Op: "Range", Inputs: []string{"rate", "sr", "rate"},
		Outputs: []string{"places"}})
	m.Graph.Nodes = append(m.Graph.Nodes[:2], m.Graph.Nodes[len(m.Graph.Nodes)-1])
	for _, p := range Ports(m) {
		if p.Use.Sizes != (p.Name == "sr") || p.Use.Decides {
			t.Errorf("%+v", p)
		}
	}
}
