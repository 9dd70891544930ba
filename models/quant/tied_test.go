package quant

import (
	"context"
	"testing"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// A language model's last product often has its embedding as weights. Both were written,
// so that a file of 8 bits had twice onnxruntime's size, and one of float16 the float one's.
func TestTiedWeightsAreOnceInTheFile(t *testing.T) {
	r, ctx := runner(t), context.Background()
	look := node("Gather", "e ids", "rows")
	mean := node("ReduceMean", "rows", "m", onnx.Ints("axes", 1), onnx.Int("keepdims", 0))
	for name, nodes := range map[string][]*onnx.Node{
		"turned":        {look, mean, node("Transpose", "e", "et"), node("MatMul", "m et", "y")},
		"by the factor": {look, mean, node("Gemm", "m e", "y", onnx.Int("transB", 1))},
		"turned before": {node("Transpose", "e", "et"), node("MatMul", "x et", "z"), look, mean,
			node("Gemm", "m e", "g", onnx.Int("transB", 1)), node("Add", "g z", "y")},
	} {
		ids := &onnx.Value{Name: "ids", Elem: onnx.Int64, Shape: value("", 1, 6).Shape}
		k := kind{nodes, []*onnx.Tensor{uneven("e", 50, 32)}, []*onnx.Value{ids, value("x", 1, 32)}, value("y", 1, 50)}
		if name != "turned before" {
			k.inputs = k.inputs[:1]
		}
		float := k.model(t)
		for _, mode := range []Mode{Dynamic, Half} {
			res, err := Request{Float: float, Options: Options{Mode: mode}, Runner: r,
				Session: infer.Options{Config: infer.Exact()}, Samples: k.samples(6), MaxDrop: -1}.Run(ctx)
			if err != nil {
				t.Errorf("%s, %s: %v", name, mode, err)
				continue
			}
			large := 0
			for _, c := range res.Model.Graph.Initializers {
				if c.Elements() == 50*32 {
					large++
				}
			}
			if large != 1 || res.Judgement.Cosine < 0.999 {
				t.Errorf("%s, %s: the table is %d times in the file, cosine %v", name, mode, large, res.Judgement.Cosine)
			}
			if err := res.Model.Check(); err != nil {
				t.Errorf("%s, %s: %v", name, mode, err)
			}
		}
	}
}

// What is an output too stays in the file as floats: bytes beside them would only be more.
func TestATableThatIsAnOutputStays(t *testing.T) {
	k := kind{[]*onnx.Node{node("Gather", "e ids", "y")}, []*onnx.Tensor{uneven("e", 50, 32)},
		[]*onnx.Value{{Name: "ids", Elem: onnx.Int64, Shape: value("", 1, 6).Shape}}, value("y", 1, 6, 32)}
	m := k.model(t)
	m.Graph.Outputs = append(m.Graph.Outputs, value("e", 50, 32))
	if list := Refusals(m, Options{Mode: Dynamic}); len(list) != 1 ||
		list[0].Why != "its values are an output of the model too, as floats" {
		t.Errorf("%+v", list)
	}
}
