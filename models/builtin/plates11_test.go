package builtin

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"strings"
	"testing"

	"chexp/models/catalog"
	"chexp/models/onnx"
)

func TestPlates11(t *testing.T) {
	for name, want := range map[string]struct {
		most int // bytes: the tutorial's sizes
		ops  map[string]int
	}{
		"plates11-fp32": {8_950_000, map[string]int{"Conv": 52, "Clip": 35, "Add": 10, "GlobalAveragePool": 1,
			"Flatten": 1, "Gemm": 1}},
		"plates11-int8-static": {2_450_000, map[string]int{"QLinearConv": 52, "QLinearAdd": 10,
			"QLinearGlobalAveragePool": 1}},
		"plates11-int8-dynamic": {2_450_000, map[string]int{"ConvInteger": 52, "MatMulInteger": 1,
			"DynamicQuantizeLinear": 53}},
	} {
		data := generate(t, name)
		if len(data) > want.most {
			t.Errorf("%s has %d bytes, more than %d", name, len(data), want.most)
		}
		m, err := onnx.Parse(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ops := map[string]int{}
		for _, n := range m.Graph.Nodes {
			ops[n.Op]++
		}
		if name == "plates11-fp32" {
			if !maps.Equal(ops, want.ops) {
				t.Errorf("%s: operators %v", name, ops)
			}
		}
		for op, n := range want.ops {
			if ops[op] != n {
				t.Errorf("%s has %d %s, want %d", name, ops[op], op, n)
			}
		}
		// What it is good for must be in the file itself, whoever gets it.
		if !strings.Contains(string(data), "DRAWN pictures") || !strings.Contains(string(data), "not Food-11") {
			t.Errorf("%s does not say in its file what it was trained on", name)
		}
		if b, ok := catalog.Find(name); !ok || !b.Trained ||
			!strings.Contains(b.Description, "drawn pictures, not photographs") {
			t.Errorf("%s: the catalogue says %+v", name, b)
		}
	}
}

// Weights and record belong together: whoever changes one sees the other.
func TestTheRecordIsOfTheseWeights(t *testing.T) {
	record, err := os.ReadFile("MODEL.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{weightsFile: plates11Weights, rangesFile: plates11Ranges} {
		sum := sha256.Sum256(data)
		if !strings.Contains(string(record), hex.EncodeToString(sum[:])) {
			t.Errorf("MODEL.md does not name %s with SHA-256 %x", name, sum)
		}
	}
}
