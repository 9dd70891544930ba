package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/journal"
	"chexp/experiments/trial"
)

func onePlan(run *Run) *trial.Plan {
	m := trial.Model{Name: "m", SHA256: strings.Repeat("a", 64)}
	return &trial.Plan{Schema: trial.PlanSchema, RunID: run.ID, Models: []trial.Model{m}, Trials: []trial.Trial{
		{
			ID: trial.NewID("m", "cpu", 1, 1, 1), Model: "m", Provider: trial.Provider{Name: "cpu"},
			Threads: 1, Batch: 1, Repetition: 1,
		},
	}}
}

// adopt has the run adopt a result of so many latencies; a whole one if partial is nil.
func adopt(t *testing.T, run *Run, n int, partial *trial.Partial) *trial.Result {
	t.Helper()
	p := onePlan(run)
	res := &trial.Result{
		Schema: trial.ResultSchema, RunID: run.ID, TrialID: p.Trials[0].ID,
		Model: p.Models[0], Provider: p.Trials[0].Provider, Threads: 1, Batch: 1, Repetition: 1,
		Outcome: trial.OK, LatenciesNS: slices.Repeat([]int64{1}, n), Summary: &trial.Summary{N: n}, Partial: partial,
	}
	dir := t.TempDir()
	raw, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, res.TrialID+".json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Adopt(dir, p, Origin{Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	results, err := run.Results(p)
	if err != nil || len(results) != 1 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	return results[0]
}

// Of partial results the one that was measured longest stays, and a whole one takes
// the place of any.
func TestPartialGivesWay(t *testing.T) {
	_, run := newRun(t)
	part := &trial.Partial{Blocks: 5, Asked: 12, Why: "interrupted"}
	for _, step := range []struct {
		n       int
		partial *trial.Partial
		want    int
	}{{50, part, 50}, {30, part, 50}, {70, part, 70}, {20, nil, 20}, {90, part, 20}} {
		got := adopt(t, run, step.n, step.partial)
		if len(got.LatenciesNS) != step.want || (got.Partial == nil) != (step.want == 20) {
			t.Errorf("after one of %d latencies: %d, partial %v; want %d", step.n, len(got.LatenciesNS), got.Partial,
				step.want)
		}
	}
	for _, dir := range []string{"results", "partial"} {
		if sums, err := os.ReadFile(filepath.Join(run.Dir, dir, "SHA256SUMS")); err != nil ||
			strings.Count(string(sums), "\n") != 1 {
			t.Errorf("%s: %q, %v", dir, sums, err)
		}
	}
}

// A file or a link where results go into a folder keeps none of them on the device: it
// is moved aside, and nothing is written through it.
func TestWhatIsNoFolderMakesRoomForResults(t *testing.T) {
	for _, name := range []string{ResultsDir, PartialDir, damagedDir} {
		for _, link := range []bool{false, true} {
			_, run := newRun(t)
			path, far := filepath.Join(run.Dir, name), t.TempDir()
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			err := os.WriteFile(path, nil, 0o600)
			if link {
				err = errors.Join(os.Remove(path), os.Symlink(far, path))
			}
			if err != nil {
				t.Fatal(err)
			}
			adopt(t, run, 5, &trial.Partial{Blocks: 5, Asked: 12, Why: "interrupted"})
			adopt(t, run, 20, nil)
			if written, err := os.ReadDir(far); err != nil || len(written) > 0 {
				t.Errorf("%s: %v were written through the link, %v", name, written, err)
			}
		}
	}
}

