package cli

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/run"
)

// An estimate is given only when every model that is left has been seen: one
// may take a hundred times as long as another.
func TestETAWaitsForEveryModel(t *testing.T) {
	plan := &trial.Plan{}
	for _, m := range []string{"small", "large"} {
		for rep := 1; rep <= 2; rep++ {
			plan.Trials = append(plan.Trials, trial.Trial{ID: trial.NewID(m, "cpu", 1, 1, rep), Model: m})
		}
	}
	var out strings.Builder
	p := newProgress(&out)
	p.plan = plan
	p.Phase(run.PhaseRun, "")
	now := time.Now()
	finish := func(i int, took time.Duration) {
		id := plan.Trials[i].ID
		p.Trial(trial.Event{Type: trial.TrialStarted, Trial: id, Time: now}, 0, 4)
		p.Trial(trial.Event{Type: trial.TrialFinished, Trial: id, Time: now.Add(took), MedianNS: 1e6}, 0, 4)
	}
	finish(0, time.Second)
	if got := p.eta(); got != "" {
		t.Errorf("with one model unseen: %q", got)
	}
	finish(2, 40*time.Second)
	if got := p.eta(); !strings.Contains(got, "41 s") {
		t.Errorf("one small and one large are left: %q", got)
	}
	if !strings.Contains(out.String(), "p50 1 ms") {
		t.Errorf("finished trials are not told: %q", out.String())
	}
}

// What comes from elsewhere can't move the cursor.
func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\nc"); strings.ContainsRune(got, '\x1b') || !strings.Contains(got, "\nc") {
		t.Errorf("%q", got)
	}
}

func TestFlagsAfterArguments(t *testing.T) {
	root := (&app{}).commands()
	for _, tc := range []struct{ in, want string }{
		{"chexp run x.yaml --keep", "chexp run --keep x.yaml"},
		{"chexp run x.yaml --until push --runs r", "chexp --runs r run --until push x.yaml"},
		{"chexp --runs r results show latest -f json", "chexp --runs r results show -f json latest"},
		{"chexp lease create --hours 2 --machine raspberrypi5", "chexp lease create --hours 2 --machine raspberrypi5"},
		{"chexp experiment check -- -odd.yaml", "chexp experiment check -- -odd.yaml"},
		{"chexp nonsense --flag", "chexp nonsense --flag"},
	} {
		if got := strings.Join(interspersed(root, strings.Fields(tc.in)), " "); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.in, got, tc.want)
		}
	}
}
