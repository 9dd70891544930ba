package trial

import (
	"strings"
	"testing"
)

func TestPartsOfAModel(t *testing.T) {
	sum := func(c string) string { return strings.Repeat(c, 64) }
	good := func() *Plan {
		m := Model{Name: "m", Bytes: 30, Parts: []Part{{ModelPart, sum("a"), 10}, {"a.data", sum("b"), 5},
			{"b/c.data", sum("c"), 15}}}
		m.SHA256 = PartsSum(m.Parts)
		return &Plan{Schema: PlanSchema, Models: []Model{m, {Name: "n", SHA256: sum("d"), Bytes: 1}}}
	}
	p := good()
	if err := p.Check(); err != nil && strings.Contains(err.Error(), "model m") {
		t.Fatal(err)
	}
	m := p.Models[0]
	want := []string{"models/" + m.SHA256 + "/" + m.SHA256 + ".onnx", "models/" + m.SHA256 + "/a.data",
		"models/" + m.SHA256 + "/b/c.data", "models/" + sum("d") + ".onnx"}
	for i, f := range p.Files() {
		if f.Path != want[i] {
			t.Errorf("file %d is %s", i, f.Path)
		}
	}
	if m.Path() != want[0] {
		t.Errorf("the model is %s", m.Path())
	}
	for name, spoil := range map[string]func(*Model){
		"above":         func(m *Model) { m.Parts[1].Name = "../a" },
		"absolute":      func(m *Model) { m.Parts[1].Name = "/a" },
		"twice":         func(m *Model) { m.Parts[2].Name = "a.data" },
		"line break":    func(m *Model) { m.Parts[1].Name = "a\nb" },
		"no model":      func(m *Model) { m.Parts = m.Parts[1:] },
		"another sum":   func(m *Model) { m.SHA256 = sum("e") },
		"another size":  func(m *Model) { m.Bytes = 10 },
		"no sum":        func(m *Model) { m.Parts[1].SHA256 = "" },
		"negative size": func(m *Model) { m.Parts[1].Bytes = -1 },
	} {
		p := good()
		m := &p.Models[0]
		spoil(m)
		if name != "another sum" {
			m.SHA256 = PartsSum(m.Parts)
		}
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), "model m") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
