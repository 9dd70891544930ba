//go:build unix

package onnx

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// outside is small() with its weights in another file.
func outside(location, offset, length string) *Model {
	m := small()
	t := m.Graph.Initializers[0]
	t.Raw, t.Outside = nil, true
	t.External = []Property{{Key: "location", Value: location}, {Key: "offset", Value: offset},
		{Key: "length", Value: length}}
	return m
}

func save(t *testing.T, dir string, m *Model) string {
	t.Helper()
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, marshal(t, m), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWeightsInAnotherFile(t *testing.T) {
	dir := t.TempDir()
	want := small().Graph.Initializers[0].Raw
	if err := os.WriteFile(filepath.Join(dir, "w.bin"), append([]byte("1234"), want...), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Load(save(t, dir, outside("w.bin", "4", "8")))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(marshal(t, m))
	if err != nil || !again.Graph.Initializers[0].Outside || len(again.Graph.Initializers[0].External) != 3 {
		t.Fatalf("%+v, %v", again.Graph.Initializers[0], err)
	}
	if err := m.LoadExternal(dir); err != nil {
		t.Fatal(err)
	}
	if w := m.Graph.Initializers[0]; !bytes.Equal(w.Raw, want) || w.Outside || w.External != nil {
		t.Errorf("%+v", w)
	}
	if !bytes.Equal(marshal(t, m), marshal(t, small())) {
		t.Error("the whole model is another one")
	}
}

func TestFilesThatHoldNoWeightsAreRefused(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	for _, path := range []string{filepath.Join(dir, "w.bin"), secret} {
		if err := os.WriteFile(path, make([]byte, 8), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(secret, filepath.Join(dir, "link")),
		os.Symlink(filepath.Dir(secret), filepath.Join(dir, "folder")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct{ location, offset, length, says string }{
		"absent":        {"no.bin", "0", "8", "not beside the model"},
		"too short":     {"w.bin", "4", "8", "end at byte 12"},
		"above":         {"../secret", "0", "8", "not a file beside the model"},
		"absolute":      {secret, "0", "8", "not a file beside the model"},
		"link":          {"link", "0", "8", "link is a link to what is not in this folder"},
		"linked folder": {"folder/secret", "0", "8", "folder is a link to what is not in this folder"},
		"directory":     {".", "0", "8", "no regular file"},
		"pipe":          {"pipe", "0", "8", "no regular file"},
		"no place":      {"", "0", "8", "not a file beside the model"},
		"wrong size":    {"w.bin", "0", "4", "ask for 8"},
		"no number":     {"w.bin", "x", "8", `"x"`},
		"negative":      {"w.bin", "-8", "8", "begin at -8"},
		"huge":          {"w.bin", "0", "4294967296", "ask for 8"},
	} {
		if _, err := Load(save(t, dir, outside(x.location, x.offset, x.length))); err == nil ||
			!strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestContradictionsAreToldInSentences(t *testing.T) {
	for name, x := range map[string]struct {
		change func(m *Model)
		says   string
	}{
		"cycle":  {func(m *Model) { m.Graph.Nodes[0].Inputs[0] = "y" }, "form a cycle"},
		"nobody": {func(m *Model) { m.Graph.Nodes[0].Inputs[0] = "z" }, `uses "z", which nothing makes`},
		"twice": {func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, m.Graph.Nodes[0]) },
			"which there is already"},
		"no output":  {func(m *Model) { m.Graph.Outputs[0].Name = "q" }, `nothing makes the output "q"`},
		"shape":      {func(m *Model) { m.Graph.Inputs[0].Shape = []Dim{{Size: -7}} }, "is -7"},
		"dimensions": {func(m *Model) { m.Graph.Initializers[0].Dims = []int64{-2} }, "the dimensions [-2]"},
		"4 GB":       {func(m *Model) { m.Graph.Initializers[0].Dims = []int64{1 << 30} }, "ask for 4294967296"},
		"beyond": {func(m *Model) { m.Graph.Initializers[0].Dims = []int64{1 << 62, 1 << 62} },
			"no size that could be counted"},
		"type":  {func(m *Model) { m.Graph.Initializers[0].Type = 99 }, "unknown element type 99"},
		"opset": {func(m *Model) { m.Opsets = nil }, "imports no operator set"},
		"many": {func(m *Model) {
			for range 100 {
				m.Graph.Nodes = append(m.Graph.Nodes, &Node{Op: "Add", Inputs: []string{"q"}})
			}
		}, "and 92 more"},
	} {
		m := small()
		x.change(m)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if err := small().Check(); err != nil {
		t.Error(err)
	}
	for _, cut := range []int{1, 10, 30} {
		b := marshal(t, small())
		if _, err := Parse(b[:len(b)-cut]); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("cut by %d: %v", cut, err)
		}
	}
}

func TestOldOperatorSetsAreRaised(t *testing.T) {
	m := small()
	m.Opsets[0].Version = 9
	m.Graph.Nodes = []*Node{
		{Op: "Clip", Inputs: []string{"x"}, Outputs: []string{"c"},
			Attributes: []*Attribute{Float("max", 6), Float("min", 0)}},
		{Op: "Squeeze", Inputs: []string{"c"}, Outputs: []string{"s"}, Attributes: []*Attribute{Ints("axes", 0)}},
		{Op: "Add", Inputs: []string{"s", "w"}, Outputs: []string{"y"}},
	}
	if err := m.Upgrade(13); err != nil {
		t.Fatal(err)
	}
	clip, squeeze := m.Graph.Nodes[0], m.Graph.Nodes[1]
	if m.Opset() != 13 || len(clip.Attributes) != 0 || len(clip.Inputs) != 3 || len(squeeze.Inputs) != 2 {
		t.Fatalf("opset %d, %+v, %+v", m.Opset(), clip, squeeze)
	}
	if low, _ := m.Graph.Initializer(clip.Inputs[1]).Float32s(); low[0] != 0 ||
		len(m.Graph.Initializer(clip.Inputs[1]).Dims) != 0 {
		t.Errorf("the lower bound is %v", low)
	}
	if axes, _ := m.Graph.Initializer(squeeze.Inputs[1]).Integers(); axes[0] != 0 {
		t.Errorf("axes %v", axes)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	for _, op := range []string{"Upsample", "TopK", "Resize", "Loop"} {
		m := small()
		m.Opsets[0].Version = 9
		m.Graph.Nodes[0].Op = op
		if err := m.Upgrade(13); err == nil {
			t.Errorf("%s was raised", op)
		} else if m.Opset() != 9 {
			t.Errorf("%s: the model was changed", op)
		}
	}
}

func TestAFileBeyondProtobufIsRefusedUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(MaxBytes + 1); err != nil { // a hole: it takes no room
		t.Skipf("no large files here: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "ends at 2 GB") {
		t.Errorf("error is %v", err)
	}
}
