//go:build cgo

package ort

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/files"
	"chexp/experiments/input"
	"chexp/models/infer"
	"chexp/models/onnx"
)

// graph makes a model of nodes.
func graph(t *testing.T, nodes []*onnx.Node, inputs, outputs []*onnx.Value) string {
	t.Helper()
	m := onnx.Model{IRVersion: 9, Opsets: []onnx.Opset{{Version: 19}, {Domain: "ai.onnx.ml", Version: 2}},
		Graph: &onnx.Graph{Name: "g", Nodes: nodes, Inputs: inputs, Outputs: outputs}}
	file, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return model(t, file)
}

func portOf(name string, typ onnx.DataType, dims ...onnx.Dim) *onnx.Value {
	return &onnx.Value{Name: name, Elem: typ, Shape: append([]onnx.Dim{}, dims...)}
}

// Every type that ONNX Runtime takes is given to it, as the description says, and
// comes back from it.
func TestInputTypes(t *testing.T) {
	l := library(t)
	for number := int32(1); number <= 20; number++ {
		typ := input.TypeOf(number)
		if typ == "" {
			continue // complex numbers
		}
		t.Run(string(typ), func(t *testing.T) {
			value := "1"
			if typ == input.Text {
				value = "é"
			}
			path := graph(t, []*onnx.Node{{Op: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}},
				[]*onnx.Value{portOf("x", onnx.DataType(number), onnx.Dim{Param: "n"}, onnx.Dim{Size: 3})},
				[]*onnx.Value{portOf("y", onnx.DataType(number), onnx.Dim{Param: "n"}, onnx.Dim{Size: 3})})
			o := cpu
			o.Batch, o.Inputs = 2, []input.Input{{Name: "x", Type: typ, Shape: []int64{input.Open, 3}, Batch: new(int),
				Values: input.Values{Kind: input.Constant, Constant: []string{value}}}}
			s, err := l.Open(path, o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			next, err := session.Values(s, 1)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := next(); err != nil {
					t.Fatal(err)
				}
				if err := s.Prepare(); err != nil {
					t.Fatal(err)
				}
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
			}
			out, err := s.Output(0)
			if err != nil || len(out) != 1 || fmt.Sprint(out[0].Dims) != "[2 3]" || int32(out[0].Type) != number {
				t.Fatalf("%+v, %v", out, err)
			}
			want, err := input.Encode(typ, value)
			if err != nil {
				t.Fatal(err)
			}
			got := string(out[0].Raw)
			for _, s := range out[0].Strings {
				got += string(s)
			}
			if got != strings.Repeat(string(want), 6) {
				t.Errorf("%x", got)
			}
		})
	}
}

