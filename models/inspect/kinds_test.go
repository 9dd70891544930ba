package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/models/onnx"
)

// inspected reads one of the models that testdata/kinds.py makes.
func inspected(t *testing.T, name string, o Options) *Report {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return Inspect(parse(t, b), o)
}

func plugins(t *testing.T, r *Report) Provider {
	t.Helper()
	for _, p := range r.Providers {
		if p.Name == "acl (chexp's plugin)" {
			return p
		}
	}
	t.Fatal("there is no plugin")
	return Provider{}
}

// Layers are counted, and what is not is named: nothing takes a share of a part.
func TestLayersAreCountedOrNamed(t *testing.T) {
	for name, want := range map[string]int64{
		"lstm": 20 * (32*4 + 32*8), "attention23": 4 * 16 * 16 * (8 + 8), "nbits": 32 * 8,
		"attention": 3*16*32*32 + 4*16*16*(8+8), "int4": 32 * 8,
	} {
		if w, ok := inspected(t, name, Options{}).Work.Get(); !ok || w.Float != want || w.Integer != 0 {
			t.Errorf("%s: %+v, want %d", name, w, want)
		}
	}
	r := inspected(t, "trees", Options{})
	if !strings.Contains(r.Work.Unavailable, "TreeEnsembleRegressor") {
		t.Errorf("trees: work is %+v", r.Work)
	}
	for _, p := range r.Providers {
		if p.Share >= 0 {
			t.Errorf("%s has a share of %v of what is not counted", p.Name, p.Share)
		}
	}
	if got := strings.Join(codes(r), " "); !strings.Contains(got, "not_counted") {
		t.Errorf("trees: warnings %s", got)
	}
	if got := strings.Join(codes(inspected(t, "lstm", Options{})), " "); !strings.Contains(got, "duplicate_names") {
		t.Errorf("lstm: warnings %s", got)
	}
}

// What is quantized to other types than 8-bit integers is recognised, and does not
// count as work on 8-bit integers.
func TestOtherQuantizationIsRecognised(t *testing.T) {
	for name, want := range map[string][2]string{
		"int4":   {"weights only", "int4 weights, blocks of 16"},
		"int16":  {"static", "uint16 activations"},
		"float8": {"weights only", "float8e4m3fn weights"},
		"nbits":  {"weights only", "4-bit weights of MatMulNBits, blocks of 16"},
	} {
		q := inspected(t, name, Options{}).Quantization
		if q.Scheme != want[0] || count(q.Narrow, want[1]) != 1 || q.Integer != 0 {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

// What the plugin took of these models on an emulated Cortex-A76: of the text
// model three MatMuls with the Adds behind them, of a model whose weights lie in
// another file nothing.
func TestThePluginTakesWhatItsRulesSay(t *testing.T) {
	p := plugins(t, inspected(t, "attention", Options{}))
	if len(p.Takes) != 2 || count(p.Takes, "MatMul") != 3 || count(p.Takes, "Add") != 3 || p.Share != 0.75 {
		t.Errorf("attention: %+v", p)
	}
	outside := map[string]bool{}
	for _, name := range []string{"wq", "wk", "wv"} {
		outside[name] = true
	}
	if p := plugins(t, inspected(t, "attention", Options{Outside: outside})); len(p.Takes) != 0 {
		t.Errorf("with weights in another file: %+v", p)
	}
	// A size other than the batch is open: nothing is known beforehand.
	b, err := os.ReadFile("testdata/attention.onnx")
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, b)
	m.Graph.Inputs[0].Shape[1] = onnx.Dim{Param: "length"}
	if p := plugins(t, Inspect(m, Options{})); len(p.Takes) != 0 || p.Share >= 0 {
		t.Errorf("with an open length: %+v", p)
	}
	for _, name := range []string{"int16", "float8", "nbits", "trees", "lstm", "attention23"} {
		if p := plugins(t, inspected(t, name, Options{})); name != "int16" && len(p.Takes) != 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
