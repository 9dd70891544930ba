package onnx

import (
	"path/filepath"
	"testing"
)

// What follows from the operators is what ONNX's test models declare.
func TestElementTypesAreThoseDeclared(t *testing.T) {
	paths, err := filepath.Glob(testdata + "/*/*/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Skip("apt-get install libonnx-testdata")
	}
	right := 0
	for _, path := range paths {
		m, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		declared := m.Graph.Outputs
		m.Graph.Outputs, m.Graph.Values = nil, nil
		types := m.ElementTypes()
		for _, v := range declared {
			switch got := types[v.Name]; {
			case got == 0 || v.Other != nil || v.Elem == 0:
			case got != v.Elem:
				t.Errorf("%s: %q is of %v, not %v", path, v.Name, v.Elem, got)
			default:
				right++
			}
		}
	}
	t.Logf("%d outputs of %d models", right, len(paths))
	if right < 1000 {
		t.Errorf("only %d outputs have a type", right)
	}
}

func TestSignaturesRepeatTheirLastLetter(t *testing.T) {
	concat, _ := SignatureOf(&Node{Op: "Concat"})
	split, _ := SignatureOf(&Node{Op: "Split"})
	conv, _ := SignatureOf(&Node{Op: "Conv"})
	if concat.In(0) != 'T' || concat.In(7) != 'T' || concat.Out(1) != 0 || split.Out(5) != 'T' || split.In(1) != 'N' ||
		conv.In(3) != 0 {
		t.Errorf("%+v, %+v, %+v", concat, split, conv)
	}
	if _, ok := SignatureOf(&Node{Op: "Conv", Domain: "com.example"}); ok {
		t.Error("somebody else's Conv has ONNX's types")
	}
}