// A state whose second axis is the batch, a number, an empty past, an input that
// has no shape in the file, and sizes that the file leaves open.
func TestInputShapes(t *testing.T) {
	l := library(t)
	axis := 1
	normal := input.Values{Kind: input.Normal}
	path := graph(t, []*onnx.Node{
		{Op: "Neg", Inputs: []string{"state"}, Outputs: []string{"a"}},
		{Op: "Neg", Inputs: []string{"rate"}, Outputs: []string{"b"}},
		{Op: "Neg", Inputs: []string{"past"}, Outputs: []string{"c"}},
		{Op: "Neg", Inputs: []string{"any"}, Outputs: []string{"d"}},
		{Op: "Neg", Inputs: []string{"picture"}, Outputs: []string{"e"}},
	}, []*onnx.Value{portOf("state", onnx.Float32, onnx.Dim{Size: 2}, onnx.Dim{Param: "batch"}, onnx.Dim{Size: 8}),
		portOf("rate", onnx.Int64), portOf("past", onnx.Float32, onnx.Dim{Size: 1}, onnx.Dim{Size: 0}),
		{Name: "any", Elem: onnx.Float32},
		portOf("picture", onnx.Float32, onnx.Dim{Param: "h", Size: -1}, onnx.Dim{Size: -1}, onnx.Dim{Size: 3})},
		[]*onnx.Value{{Name: "a", Elem: onnx.Float32}, portOf("b", onnx.Int64), {Name: "c", Elem: onnx.Float32},
			{Name: "d", Elem: onnx.Float32}, {Name: "e", Elem: onnx.Float32}})
	o := cpu
	o.Batch = 3
	o.Inputs = []input.Input{
		{Name: "state", Type: input.Float32, Shape: []int64{2, input.Open, 8}, Batch: &axis, Values: normal},
		{Name: "rate", Type: "int64", Shape: []int64{}, Values: input.Values{Kind: input.Constant, Constant: []string{"16"}}},
		{Name: "past", Type: input.Float32, Shape: []int64{1, 0}, Values: normal},
		{Name: "any", Type: input.Float32, Shape: []int64{4, 2}, Values: normal},
		{Name: "picture", Type: input.Float32, Shape: []int64{24, 32, 3}, Values: normal}}
	s, err := l.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	next, err := session.Values(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	if next() != nil || s.Prepare() != nil {
		t.Fatal("it cannot be prepared")
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"[2 3 8]", "[]", "[1 0]", "[4 2]", "[24 32 3]"} {
		out, err := s.Output(i)
		if err != nil || len(out) != 1 || fmt.Sprint(out[0].Dims) != want {
			t.Fatalf("output %d: %+v, %v; want %s", i, out, err, want)
		}
	}
	o.Inputs[0].Shape = []int64{2, input.Open, 9}
	if s, err := l.Open(path, o); code(err) != reason.InputUnsupported ||
		!strings.Contains(err.Error(), "float32 [2, batch, 8]") {
		t.Errorf("%v %v", s, err)
	}
	o.Inputs = o.Inputs[1:]
	if s, err := l.Open(path, o); code(err) != reason.InputUnsupported || !strings.Contains(err.Error(), "state") {
		t.Errorf("%v %v", s, err)
	}
}

// Sequences and maps come out of classifiers of scikit-learn.
func TestSequencesAndMaps(t *testing.T) {
	l := library(t)
	sequence := func(name string, body ...byte) *onnx.Value { return &onnx.Value{Name: name, Other: body} }
	tensor := []byte{0x0a, 0x02, 0x08, 0x01} // TypeProto.tensor_type of float
	path := graph(t, []*onnx.Node{
		{Op: "SequenceConstruct", Inputs: []string{"x", "x"}, Outputs: []string{"s"}},
		{Op: "ZipMap", Domain: "ai.onnx.ml", Inputs: []string{"x"}, Outputs: []string{"z"}, Attributes: []*onnx.Attribute{
			{Name: "classlabels_strings", Kind: onnx.StringsAttribute, Strings: [][]byte{[]byte("a"), []byte("b")}}}},
	}, []*onnx.Value{portOf("x", onnx.Float32, onnx.Dim{Param: "n"}, onnx.Dim{Size: 2})},
		[]*onnx.Value{
			sequence("s", append([]byte{0x22, 0x06, 0x0a, 0x04}, tensor...)...),
			// sequence of map of string to float
			sequence("z", append([]byte{0x22, 0x0c, 0x0a, 0x0a, 0x2a, 0x08, 0x08, 0x08, 0x12, 0x04}, tensor...)...)})
	s, err := l.Open(path, cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	copy(s.Inputs()[0].Float32, []float32{0.25, 0.75})
	for range 3 {
		if err := s.Prepare(); err != nil {
			t.Fatal(err)
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for i := range 2 {
		list, err := s.Output(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			if v, err := x.Float32s(); err == nil {
				got = append(got, fmt.Sprint(x.Name, x.Dims, v))
			} else {
				got = append(got, fmt.Sprintf("%s%v%s", x.Name, x.Dims, x.Strings))
			}
		}
	}
	const want = "s[0][1 2] [0.25 0.75] s[1][1 2] [0.25 0.75] z[0].keys[2][a b] z[0].values[2] [0.25 0.75]"
	if strings.Join(got, " ") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, " "), want)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in, err := Inference{l}.Open(context.Background(), file, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	list, _, err := in.Run(context.Background(), []*onnx.Tensor{onnx.FloatTensor("x", []int64{1, 2}, []float32{1, 2})})
	if err != nil || len(list) != 4 || list[3].Name != "z[0].values" {
		t.Errorf("%v, %v", list, err)
	}
}

// Values of a file are those that the plan names.
func TestInputsFromAFile(t *testing.T) {
	l := library(t)
	dir := t.TempDir()
	pack := input.PackTexts([]string{"a", "b", "c"})
	sum := files.Sum(pack)
	path := graph(t, []*onnx.Node{{Op: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}},
		[]*onnx.Value{portOf("x", onnx.Text, onnx.Dim{Param: "n"})},
		[]*onnx.Value{portOf("y", onnx.Text, onnx.Dim{Param: "n"})})
	o := cpu
	o.Batch, o.Packs = 2, dir
	o.Inputs = []input.Input{{Name: "x", Type: input.Text, Shape: []int64{input.Open}, Batch: new(int),
		Values: input.Values{Kind: input.File, SHA256: sum, Shape: []int64{3}}}}
	s, err := l.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := session.Values(s, 1); err == nil {
		t.Fatal("a file that is not there was read")
	}
	for content, ok := range map[string]bool{string(pack): true, "\x01z": false} {
		if err := os.WriteFile(filepath.Join(dir, sum), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		next, err := session.Values(s, 1)
		if ok != (err == nil) {
			t.Fatalf("%q: %v", content, err)
		}
		for _, want := range []string{"[a b]", "[c a]"} {
			if !ok {
				continue
			}
			if next() != nil || s.Prepare() != nil || s.Run() != nil {
				t.Fatal("it does not run")
			}
			if out, err := s.Output(0); err != nil || fmt.Sprintf("%s", out[0].Strings) != want {
				t.Errorf("%s, %v", out[0].Strings, err)
			}
		}
	}
}
