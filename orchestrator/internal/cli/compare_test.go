package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/compare"
	"chexp/experiments/compare/simulated"
	"chexp/experiments/files"
	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/report/page"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"
)

// nasty values take the place of anything in a result.
var nasty = []any{nil, -1, 0, 3, true, 1e300, 5e-324, json.Number("9223372036854775807"),
	json.Number("-9223372036854775808"),
	"", "x\x1b[31m<b>", []any{}, map[string]any{}}

func mutated(rng *rand.Rand, v any, share float64) any {
	if rng.Float64() < share {
		return nasty[rng.IntN(len(nasty))]
	}
	switch x := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			x[k] = mutated(rng, x[k], share)
			if rng.Float64() < share/2 {
				delete(x, k)
			}
		}
	case []any:
		for i := range x {
			x[i] = mutated(rng, x[i], share/20)
		}
	}
	return v
}

// mutateRun changes results and their sums, as one who means it would.
func mutateRun(t *testing.T, rng *rand.Rand, dir string, ids []string, share float64) {
	t.Helper()
	var sums strings.Builder
	for _, id := range ids {
		file := filepath.Join(dir, "results", id+".json")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		if data, err = json.Marshal(mutated(rng, doc, share)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&sums, "%x  %s.json\n", sha256.Sum256(data), id)
	}
	if err := os.WriteFile(filepath.Join(dir, "results", files.SumsName), []byte(sums.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whatever is in a result, it is left out or compared: no crash, no number that
// is none, nothing for the terminal or the browser to obey.
func TestCompareMutatedResults(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	class := simulated.Quiet(1, 3, 3)
	class.Starts = 2
	taken, left := 0, 0
	for round := range 12 {
		var one compare.Group
		var each []compare.Group
		for i, r := range class.All() {
			dir, err := r.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, x := range r.Plan.Trials {
				ids = append(ids, x.ID)
			}
			mutateRun(t, rng, dir, ids, []float64{0.002, 0.01, 0.03}[round%3])
			found, err := store.At("nowhere").Gather(dir)
			if err != nil {
				t.Fatal(err)
			}
			taken, left = taken+len(found[0].Results), left+len(found[0].Damaged)
			parts := judged(found[0], nil)
			one.Runs = append(one.Runs, parts...)
			each = append(each, compare.Group{Label: fmt.Sprint(i), Runs: parts})
		}
		for _, groups := range [][]compare.Group{{one}, each} {
			c := compare.Runs(groups, 1)
			var out bytes.Buffer
			for _, err := range []error{page.Comparison(&out, c), report.ComparisonText(&out, c, 100, false),
				report.ComparisonCSV(&out, c), writeJSON(&out, c)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, bad := range []string{"\x1b", "31m<b>", "NaN", "+Inf"} {
				if strings.Contains(out.String(), bad) {
					t.Errorf("round %d: the output holds %q", round, bad)
				}
			}
		}
	}
	if taken < 30 || left < 30 {
		t.Errorf("%d results were taken and %d left out: this test shows little", taken, left)
	}
}

// A run that was resumed on another board is two of a comparison's devices. In a
// folder of results nothing tells which board measured.
func TestCompareTakesBoardsApart(t *testing.T) {
	class := simulated.Quiet(7, 1, 1)
	class.Starts = 2
	dir, err := class.All()[0].Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &store.Run{ID: filepath.Base(dir), Dir: dir}
	plan, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	var origins bytes.Buffer
	for n := 1; n <= 2; n++ {
		board := fmt.Sprintf("nyu-rpi5-0%d", n)
		facts := run.Facts{Attempt: n, Lease: run.Lease{ID: "l", Device: run.Device{Name: board}}}
		err := errors.Join(s.WriteJSON(fmt.Sprintf("attempts/%d.json", n), facts),
			s.Record(store.Entry{Kind: store.Intent, What: "lease", Name: board}))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range plan.Trials {
		data, err := s.Read(filepath.Join("results", p.ID+".json"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&origins, "{\"sha256\":%q,\"attempt\":%d}\n", files.Sum(data), min(p.Repetition, 2))
	}
	if err := s.Append(store.OriginsFile, origins.Bytes()); err != nil {
		t.Fatal(err)
	}
	devices := func(name string) (out []string) {
		found, err := store.At("nowhere").Gather(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range judged(found[0], nil) {
			out = append(out, fmt.Sprintf("%s: %d", part.Device, len(part.Trials)))
		}
		return out
	}
	half := len(plan.Trials) / 2
	want := []string{fmt.Sprintf("nyu-rpi5-01: %d", half), fmt.Sprintf("nyu-rpi5-02: %d", half)}
	if got := devices(dir); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := devices(filepath.Join(dir, "results")); len(got) != 1 {
		t.Errorf("from its results alone: %q", got)
	}
	// Of a run of before, nobody knows which of the two measured what.
	if err := os.Remove(filepath.Join(dir, store.OriginsFile)); err != nil {
		t.Fatal(err)
	}
	if got := devices(dir); len(got) != 1 || !strings.HasPrefix(got[0], unrecorded) {
		t.Errorf("without a record: %q", got)
	}
}
