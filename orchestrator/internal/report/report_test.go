package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// cases are whole runs; each has a golden file per renderer.
var cases = []struct {
	name string
	in   func() findings.Input
}{
	{"tutorial", func() findings.Input { return tutorial().Input }},
	{"emulated", func() findings.Input { return emulatedRun().Input }},
	{"empty", func() findings.Input { return findings.Input{Run: findings.Run{ID: "run-0", Experiment: "nothing"}} }},
	{"all-failed", allFailed},
	{"one-inference", oneInference},
	{"hostile", hostile},
	{"edge", func() findings.Input { return edge().Input }},
}

func allFailed() findings.Input {
	r := newRun(fp32, static)
	failed(r.add(fp32, cpu, 4, 1, 1, 10, ms), trial.Failed, "timeout", "the trial was killed after 2 min",
		"raise trials.timeout")
	failed(r.add(static, cpu, 4, 1, 1, 10, ms), trial.Failed, "model_invalid", "models/b2.onnx is no ONNX model",
		"download it again")
	r.add(static, acl, 4, 1, 1, 10, ms)
	r.Results = r.Results[:2]
	r.Phases[4].Outcome = "failed"
	r.Phases[4].Note = "2 of 3 trials failed, 1 has no result"
	return r.Input
}

func oneInference() findings.Input {
	r := newRun(static)
	r.add(static, cpu, 1, 1, 1, 1, 9*ms)
	return r.Input
}

var renderers = []struct {
	suffix string
	render func(io.Writer, *findings.Table) error
}{
	{"60.txt", func(w io.Writer, t *findings.Table) error { return Terminal(w, t, 60, false, false) }},
	{"80.txt", func(w io.Writer, t *findings.Table) error { return Terminal(w, t, 80, false, false) }},
	{"120.txt", func(w io.Writer, t *findings.Table) error { return Terminal(w, t, 120, false, false) }},
	{"color.txt", func(w io.Writer, t *findings.Table) error { return Terminal(w, t, 0, true, true) }},
	{"md", Markdown},
	{"csv", CSV},
	{"json", JSON},
	{"bench.txt", Bench},
	{"html", page.Run},
}

func TestGolden(t *testing.T) {
	for _, c := range cases {
		table := findings.Build(c.in())
		for _, r := range renderers {
			if c.name == "tutorial" && (r.suffix == "bench.txt" || r.suffix == "html") ||
				c.name == "edge" && !strings.HasSuffix(r.suffix, "0.txt") {
				continue // half a megabyte; TestBench and TestPage read them
			}
			t.Run(c.name+"."+r.suffix, func(t *testing.T) {
				var got bytes.Buffer
				if err := r.render(&got, table); err != nil {
					t.Fatal(err)
				}
				golden(t, c.name+"."+r.suffix, got.Bytes())
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		line := 1
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				break
			}
			if got[i] == '\n' {
				line++
			}
		}
		t.Errorf("%s differs from line %d on (got %d bytes, want %d); run with -update and read the diff. Got:\n%s",
			path, line, len(got), len(want), excerpt(got, line))
	}
}

func excerpt(b []byte, line int) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	return bytes.Join(lines[max(0, line-3):min(len(lines), line+4)], nil)
}

// The order in which results arrive must not matter, nor may findings.Build or a
// renderer change its input.
func TestDeterministic(t *testing.T) {
	var a, b bytes.Buffer
	in := tutorial()
	if err := page.Run(&a, findings.Build(in.Input)); err != nil {
		t.Fatal(err)
	}
	if err := page.Run(&b, findings.Build(in.reverse().Input)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the page depends on the order of the results")
	}
}
