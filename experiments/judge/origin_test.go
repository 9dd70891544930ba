package judge

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/validity"
)

// twoBoards is a run of two models and three repetitions whose last repetition was
// measured by another board, which is half as fast, at the same time of day.
func twoBoards() *run {
	r := &run{origins: Origins{}}
	for rep := 1; rep <= 3; rep++ {
		for i, model := range []string{"a", "b"} {
			from, p50 := Origin{Attempt: 1, Device: "nyu-rpi5-01"}, float64(i+1)*10*ms
			if rep == 3 {
				from, p50 = Origin{Attempt: 2, Device: "nyu-rpi5-05"}, 2*p50
			}
			x := r.add(model, 1000, 1, rep, 200, p50)
			for i := range 10 {
				x.Blocks = append(x.Blocks, trial.Block{Round: i + 1, Turn: i + 1, First: 20 * i, N: 20})
			}
			r.origins[x] = from
		}
	}
	return r
}

// A run that was resumed on another board has each board's options apart: no median
// is over both, and no blocks of two boards are a pair.
func TestBoardsAreKeptApart(t *testing.T) {
	got := twoBoards().judge()
	if d := got.Devices(); len(d) != 2 || len(got.Options) != 4 {
		t.Fatalf("devices %v, %d options", d, len(got.Options))
	}
	for _, o := range got.Options {
		want := map[string]float64{"a": 10 * ms, "b": 20 * ms}[o.Model]
		n := 2
		if o.Device == "nyu-rpi5-05" {
			want, n = 2*want, 1
		}
		p50, ok := o.P50.Get()
		if !ok || p50 < want*0.98 || p50 > want*1.02 || len(o.Trials) != n {
			t.Errorf("%s: %v, %d trials; want %v and %d", o.Label, o.P50, len(o.Trials), want, n)
		}
		if !strings.HasSuffix(o.Label, o.Device) {
			t.Errorf("the label %q does not name %s", o.Label, o.Device)
		}
	}
	ratios := got.Ratios()
	if len(ratios) != 2 {
		t.Fatalf("%d ratios", len(ratios))
	}
	for _, x := range ratios {
		if x.Option.Device != x.Base.Device || x.Ratio < 1.9 || x.Ratio > 2.1 {
			t.Errorf("%s against %s: %v", x.Option.Label, x.Base.Label, x.Ratio)
		}
	}
}

// Two attempts on one board are one option, but no neighbours: their rounds have the
// same numbers by chance.
func TestAttemptsShareNoRounds(t *testing.T) {
	r := &run{origins: Origins{}}
	for i, model := range []string{"a", "b"} {
		x := r.add(model, 1000, 1, 1, 200, 10*ms)
		for round := range 10 {
			x.Blocks = append(x.Blocks, trial.Block{Round: round + 1, Turn: round + 1, First: 20 * round, N: 20})
		}
		r.origins[x] = Origin{Attempt: i + 1, Device: "nyu-rpi5-01"}
	}
	got := r.judge()
	if len(got.Options) != 2 || got.DevicesVary() {
		t.Fatalf("%d options, devices %v", len(got.Options), got.Devices())
	}
	for _, x := range got.Ratios() {
		if x.InTurns {
			t.Error("blocks of two attempts were paired")
		}
	}
	r.origins = nil // an old run: times alone tell, as before
	for _, x := range r.judge().Ratios() {
		if !x.InTurns {
			t.Error("blocks of one attempt were not paired")
		}
	}
}

// A trial without a result has no board: it is missing from the option that there
// is, and makes none of its own.
func TestMissingTrialsHaveNoBoard(t *testing.T) {
	r := twoBoards()
	for i, x := range r.results {
		if x.Repetition == 1 {
			r.results[i] = nil
		}
	}
	got := r.judge()
	if len(got.Options) != 4 {
		t.Errorf("%d options", len(got.Options))
	}
}

// What measured a result decides when it can have been measured.
func TestAResultOutsideItsAttemptDecidesNothing(t *testing.T) {
	r := twoBoards()
	start := time.Date(2026, 11, 30, 13, 0, 0, 0, time.UTC)
	for x, from := range r.origins {
		x.Start, x.End = start, start.Add(time.Minute)
		from.Period = validity.Period{From: start.Add(-time.Hour), To: start.Add(-50 * time.Minute),
			Within: 2 * time.Second}
		if from.Attempt == 1 { // the device's clock is an hour ahead
			from.Period.Ahead = time.Hour
		}
		r.origins[x] = from
	}
	for _, tr := range r.judge().Trials {
		if late := tr.Complaint() == validity.Times; late != (tr.Origin.Attempt == 2) || late && tr.Valid() {
			t.Errorf("%s: attempt %d, %s %q", tr.ID, tr.Origin.Attempt, tr.Validity, tr.Complaint())
		}
	}
}
