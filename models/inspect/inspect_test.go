package inspect

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chexp/models/builtin"
	"chexp/models/modeltest"
	"chexp/models/onnx"
)

// builtins is chexp's own MobileNetV2 with eleven classes, in a form.
func builtins(t *testing.T, f modeltest.Form) *onnx.Model {
	t.Helper()
	b, err := builtin.Generate("plates11-" + string(f))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, b)
}

// tutorials is the tutorial's model of the same shape; the test ends where there
// is none.
func tutorials(t *testing.T, f modeltest.Form) *onnx.Model {
	t.Helper()
	b, ok := modeltest.Tutorial(t, f)
	if !ok {
		t.Skip("CHEXP_MODEL_PATH names no folder with the tutorial's models")
	}
	return parse(t, b)
}

func parse(t *testing.T, b []byte) *onnx.Model {
	t.Helper()
	m, err := onnx.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func codes(r *Report) (list []string) {
	for _, w := range r.Warnings {
		list = append(list, w.Code)
	}
	return list
}

func count(list []Count, name string) int {
	for _, c := range list {
		if c.Name == name {
			return c.Count
		}
	}
	return 0
}

func TestStaticModel(t *testing.T) {
	r := Inspect(builtins(t, modeltest.Static), Options{})
	q := r.Quantization
	if q.Scheme != "static" || q.Form != "QOperator" || q.Integer != 53 || q.Float != 0 {
		t.Errorf("%+v", q)
	}
	if w := q.Weights; w.PerChannel != 53 || w.PerTensor != 0 || !w.Symmetric || w.Bits != 8 ||
		count(w.Types, "int8") != 53 {
		t.Errorf("weights %+v", w)
	}
	if a := q.Activations; a.Bits != 8 || a.LostBounds != 0 || count(a.Types, "uint8") != 64 {
		t.Errorf("activations %+v", a)
	}
	if got := codes(r); !slices.Equal(got, []string{"x86_saturates"}) {
		t.Errorf("warnings %v", got)
	}
	if r.Nodes != 66 || count(r.Operators, "QLinearConv") != 52 || r.Opsets["ai.onnx"] != 17 ||
		r.Parameters[0].Type != "int8" || r.Parameters[0].Bytes != 2220907 {
		t.Errorf("%+v", r)
	}
	// All but the classifier, whose output is float.
	plugin := 1 - 11*1280/299508352.0
	for _, p := range r.Providers {
		if want := map[string]float64{"cpu": 1, "acl (chexp's plugin)": plugin}[p.Name]; math.Abs(p.Share-want) > 1e-9 {
			t.Errorf("%s takes %v of the work, want %v", p.Name, p.Share, want)
		}
	}
	if why := r.Providers[2].Leaves[0].Why; !strings.Contains(why, "per-channel") {
		t.Errorf("ONNX Runtime's ACL leaves QLinearConv because %q", why)
	}
}

func TestAnOlderRuntime(t *testing.T) {
	m := builtins(t, modeltest.Static)
	if got := codes(Inspect(m, Options{Runtime: "1.15.1"})); !slices.Equal(got, []string{"x86_saturates"}) {
		t.Errorf("operator set 17 in 1.15: %v", got)
	}
	m.IRVersion, m.Opsets[0].Version = 10, 20
	got := codes(Inspect(m, Options{Runtime: "1.15.1"}))
	if !slices.Contains(got, "opset_too_new") || !slices.Contains(got, "ir_too_new") {
		t.Errorf("operator set 20 in 1.15: %v", got)
	}
}

func TestDynamicModel(t *testing.T) {
	r := Inspect(builtins(t, modeltest.Dynamic), Options{})
	q := r.Quantization
	if q.Scheme != "dynamic" || q.Integer != 53 || q.Weights.PerChannel != 53 || q.Weights.Bits != 8 ||
		!q.Weights.Symmetric || q.Activations != nil {
		t.Errorf("%+v, weights %+v", q, q.Weights)
	}
	if got := codes(r); !slices.Equal(got, []string{"dynamic_overhead"}) ||
		!strings.Contains(r.Warnings[0].Text, "of 365 nodes 53") {
		t.Errorf("warnings %+v", r.Warnings)
	}
}

func TestFloatModel(t *testing.T) {
	modeltest.Each(t, modeltest.Float, builtin.Generate, func(t *testing.T, model []byte) {
		m := parse(t, model)
		r := Inspect(m, Options{})
		w, ok := r.Work.Get()
		if r.Quantization.Scheme != "none" || len(r.Warnings) != 0 || !ok || w.Float != 299508352 ||
			r.ParameterCount != 2220909 {
			t.Errorf("%+v", r)
		}
		if acl := r.Providers[2]; acl.Share != 0 {
			t.Errorf("with a free batch ONNX Runtime's ACL takes %+v", acl)
		}
		m.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
		if acl := Inspect(m, Options{}).Providers[2]; acl.Share < 0.99 || count(acl.Takes, "Conv") != 52 {
			t.Errorf("with a fixed batch it takes %+v", acl)
		}
	})
}

func TestTheTutorialsStaticModel(t *testing.T) {
	r := Inspect(tutorials(t, modeltest.Static), Options{})
	q := r.Quantization
	if q.Scheme != "static" || q.Form != "QOperator" || q.Integer != 53 || q.Float != 0 {
		t.Errorf("%+v", q)
	}
	if w := q.Weights; w.PerChannel != 53 || w.PerTensor != 0 || !w.Symmetric || w.Bits != 7 ||
		count(w.Types, "int8") != 53 {
		t.Errorf("weights %+v", w)
	}
	if a := q.Activations; a.Bits != 7 || a.LostBounds != 35 {
		t.Errorf("activations %+v", a)
	}
	if got := codes(r); !slices.Equal(got, []string{"relu6_bound_lost"}) {
		t.Errorf("warnings %v", got)
	}
	if r.Nodes != 68 || count(r.Operators, "QLinearConv") != 52 || r.Opsets["ai.onnx"] != 20 ||
		r.Parameters[0].Type != "int8" || r.Parameters[0].Bytes != 2220907 {
		t.Errorf("%+v", r)
	}
	for _, p := range r.Providers {
		if want := map[string]float64{"cpu": 1, "acl (chexp's plugin)": 1}[p.Name]; p.Share != want {
			t.Errorf("%s takes %v of the work, want %v", p.Name, p.Share, want)
		}
	}
	if why := r.Providers[2].Leaves[0].Why; !strings.Contains(why, "per-channel") {
		t.Errorf("ONNX Runtime's ACL leaves QLinearConv because %q", why)
	}
	// An older runtime.
	if got := codes(Inspect(tutorials(t, modeltest.Static), Options{Runtime: "1.15.1"})); !slices.Contains(got,
		"opset_too_new") || !slices.Contains(got, "ir_too_new") {
		t.Errorf("for 1.15: %v", got)
	}
}

func TestTheTutorialsDynamicModel(t *testing.T) {
	r := Inspect(tutorials(t, modeltest.Dynamic), Options{})
	q := r.Quantization
	if q.Scheme != "dynamic" || q.Integer != 53 || q.Weights.PerTensor != 52 || q.Weights.Bits != 7 ||
		q.Weights.Symmetric || q.Activations != nil {
		t.Errorf("%+v, weights %+v", q, q.Weights)
	}
	if got := codes(r); !slices.Equal(got, []string{"dynamic_overhead"}) ||
		!strings.Contains(r.Warnings[0].Text, "of 625 nodes 53") {
		t.Errorf("warnings %+v", r.Warnings)
	}
}

func TestSignedWeightsOfConvIntegerAreWarnedOf(t *testing.T) {
	in := []onnx.Dim{{Size: 1}, {Size: 1}, {Size: 2}, {Size: 2}}
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Nodes:        []*onnx.Node{{Op: "ConvInteger", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
		Initializers: []*onnx.Tensor{onnx.Int8Tensor("w", []int64{1, 1, 1, 1}, []int8{100})},
		Inputs:       []*onnx.Value{{Name: "x", Elem: onnx.Uint8, Shape: in}},
		Outputs:      []*onnx.Value{{Name: "y", Elem: onnx.Int32, Shape: in}},
	}}
	if got := codes(Inspect(m, Options{})); !slices.Contains(got, "convinteger_int8") ||
		!slices.Contains(got, "no_float_image") {
		t.Errorf("warnings %v", got)
	}
}

func TestAFloat16ModelIsSaidToBeOne(t *testing.T) {
	in := onnx.Fixed(1, 2, 4, 4)
	node := func(op, from, to string, more ...string) *onnx.Node {
		return &onnx.Node{Op: op, Inputs: append([]string{from}, more...), Outputs: []string{to}}
	}
	cast := func(from, to string, t onnx.DataType) *onnx.Node {
		n := node("Cast", from, to)
		n.Attributes = []*onnx.Attribute{onnx.Int("to", int64(t))}
		return n
	}
	conv, pool := node("Conv", "a", "b", "w"), node("MaxPool", "c", "d")
	conv.Attributes = []*onnx.Attribute{onnx.Int("group", 2)}
	pool.Attributes = []*onnx.Attribute{onnx.Ints("kernel_shape", 3, 3), onnx.Ints("pads", 1, 1, 1, 1)}
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Nodes: []*onnx.Node{cast("x", "a", onnx.Float16), conv, node("Relu", "b", "c"), pool,
			cast("d", "y", onnx.Float32)},
		Initializers: []*onnx.Tensor{{Name: "w", Type: onnx.Float16, Dims: []int64{2, 1, 1, 1}, Raw: make([]byte, 4)}},
		Inputs:       []*onnx.Value{{Name: "x", Elem: onnx.Float32, Shape: in}},
		Outputs:      []*onnx.Value{{Name: "y", Elem: onnx.Float32, Shape: in}},
	}}
	r := Inspect(m, Options{})
	if q := r.Quantization; q.Scheme != "none" || q.Half != 1 || q.Float != 1 {
		t.Errorf("%+v", q)
	}
	if got := codes(r); !slices.Equal(got, []string{"float16_cpu", "float16_acl"}) ||
		!strings.Contains(r.Warnings[0].Text, "this model has 1") {
		t.Errorf("warnings %+v", r.Warnings)
	}
	plugin := r.Providers[1]
	if count(plugin.Takes, "Conv") != 1 || len(plugin.Leaves) != 2 || plugin.Leaves[1].Why != "float16 with padding" {
		t.Errorf("the plugin takes %+v and leaves %+v", plugin.Takes, plugin.Leaves)
	}
	for _, p := range r.Providers[2:] {
		if len(p.Takes) != 0 {
			t.Errorf("%s is said to take %v", p.Name, p.Takes)
		}
	}
	m.Graph.Inputs[0].Elem, m.Graph.Nodes = onnx.Float16, m.Graph.Nodes[1:]
	conv.Inputs[0] = "x"
	if got := codes(Inspect(m, Options{})); !slices.Contains(got, "float16_edges") {
		t.Errorf("with a float16 input: %v", got)
	}
}

// Whatever the model, there is a report.
func TestEveryTestModelHasAReport(t *testing.T) {
	const dir = "/usr/share/libonnx-testdata/data"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("apt-get install libonnx-testdata")
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".onnx" {
			return err
		}
		m, err := onnx.Load(path)
		if err != nil {
			t.Errorf("%v", err)
			return nil
		}
		r := Inspect(m, Options{})
		total := 0
		for _, c := range r.Operators {
			total += c.Count
		}
		if total != r.Nodes || len(r.Providers) != 4 {
			t.Errorf("%s: %d of %d nodes", path, total, r.Nodes)
		}
		n++
		return nil
	})
	if err != nil || n < 1000 {
		t.Errorf("%d models, %v", n, err)
	}
}
