package validity

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

func TestPartialIsNeverValid(t *testing.T) {
	for _, tc := range []struct {
		blocks, each, asked int
		want                stats.Validity
		text                string
	}{
		{7, 50, 12, stats.Suspect, "stopped after 7 of 12 blocks: the lease ends"},
		{14, 50, 0, stats.Suspect, "stopped after 14 blocks, before the precision asked for was reached: the lease ends"},
		{2, 50, 12, stats.Invalid, "stopped after 2 of 12 blocks: the lease ends; it takes 3"},
		{1, 50, 2, stats.Invalid, "it takes 2"},
		{3, 1, 12, stats.Invalid, "with 3 inferences; it takes 6"},
		{0, 0, 12, stats.Invalid, "stopped before its first block was complete: the lease ends"},
	} {
		r := &trial.Result{Partial: &trial.Partial{Blocks: tc.blocks, Asked: tc.asked, Why: "the lease ends"}}
		for i := range tc.blocks {
			r.Blocks = append(r.Blocks, trial.Block{Round: i + 1, First: len(r.LatenciesNS), N: tc.each})
			for range tc.each {
				r.LatenciesNS = append(r.LatenciesNS, 1e6)
			}
		}
		if c := checkComplete(r); c.Outcome != tc.want || !strings.Contains(c.Text, tc.text) || c.Remedy == "" {
			t.Errorf("%d of %d blocks: %+v, want %s with %q", tc.blocks, tc.asked, c, tc.want, tc.text)
		}
		if invalid := TooFew(r) != ""; invalid != (tc.want == stats.Invalid) {
			t.Errorf("%d of %d blocks: too few: %v", tc.blocks, tc.asked, invalid)
		}
	}
	partial := &trial.Result{Partial: &trial.Partial{Blocks: 1}, LatenciesNS: []int64{5}}
	asked := func(r *trial.Result) bool {
		return slices.ContainsFunc(checksOf(r), func(c stats.Check) bool { return c.Name == Complete })
	}
	if !asked(partial) || asked(&trial.Result{LatenciesNS: []int64{5}}) {
		t.Error("the check is for interrupted trials, and for no others")
	}
}

// A clock that is set back by an hour during a trial says nothing about its latencies:
// its blocks have turns, and the times of the monotonic clock.
func TestAStepOfTheClockDecidesNothing(t *testing.T) {
	r := newDevice(5).trial(fault{})
	r.Start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	r.End = r.Start.Add(-time.Hour)
	checks := checksOf(r)
	i := slices.IndexFunc(checks, func(c stats.Check) bool { return c.Name == Times })
	if i < 0 || checks[i].Outcome != stats.Valid || !strings.Contains(checks[i].Text, "was set back by 1h0m0s or more") {
		t.Errorf("%+v", checks)
	}
	r.Blocks[3].Turn = r.Blocks[2].Turn
	if checks = checksOf(r); checks[0].Name != Times || checks[0].Outcome != stats.Invalid {
		t.Errorf("blocks without an order: %+v", checks[0])
	}
}

// A result that ends before it starts, and whose blocks have no order, is INVALID and says why; no other has the check.
func TestAResultThatEndsBeforeItStarts(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for took, want := range map[time.Duration]bool{-time.Second: true, 0: false, time.Minute: false} {
		r := &trial.Result{Start: now, End: now.Add(took), LatenciesNS: []int64{1, 2, 3, 4, 5, 6}}
		sample, err := stats.SampleOf(r)
		if err != nil {
			t.Fatal(err)
		}
		checks := Checks(r, sample)
		i := slices.IndexFunc(checks, func(c stats.Check) bool { return c.Name == Times })
		got := i >= 0 && checks[i].Outcome == stats.Invalid && strings.Contains(checks[i].Text, "before it starts")
		if got != want {
			t.Errorf("%s: %+v", took, checks)
		}
	}
}
