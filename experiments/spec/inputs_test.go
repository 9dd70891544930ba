package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/input"
)

// describe is what was read of one input, in one line.
func describe(g input.Given) string {
	var parts []string
	if g.Sizes != nil {
		parts = append(parts, fmt.Sprint("sizes ", g.Sizes))
	}
	if g.Symbols != nil {
		parts = append(parts, fmt.Sprint("symbols ", g.Symbols))
	}
	if g.AxisGiven {
		parts = append(parts, fmt.Sprint("axis ", g.Axis))
	}
	if v := g.Values; v.Kind != "" {
		parts = append(parts, v.Kind+" "+strings.TrimSuffix(filepath.Base(v.Path), ".")+v.Array+v.String())
	}
	return g.Name + ": " + strings.Join(parts, ", ")
}

// Every form of a description, as a flag and in a file.
func TestInputs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"x.npy", "all.npz", "words.txt"} {
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ flag, want string }{
		{"x=1,3,320,320", "x: sizes [{1 false} {3 false} {320 false} {320 false}]"},
		{"x=[batch, 3]", "x: sizes [{0 true} {3 false}]"},
		{"h=2,batch,8", "h: sizes [{2 false} {0 true} {8 false}]"},
		{"x={height: 320, width: 32}", "x: symbols map[height:320 width:32]"},
		{"x={sizes: {height: 320}, batch_axis: none}", "x: symbols map[height:320], axis -1"},
		{"x={batch_axis: 1}", "x: axis 1"},
		{"s=[]", "s: sizes []"},
		{"sr=16000", "sr: constant 16000"},
		{"on=true", "on: constant true"},
		{"q=hello", "q: constant hello"},
		{"t={values: 0.5}", "t: constant 0.5"},
		{"t={values: [1, 2.5]}", "t: constant 1 2.5"},
		{"t={values: {random: [0, 30521]}}", "t: uniform random, 0 to 30521"},
		{"t={values: random}", "t: "},
		{"t={values: {text: '16'}}", "t: constant 16"},
		{"x=x.npy", "x: file x.npyfrom x.npy"},
		{"x={values: {file: all.npz, array: k}}", "x: file all.npzkfrom all.npz"},
		{"all.npz", ": file all.npzfrom all.npz"},
	} {
		g, err := ParseInput(c.flag)
		if err != nil || describe(g) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.flag, describe(g), err, c.want)
		}
		name, value, ok := strings.Cut(c.flag, "=")
		if !ok || strings.Contains(value, ",") && !strings.ContainsAny(value[:1], "[{") {
			continue
		}
		file := "apiVersion: chexp/v1\nname: a\nsite: local\nmodels:\n  - name: m\n    builtin: tiny-cnn\n    inputs:\n" +
			"      " + name + ": " + value + "\n"
		e, err := Parse(filepath.Join(dir, "e.yaml"), []byte(file))
		if err != nil || describe(e.Models[0].Inputs[0]) != c.want {
			t.Errorf("in a file, %s: %v", c.flag, err)
		}
	}
	for flag, want := range map[string]string{
		"x":                                     "it takes NAME=WHAT",
		"x=none.npy":                            "does not exist",
		"x=-1,3":                                "from 0 to",
		"x=[batch, batch]":                      "one axis is the batch",
		"x=[wide, 3]":                           "must be a size, or the word batch",
		"x={sizes: [1], batch: 1}":              "is not a key of x",
		"x={batch_axis: -1}":                    "an axis counted from 0",
		"x={values: {random: [1]}}":             "the lowest and the highest",
		"x={values: {random: [a, b]}}":          "must be a number",
		"x={values: {file: a.onnx}}":            "must be an array (.npy)",
		"x={sizes: [batch], batch_axis: 0}":     "contradicts sizes",
		"x={values: {text: a, random: [0, 1]}}": "must be one of",
		"x={":                                   "is not YAML",
	} {
		if _, err := ParseInput(flag); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
