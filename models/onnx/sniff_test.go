package onnx

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func small() *Model {
	dims := []Dim{{Param: "n", Size: -1}, {Size: 2}}
	return &Model{
		IRVersion: 8, Opsets: []Opset{{Version: 17}}, Producer: "test",
		Metadata: []Property{{Key: "k", Value: "v"}},
		Graph: &Graph{
			Name: "g",
			Nodes: []*Node{{Op: "Add", Inputs: []string{"x", "w"}, Outputs: []string{"y"},
				Attributes: []*Attribute{Ints("pads", 1, 2), Int("axis", -1)}}},
			Initializers: []*Tensor{FloatTensor("w", []int64{2}, []float32{1, -2})},
			Inputs:       []*Value{{Name: "x", Elem: Float32, Shape: dims}},
			Outputs:      []*Value{{Name: "y", Elem: Float32, Shape: dims}},
		},
	}
}

func marshal(t testing.TB, m *Model) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sniffBytes(b []byte) error { return Sniff(bytes.NewReader(b), int64(len(b))) }

// What stands in a model's place is named, with what to do where that is known.
func TestSniffNamesOtherFiles(t *testing.T) {
	for begins, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\n": "git lfs pull", "<!DOCTYPE html>": "a web page",
		"PK\x03\x04archive/data.pkl": "torch.onnx.export", "\x1f\x8b\x08": "gunzip", "\x89HDF\r\n": "tf2onnx",
		"\x1c\x00\x00\x00TFL3": "TensorFlow Lite", "\x20\x00\x00\x00ORTM": ".ort", "\x89PNG\r\n": "a picture",
		"\x40\x00\x00\x00\x00\x00\x00\x00{\"w\":": "safetensors", "\x80\x04\x95": "pickle",
	} {
		if err := sniffBytes([]byte(begins)); err == nil || !strings.Contains(err.Error(), "not an ONNX model: it is ") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v", begins, err)
		}
	}
}

func TestSniffTellsModelsFromOtherFiles(t *testing.T) {
	good := marshal(t, small())
	if err := sniffBytes(good); err != nil {
		t.Errorf("a model is refused: %v", err)
	}
	noGraph := appendInt(nil, modelIRVersion, 8)
	for name, b := range map[string][]byte{
		"empty":       nil,
		"text":        []byte("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n"),
		"html":        []byte("<!DOCTYPE html><html><body>404</body></html>"),
		"zip":         append([]byte("PK\x03\x04"), make([]byte, 100)...),
		"zeros":       make([]byte, 1000),
		"cut short":   good[:len(good)-10],
		"one more":    append(append([]byte(nil), good...), 0xff),
		"no graph":    noGraph,
		"no version":  good[2:],
		"huge length": {0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		if err := sniffBytes(b); err == nil || !strings.Contains(err.Error(), "not an ONNX model") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestSniffReportsAReadError(t *testing.T) {
	if err := Sniff(brokenDisk{}, 100); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error is %v", err)
	}
}

type brokenDisk struct{}

func (brokenDisk) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestMarshalIsDeterministic(t *testing.T) {
	if !bytes.Equal(marshal(t, small()), marshal(t, small())) {
		t.Error("two writings of one model differ")
	}
}

func FuzzSniff(f *testing.F) {
	f.Add(marshal(f, small()))
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, b []byte) { _ = sniffBytes(b) }) // must end, and not panic
}
