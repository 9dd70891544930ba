package tryout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/input"
	"chexp/experiments/trial"
)

// agent is a script in an agent's place: it answers its n-th try with the n-th
// line of answers, and counts.
func agent(t *testing.T, script string) Agent {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent")
	text := "#!/bin/sh\nrequest=$(cat)\necho x >>" + dir + "/tries\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return Agent{Path: path, Cache: filepath.Join(dir, "tried"), Manifest: trial.Manifest{SHA256: "a"}}
}

func tries(t *testing.T, a Agent) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(a.Path), "tries"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(b), "x")
}

var batched = Model{Model: trial.Model{Name: "m", SHA256: "b", Inputs: []input.Input{{Name: "x", Type: input.Float32,
	Shape: []int64{input.Open}, Batch: new(int)}}}, File: "m.onnx", Batches: []int{1, 4, 8}, Rows: map[string]int{"y": 0}}

func TestVerdicts(t *testing.T) {
	const failed = `{"outcome":"failed","reasons":[{"code":"inference_failed","text":"it\nbroke","next":"do"}]}`
	output := func(rows int) string {
		return fmt.Sprintf(`{"outcome":"ok","outputs":[{"name":"y","type":"float32","shape":[%d]}]}`, rows)
	}
	for name, c := range map[string]struct {
		script, problem, unknown string
		tries, again             int // in all after a repeat
	}{
		"it runs":  {"echo '" + output(4) + "'", "", "", 1, 1},
		"it fails": {"printf '%s' '" + failed + "'", "fails: it broke", "", 2, 2},
		"fails with a batch": {`case $request in *'"batch":1,'*) echo '` + output(1) + `';; *) printf '%s' '` + failed +
			`';; esac`,
			"runs with batch 1, and with batch 4 fails: it broke: its graph fixes the batch inside", "", 2, 2},
		"another size": {"echo '" + output(1) + "'",
			`runs with batch 1, and with batch 4 its output "y" has the shape [1]: its graph fixes the batch inside`, "", 2, 2},
		"a crash": {"kill -SEGV $$", "makes ONNX Runtime crash", "", 2, 2},
		"out of memory": {`echo '{"outcome":"failed","reasons":[{"code":"out_of_memory","text":"too much"}]}'`, "",
			"too much", 1, 2},
		"killed":   {"kill -KILL $$", "", "ended without an answer", 1, 2},
		"nonsense": {"echo hello; echo why >&2; exit 1", "", "why", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			a := agent(t, c.script)
			for _, most := range []int{c.tries, c.again} {
				v, err := a.Try(context.Background(), batched)
				if err != nil || !strings.Contains(v.Problem, c.problem) || (c.problem == "") != (v.Problem == "") ||
					!strings.Contains(v.Unknown, c.unknown) || (c.unknown == "") != (v.Unknown == "") {
					t.Errorf("%+v, %v", v, err)
				}
				if n := tries(t, a); n != most {
					t.Errorf("%d tries, want %d", n, most)
				}
			}
		})
	}
}

// Ctrl-C ends a try, and is no verdict.
func TestInterrupted(t *testing.T) {
	a := agent(t, "exec sleep 600")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for tries(t, a) == 0 {
		}
		cancel()
	}()
	if v, err := a.Try(ctx, batched); err == nil || v != (Verdict{}) {
		t.Errorf("%+v, %v", v, err)
	}
}

// What another agent, other inputs or other batches found is not taken.
func TestKeys(t *testing.T) {
	a := agent(t, "")
	other := batched
	other.Inputs = nil
	more := batched
	more.Batches = []int{2}
	b := a
	b.Manifest.SHA256 = "c"
	keys := map[string]bool{a.key(batched): true, a.key(other): true, a.key(more): true, b.key(batched): true}
	if len(keys) != 4 {
		t.Error(keys)
	}
}
