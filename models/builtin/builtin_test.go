package builtin

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"chexp/models/catalog"
	"chexp/models/onnx"
)

// made keeps what was generated: it takes long under the race detector.
var made = map[string][]byte{}

func generate(t *testing.T, name string) []byte {
	t.Helper()
	if made[name] == nil {
		b, err := Generate(name)
		if err != nil {
			t.Fatal(err)
		}
		made[name] = b
	}
	return made[name]
}

func TestEveryBuiltinIsTheOneInTheCatalogue(t *testing.T) {
	for _, want := range catalog.Builtins() {
		data := generate(t, want.Name)
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != want.SHA256 || int64(len(data)) != want.Bytes {
			t.Errorf("%s: %d bytes, sha256 %s; the catalogue says %d, %s", want.Name, len(data), got, want.Bytes,
				want.SHA256)
		}
		if !want.Trained && !strings.Contains(want.Description, "UNTRAINED") {
			t.Errorf("%s is untrained, but its description does not say so", want.Name)
		}
	}
	if _, err := Generate("no-such"); err == nil {
		t.Error("a model that is not in the catalogue is made")
	}
}

// fields re-reads a message with protobuf's own decoder: number to values, in
// order. It knows nothing of the writer.
func fields(t *testing.T, b []byte) map[protowire.Number][][]byte {
	t.Helper()
	out := map[protowire.Number][][]byte{}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal("bad tag")
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(number, kind, b)
		if n < 0 {
			t.Fatal("bad value")
		}
		value := b[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b)
		}
		out[number] = append(out[number], value)
		b = b[n:]
	}
	return out
}

func number(t *testing.T, values [][]byte) int64 {
	t.Helper()
	if len(values) != 1 {
		t.Fatalf("%d values, want one", len(values))
	}
	v, n := protowire.ConsumeVarint(values[0])
	if n < 0 {
		t.Fatal("bad number")
	}
	return int64(v)
}

func texts(values [][]byte) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

func TestTheFilesSayWhatTheyAre(t *testing.T) {
	for _, b := range catalog.Builtins() {
		if b.Trained {
			continue // TestPlates11
		}
		m := fields(t, generate(t, b.Name))
		if v := number(t, m[1]); v != 8 {
			t.Errorf("%s: IR version %d, want 8", b.Name, v)
		}
		if v := number(t, fields(t, m[8][0])[2]); v != 17 || len(m[8]) != 1 {
			t.Errorf("%s: opset %d, want 17", b.Name, v)
		}
		if got := texts(m[2]); !reflect.DeepEqual(got, []string{"chexp"}) {
			t.Errorf("%s: producer %v", b.Name, got)
		}
		if doc := texts(m[6]); len(doc) != 1 || !strings.Contains(doc[0], "UNTRAINED") {
			t.Errorf("%s: doc string %q does not say untrained", b.Name, doc)
		}
		metadata := map[string]string{}
		for _, p := range m[14] {
			kv := fields(t, p)
			metadata[string(kv[1][0])] = string(kv[2][0])
		}
		if metadata["chexp.trained"] != "false" || metadata["chexp.weights"] == "" {
			t.Errorf("%s: metadata %v", b.Name, metadata)
		}
	}
}

// shape reads a ValueInfoProto's dimensions: names or numbers.
func shape(t *testing.T, value []byte) (name string, dims []any) {
	t.Helper()
	v := fields(t, value)
	tensor := fields(t, fields(t, v[2][0])[1][0])
	if number(t, tensor[1]) != 1 {
		t.Error("not of type float")
	}
	for _, d := range fields(t, tensor[2][0])[1] {
		f := fields(t, d)
		if f[2] != nil {
			dims = append(dims, string(f[2][0]))
		} else {
			dims = append(dims, number(t, f[1]))
		}
	}
	return string(v[1][0]), dims
}

func TestTheGraphsAreConnected(t *testing.T) {
	wantOps := map[string]map[string]int{
		"mobilenetv2-11": {"Conv": 52, "Clip": 35, "Add": 10, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1},
		"tiny-cnn":       {"Conv": 3, "Clip": 3, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1},
	}
	side := map[string]int64{"mobilenetv2-11": 224, "tiny-cnn": 32}
	for name, want := range wantOps {
		g := fields(t, fields(t, generate(t, name))[7][0])
		in, inDims := shape(t, g[11][0])
		out, outDims := shape(t, g[12][0])
		if in != "input" || !reflect.DeepEqual(inDims, []any{"batch_size", int64(3), side[name], side[name]}) {
			t.Errorf("%s: input %s %v", name, in, inDims)
		}
		if out != "output" || !reflect.DeepEqual(outDims, []any{"batch_size", int64(11)}) {
			t.Errorf("%s: output %s %v", name, out, outDims)
		}
		known, used := map[string]bool{in: true}, map[string]bool{}
		for _, init := range g[5] {
			f := fields(t, init)
			checkTensor(t, f)
			known[string(f[8][0])] = true
		}
		ops := map[string]int{}
		for _, n := range g[1] {
			f := fields(t, n)
			ops[string(f[4][0])]++
			for _, i := range texts(f[1]) {
				if !known[i] {
					t.Errorf("%s: node %s uses %q before it is made", name, f[3][0], i)
				}
				used[i] = true
			}
			for _, o := range texts(f[2]) {
				if known[o] {
					t.Errorf("%s: %q is made twice", name, o)
				}
				known[o] = true
			}
		}
		if !reflect.DeepEqual(ops, want) {
			t.Errorf("%s: operators %v, want %v", name, ops, want)
		}
		used[out] = true
		for v := range known {
			if !used[v] {
				t.Errorf("%s: %q is made and never used", name, v)
			}
		}
	}
}

// checkTensor: as many values as the dimensions say, all finite, none all zero.
func checkTensor(t *testing.T, f map[protowire.Number][][]byte) {
	t.Helper()
	size := int64(1)
	for _, d := range f[1] {
		v, _ := protowire.ConsumeVarint(d)
		size *= int64(v)
	}
	raw := f[9][0]
	if int64(len(raw)) != 4*size {
		t.Errorf("%s: %d bytes for %d values", f[8][0], len(raw), size)
	}
	var sum float64
	for i := 0; i+4 <= len(raw); i += 4 {
		sum += math.Abs(float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))))
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) || sum == 0 && string(f[8][0]) != "relu6_min" {
		t.Errorf("%s: absolute sum %v", f[8][0], sum)
	}
}

func TestSniffAcceptsTheBuiltins(t *testing.T) {
	for _, b := range catalog.Builtins() {
		data := generate(t, b.Name)
		if err := onnx.Sniff(strings.NewReader(string(data)), int64(len(data))); err != nil {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
}
