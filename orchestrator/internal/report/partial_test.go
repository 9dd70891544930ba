package report

import (
	"bytes"
	"strings"
	"testing"

	"chexp/experiments/journal"
	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

// interruptedRun ends in the second of two repetitions: one trial is whole, one
// partial, one has too few blocks, one had not begun.
func interruptedRun(t *testing.T) *run {
	t.Helper()
	r := newRun(static, dynamic)
	for rep := 1; rep <= 2; rep++ {
		r.add(static, cpu, 4, 1, rep, 300, 8*ms)
		r.add(dynamic, cpu, 4, 1, rep, 300, 20*ms)
	}
	r.inTurns(25)
	for i, blocks := range map[int]int{1: 7, 2: 2} {
		res := r.Results[i]
		res.Blocks = res.Blocks[:blocks]
		res.LatenciesNS = res.LatenciesNS[:25*blocks]
		if err := journal.Settle(res, 12, "the lease ends"); err != nil {
			t.Fatal(err)
		}
	}
	r.Results = r.Results[:3]
	return r
}

func TestInterruptedRun(t *testing.T) {
	table := findings.Build(interruptedRun(t).Input)
	want := map[string]struct {
		outcome  trial.Outcome
		validity stats.Validity
		words    string
	}{
		"food-int8-static.cpu.t4.b1.r1": {trial.OK, stats.Valid, ""},
		"food-int8-dynamic.cpu.t4.b1.r1": {trial.OK, stats.Suspect,
			"completeness: stopped after 7 of 12 blocks: the lease ends"},
		"food-int8-static.cpu.t4.b1.r2": {judge.Missing, "",
			"not measured: stopped after 2 of 12 blocks: the lease ends; it takes 3"},
		"food-int8-dynamic.cpu.t4.b1.r2": {judge.Missing, "",
			"not measured: the run ended before its turn: the lease ends"},
	}
	for _, row := range table.Rows {
		w := want[row.ID]
		words := findings.Why(row.Reasons) + strings.Join(row.Complaints(), "; ")
		if row.Outcome != w.outcome || row.Validity != w.validity || !strings.Contains(words, w.words) {
			t.Errorf("%s: %s %s %q, want %+v", row.ID, row.Outcome, row.Validity, words, w)
		}
	}
	if want := "The run ended early (the lease ends): 1 of 4 trials has only some of the blocks asked for, 2 of 4 " +
		"trials were not measured. chexp run --resume 20260314T092653Z-serve-edge-abcd measures the " +
		"rest."; table.Interrupted != want {
		t.Errorf("%q, want %q", table.Interrupted, want)
	}
	// Eight blocks more would have been compared; seven are.
	if len(table.Ratios) != 1 || table.Ratios[0].Pairs != 7 {
		t.Errorf("comparisons %+v", table.Ratios)
	}
	for name, render := range map[string]func(*bytes.Buffer) error{
		"terminal": func(w *bytes.Buffer) error { return Terminal(w, table, 0, false, false) },
		"markdown": func(w *bytes.Buffer) error { return Markdown(w, table) },
		"html":     func(w *bytes.Buffer) error { return page.Run(w, table) },
	} {
		var w bytes.Buffer
		if err := render(&w); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"ended early", "stopped after 7 of 12 blocks: the lease ends",
			"stopped after 2 of 12 blocks", "before its turn"} {
			if !strings.Contains(w.String(), part) {
				t.Errorf("%s lacks %q:\n%s", name, part, w.String())
			}
		}
	}
}

// A trial that was interrupted and gone on with has two process starts: as many
// as two repetitions have.
func TestStartsOfOneTrial(t *testing.T) {
	r := newRun(static, dynamic)
	r.add(static, cpu, 4, 1, 1, 500, 8*ms)
	r.add(dynamic, cpu, 4, 1, 1, 500, 20*ms)
	r.inTurns(25)
	whole := findings.Build(r.Input)
	for _, res := range r.Results {
		for i := range res.Blocks {
			if i >= 12 {
				res.Blocks[i].Restarts = 1
			}
		}
		res.Restarts = []trial.Restart{{Time: day}}
	}
	table := findings.Build(r.Input)
	if a, b := whole.Ratios[0], table.Ratios[0]; a.Starts != 1 || b.Starts != 2 || a.Pairs != b.Pairs {
		t.Errorf("%d starts and %d pairs, then %d and %d", a.Starts, a.Pairs, b.Starts, b.Pairs)
	}
	if n := table.Rows[0].Marks["n"]; len(n) != 1 || !strings.Contains(table.Notes[n[0]-1].Text, "2 process starts") {
		t.Errorf("no footnote says so: %v", table.Notes)
	}
	levels := func(t *findings.Table) (n int) {
		for _, c := range t.Spreads[0].Components {
			if c.Level == "process start" {
				n = c.Groups
			}
		}
		return n
	}
	if levels(whole) != 0 || levels(table) != 2 {
		t.Errorf("%d and %d process starts: %+v", levels(whole), levels(table), table.Spreads)
	}
	// Measured in two leases, they have no blocks beside each other.
	for i := range r.Results[1].Blocks {
		r.Results[1].Blocks[i].Turn = r.Results[0].Blocks[i].Turn // each agent counts from 1
	}
	r.Results[1].Start, r.Results[1].End = r.Results[1].Start.AddDate(0, 0, 1), r.Results[1].End.AddDate(0, 0, 1)
	if c := findings.Build(r.Input).Ratios[0]; c.Pairs != 0 || !strings.Contains(c.Text, "not measured in turns") {
		t.Errorf("a day apart: %+v", c)
	}
}