// What comes from a device as a journal is held against the plan like a result.
func TestForeignJournal(t *testing.T) {
	_, run := newRun(t)
	p := onePlan(run)
	dir := t.TempDir()
	name := filepath.Join(dir, p.Trials[0].ID+".jsonl")
	if err := os.WriteFile(name, []byte("no journal"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := run.AdoptJournals(dir, p, "x", Origin{Attempt: 2}); err != nil || n.Partial != 0 {
		t.Errorf("%v, %v", n, err)
	}
	other := *p
	other.RunID = "another"
	if err := os.WriteFile(name, journalOf(t, &other), 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := run.AdoptJournals(dir, p, "x", Origin{Attempt: 2})
	if err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a foreign run's: %v, %v", n, err)
	}
	if err := os.WriteFile(name, journalOf(t, p), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := run.AdoptJournals(dir, p, "the device was lost", Origin{Attempt: 2}); err != nil || n.Partial != 1 {
		t.Errorf("%v, %v", n, err)
	}
}

func journalOf(t *testing.T, p *trial.Plan) []byte {
	t.Helper()
	tr := p.Trials[0]
	out, err := journal.Begun{Rounds: 4, Result: &trial.Result{Schema: trial.ResultSchema, RunID: p.RunID,
		TrialID: tr.ID, Model: p.Models[0],
		Provider: tr.Provider, Threads: 1, Batch: 1, Repetition: 1, Outcome: trial.OK}}.Line()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		block, err := journal.Block{Block: trial.Block{Round: i, Turn: i, N: 2}, LatenciesNS: []int64{4, 5}}.Line()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, block...)
	}
	return out
}

// A result at home that is damaged gives way to the one that the device has, and
// is kept aside; one that is a result stays, whatever the device says.
func TestDamagedResultAtHomeGivesWay(t *testing.T) {
	_, run := newRun(t)
	adopt(t, run, 20, nil)
	name := onePlan(run).Trials[0].ID + ".json"
	path := filepath.Join(run.Dir, "results", name)
	if err := os.WriteFile(path, []byte("{half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := adopt(t, run, 30, nil); len(got.LatenciesNS) != 30 {
		t.Errorf("the result has %d latencies", len(got.LatenciesNS))
	}
	if old, err := os.ReadFile(filepath.Join(run.Dir, "damaged", name)); string(old) != "{half" || err != nil {
		t.Errorf("aside lies %q, %v", old, err)
	}
	dir := t.TempDir()
	other, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), append(other, ' '), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n, err := run.Adopt(dir, onePlan(run), Origin{Attempt: 1}); err == nil ||
		n.Whole != 0 || !strings.Contains(err.Error(), "stays") {
		t.Errorf("another one: %v, %v", n, err)
	}
	if now, err := os.ReadFile(path); string(now) != string(other) || err != nil {
		t.Errorf("it is now %s, %v", now, err)
	}
}

// A damaged record of where results came from stops no result from coming home.
func TestDamagedOriginsLoseNoResult(t *testing.T) {
	_, run := newRun(t)
	if err := os.Mkdir(filepath.Join(run.Dir, OriginsFile), 0o755); err != nil {
		t.Fatal(err)
	}
	adopt(t, run, 20, nil)
	if brought, err := run.Brought(onePlan(run)); err != nil || len(brought) != 1 || brought[0].From.Attempt != 1 {
		t.Errorf("%+v, %v", brought, err)
	}
}

// Of each result it is on record from which attempt it came, before it is there;
// what is fetched again, or by another attempt, changes nothing of that.
func TestOrigins(t *testing.T) {
	_, run := newRun(t)
	p := onePlan(run)
	adopt(t, run, 50, &trial.Partial{Blocks: 5, Asked: 12, Why: "interrupted"})
	whole := adopt(t, run, 20, nil)
	adopt(t, run, 20, nil)
	raw, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, whole.TrialID+".json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Adopt(dir, p, Origin{Attempt: 2, Container: "c2"}); err != nil {
		t.Fatal(err)
	}
	all, err := run.Origins()
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	brought, err := run.Brought(p)
	if err != nil || len(brought) != 1 || brought[0].From.Attempt != 1 || brought[0].Partial != nil {
		t.Fatalf("%+v, %v", brought, err)
	}
	// A result that nobody saw come in is of no attempt; a torn last line is of none.
	if err := os.WriteFile(filepath.Join(run.Dir, OriginsFile), []byte(`{"trial":"x","att`), 0o644); err != nil {
		t.Fatal(err)
	}
	if brought, err = run.Brought(p); err != nil || brought[0].From.Attempt != 0 {
		t.Errorf("%+v, %v", brought, err)
	}
	if _, err := run.Adopt(dir, p, Origin{Attempt: 3}); err != nil {
		t.Fatal(err)
	}
	if brought, err = run.Brought(p); err != nil || brought[0].From.Attempt != 3 {
		t.Errorf("after the torn line: %+v, %v", brought, err)
	}
}

// A result that somebody changed at home gives way to what was brought home, and to
// nothing else; until then its sum stays, also when others are adopted.
func TestChangedResultAtHome(t *testing.T) {
	_, run := newRun(t)
	p := onePlan(run)
	adopt(t, run, 20, nil)
	file := filepath.Join(run.Dir, ResultsDir, p.Trials[0].ID+".json")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Changed(p); err != nil {
		t.Fatalf("just adopted: %v", err)
	}
	changed := append(slices.Clone(before), '\n')
	if err := os.WriteFile(file, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	from := t.TempDir()
	for _, other := range []string{"", strings.Replace(string(before), "[1,1,", "[2,1,", 1)} {
		if other != "" {
			if err := os.WriteFile(filepath.Join(from, filepath.Base(file)), []byte(other), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = run.Adopt(from, p, Origin{Attempt: 1}) // left out, if it is there
		if err := run.Changed(p); err == nil || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("after %.40q was adopted: %v", other, err)
		}
		if have, _ := os.ReadFile(file); string(have) != string(changed) {
			t.Errorf("%.40q took the place of what is neither damaged nor its like", other)
		}
	}
	if err := os.WriteFile(filepath.Join(from, filepath.Base(file)), before, 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := run.Adopt(from, p, Origin{Attempt: 1}); err != nil || n.Whole != 1 {
		t.Errorf("%v, %v", n, err)
	}
	if have, _ := os.ReadFile(file); string(have) != string(before) || run.Changed(p) != nil {
		t.Errorf("it is not what was brought home: %v", run.Changed(p))
	}
}
