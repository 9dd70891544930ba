package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// A list that is wider than the terminal was broken in the middle of its columns.
// Its rows stand one below the other now, and nothing of them is lost.
func TestListsFitATerminal(t *testing.T) {
	start := time.Date(2026, 12, 1, 19, 0, 0, 0, time.UTC)
	lease := run.Lease{ID: "3f1c8f0e-6a2d-4f8a-9a53-0c2f6e9d7b11", Name: "20261201t190000z-serve-edge-abcd",
		Status: "ACTIVE", Device: run.Device{Name: "nyu-rpi5-05"}, Start: start, End: start.Add(115 * time.Minute)}
	plan := &trial.Plan{Models: []trial.Model{{Name: "mobilenet_v2_quantized", Bytes: 3e6}}}
	ans := planAnswer{}
	plan.Trials = []trial.Trial{{ID: "mobilenet_v2_quantized-cpu-t4-b1-r1", Model: "mobilenet_v2_quantized", Threads: 4,
		Batch: 1, Repetition: 1, Skip: "the device has no provider of this name, and none that could stand in for it"}}
	for name, l := range map[string]list{
		"leases": leaseRows([]site.Lease{{Lease: lease}, {Lease: lease}}, nil),
		"runs": {columns: []string{"run", "experiment", "state", "results", "rehearsal"}, rows: [][]string{{lease.Name,
			"serve-edge", "holds lease " + lease.ID + ", container " + lease.Name, "5 of 6", "false"}}},
		"plan": planRows(ans, plan),
	} {
		for _, width := range []int{60, 80} {
			var out bytes.Buffer
			if err := write(&out, "table", l, width); err != nil {
				t.Fatal(err)
			}
			if n := widest(out.String()); n > width || n == 0 {
				t.Errorf("%s at %d columns are %d wide:\n%s", name, width, n, out.String())
			}
			said := strings.Join(strings.Fields(out.String()), " ")
			for i, cell := range l.rows[0] {
				if cell != "" && !strings.Contains(said, cell) {
					t.Errorf("%s at %d columns lack %s %q:\n%s", name, width, l.columns[i], cell, out.String())
				}
			}
		}
		var out bytes.Buffer
		if err := write(&out, "table", l, 0); err != nil {
			t.Fatal(err)
		}
		if n, want := strings.Count(out.String(), "\n"), 1+len(l.rows); n != want {
			t.Errorf("%s where there is no terminal: %d lines, want %d", name, n, want)
		}
	}
}

// A device or a pipe that --output names is written into: renamed over, /dev/null would
// be a file from then on.
func TestWhatIsNoFileIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	plain, null := filepath.Join(dir, "answer"), filepath.Join(dir, "null")
	if err := os.Symlink(os.DevNull, null); err != nil {
		t.Skip("no symbolic links here: " + err.Error())
	}
	for _, path := range []string{plain, null} {
		if err := putFile(path, []byte("answer\n")); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(plain); err != nil || string(data) != "answer\n" {
		t.Errorf("%q, %v", data, err)
	}
	if to, err := os.Readlink(null); err != nil || to != os.DevNull {
		t.Errorf("the link was replaced: %v", err)
	}
}
