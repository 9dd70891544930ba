package cli

import (
	"bytes"
	"flag"
	"fmt"
	"testing"

	"github.com/urfave/cli/v2"

	"chexp/models/onnx"
)

// A branch that is not taken may contradict the sizes of the one that is: ONNX
// Runtime refuses a model in which such sizes are fixed. So they are given when the
// model runs, and no file and no model that goes to the agent holds them.
func TestSizesOfInputsAreNotWrittenIntoTheModel(t *testing.T) {
	for _, args := range [][]string{{"-shape", "1,4"}, {"-input", "x=1,4"}, {"-input", "x={n: 4}"}} {
		m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{Name: "g",
			Inputs:  []*onnx.Value{onnx.FloatValue("x", onnx.Dim{Param: "batch"}, onnx.Dim{Param: "n"})},
			Outputs: []*onnx.Value{onnx.FloatValue("y", onnx.Dim{Param: "batch"}, onnx.Dim{Param: "n"})},
			Nodes:   []*onnx.Node{{Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}}}}
		before, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		set := flag.NewFlagSet("", flag.ContinueOnError)
		for _, f := range []cli.Flag{inputFlag(), &cli.StringFlag{Name: "shape"}} {
			if err := f.Apply(set); err != nil {
				t.Fatal(err)
			}
		}
		if err := set.Parse(args); err != nil {
			t.Fatal(err)
		}
		f, err := feeding(cli.NewContext(nil, set, nil), m)
		if err != nil {
			t.Fatal(args, err)
		}
		if got := fmt.Sprint(f.sizes, f.ports[0].Shape[1].Size); got != "map[x:[1 4]] 4" {
			t.Errorf("%v: sizes %s", args, got)
		}
		if after, err := m.Marshal(); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%v changed the model (%v)", args, err)
		}
	}
}
