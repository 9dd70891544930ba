package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
)

// The agent's estimate is shown where it has one, on a terminal only; what has
// finished is told everywhere.
func TestTrialsAreShown(t *testing.T) {
	for _, tty := range []bool{true, false} {
		var out strings.Builder
		p := newProgress(&out)
		p.tty = tty
		p.Phase(run.PhaseRun, "")
		p.Trial(trial.Event{Type: trial.TrialStarted, Trial: "a.cpu.t1.b1.r1", Index: 1, Total: 2}, 0, 2)
		p.Trial(trial.Event{
			Type: trial.Progress, Text: "repetition 1, round 3 of 10", LeftNS: int64(41 * time.Second),
		}, 0, 2)
		p.Trial(trial.Event{Type: trial.Progress, Text: "round 9", LeftNS: int64(time.Second)}, 0, 2)
		p.Trial(trial.Event{Type: trial.TrialFinished, Trial: "a.cpu.t1.b1.r1", MedianNS: 1e6}, 1, 2)
		p.Trial(trial.Event{Type: trial.Note, Text: "waited"}, 1, 2)
		got := out.String()
		for _, want := range []string{"[1/2] a.cpu.t1.b1.r1", "round 3 of 10", "about 41 s left", "round 9"} {
			if strings.Contains(got, want) != tty {
				t.Errorf("terminal %v: %q, about %q", tty, got, want)
			}
		}
		if !strings.Contains(got, "p50 1.00 ms") || !strings.Contains(got, "waited") ||
			strings.Contains(got, "1.0 s left") {
			t.Errorf("terminal %v: %q", tty, got)
		}
	}
}

// A row an option: its median, how well that is known and from how many inferences; the
// device's temperature, and the time that the plan and the lease leave.
func TestViewHasARowForEachOption(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out)
	p.tty = true
	p.Phase(run.PhaseRun, "")
	p.MustEnd(time.Now().Add(90 * time.Minute))
	for _, id := range []string{"a.cpu.t1.b1.r1", "b.cpu.t1.b1.r1"} {
		p.Trial(trial.Event{Type: trial.TrialStarted, Trial: id, Index: 1, Total: 4}, 0, 4)
	}
	standing := func(id string, low, high float64) trial.Standing {
		return trial.Standing{Trial: id, N: 40, MedianNS: 15e6, Interval: &trial.Interval{Low: low, High: high}}
	}
	tell := func(s trial.Standing) string {
		out.Reset()
		p.Trial(trial.Event{Type: trial.Progress, Text: "repetition 1, round 3 of 10", LeftNS: int64(time.Minute),
			Celsius: 61.5, Standings: []trial.Standing{s}}, 0, 4)
		return out.String()
	}
	tell(standing("a.cpu.t1.b1.r1", 14e6, 17e6))
	got := tell(standing("a.cpu.t1.b1.r1", 14.8e6, 15.3e6))
	for _, want := range []string{"a.cpu.t1.b1 r1   p50 15.0 ms  [14.8 ms, 15.3 ms] n 40\n",
		"b.cpu.t1.b1 r1   not measured yet\n",
		"  run        [0/4] repetition 1, round 3 of 10\n             62 °C, about 60 s left, 1 h 30 min in the lease\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	p.Again("the device does not answer")
	if !strings.Contains(out.String(), "  run        the device does not answer") {
		t.Errorf("%s", out.String())
	}
	p.height = 7
	for i := range 9 {
		p.Trial(trial.Event{Type: trial.TrialStarted, Trial: fmt.Sprintf("c%d.cpu.t1.b1.r1", i), Total: 20}, 0, 4)
	}
	p.Trial(trial.Event{Type: trial.TrialFinished, Trial: "a.cpu.t1.b1.r1", Outcome: trial.OK, MedianNS: 15e6}, 1, 20)
	out.Reset()
	p.Trial(trial.Event{Type: trial.TrialStarted, Trial: "b.cpu.t1.b1.r2", Total: 20}, 1, 20)
	if got := out.String(); !strings.Contains(got, "and 8 options") || !strings.Contains(got, "b.cpu.t1.b1  r2") ||
		strings.Contains(got, "a.cpu") {
		t.Errorf("on a low terminal:\n%s", got)
	}
}

// Each line of --progress json is an object that its schema describes, whatever is heard;
// with --quiet only warnings are.
func TestMomentsAreDescribed(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		var out strings.Builder
		p := (&app{err: &out, showing: asJSON, quiet: quiet, system: "phone"}).progress()
		all := func(o run.Observer) {
			o.Phase(run.PhaseRun, "begins")
			o.Say("waits\nlong")
			o.Again("503")
			o.Bytes(0, 7)
			o.MustEnd(time.Now())
			o.Trial(trial.Event{Schema: trial.EventSchema, Seq: 1, Time: time.Now(), Type: trial.Progress,
				Standings: []trial.Standing{{Trial: "a.cpu.t1.b1.r1", N: 3, MedianNS: 2}}}, 0, 4)
			o.Warn("beware")
			o.PhaseEnd(run.PhaseRun, "done")
		}
		all(p)
		p.Named(2, "nyu-rpi5-02")
		all(p.Device(2))
		p.line("a note")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if want := map[bool]int{false: 17, true: 2}[quiet]; len(lines) != want {
			t.Errorf("%d moments, not %d:\n%s", len(lines), want, out.String())
		}
		for _, line := range lines {
			if err := describedBy("progress", line); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		if !quiet && !strings.Contains(out.String(), `"system":"phone","slot":2,"device":"nyu-rpi5-02"`) {
			t.Errorf("%s", out.String())
		}
	}
}

// What comes from elsewhere can't move the cursor.
func TestLinesArePrintable(t *testing.T) {
	var out strings.Builder
	newProgress(&out).line("%s", "a\x1b[2Jb\nc")
	if got := out.String(); strings.ContainsRune(got, '\x1b') || !strings.Contains(got, "\nc") {
		t.Errorf("%q", got)
	}
}

func TestFlagsAfterArguments(t *testing.T) {
	root := (&app{}).root()
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

// A poll that fails 84 times is one line, and one with the count.
func TestWhatFailsOverAndOverIsCounted(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out)
	p.Phase(run.PhaseRun, "")
	for i := range 84 {
		p.Again(fmt.Sprintf("127.0.0.1:%d/execute: 503; once more in %d.5s (%d of 4)", 30000+i, i, i%4))
		p.Again("the device does not answer: 503")
		p.Say(fmt.Sprintf("no answer worth having: 503 (req-%d)%s", i, patient.LookingAgain))
	}
	p.Say("something else")
	p.PhaseEnd(run.PhaseRun, "2 trials")
	if got := out.String(); strings.Count(got, "\n") != 8 || strings.Count(got, "84 times in ") != 3 {
		t.Errorf("%s", got)
	}
}

// A server that words each failure anew, and at length, fills no log: beyond some ways to
// fail, all others are one that is counted.
func TestFailuresThatAreWordedAnewAreBounded(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out)
	p.Phase(run.PhaseRun, "")
	for i := range 2000 {
		p.Again(strings.Repeat(string(rune('a'+i%26)), 1+i/26) + strings.Repeat(" words", 1000))
	}
	p.PhaseEnd(run.PhaseRun, "2 trials")
	got := out.String()
	if n := strings.Count(got, "\n"); n > 2*wordings || len(got) > 3*wordings*maxLitany ||
		!strings.Contains(got, fmt.Sprintf("%d times in other words in ", 2000-wordings)) {
		t.Errorf("%d lines of %d bytes: %.3000s", n, len(got), got)
	}
}

// An advice is given once, however many causes have it.
func TestAdviceIsGivenOnce(t *testing.T) {
	var out strings.Builder
	one := failure.Cloud.Errorf("a").Advise("try again")
	(&app{err: &out}).explain(errors.Join(one, failure.Cloud.Errorf("b").Advise("try again").Because(one)))
	if got := out.String(); strings.Count(got, "try again") != 1 {
		t.Errorf("%s", got)
	}
}

// NO_COLOR that is not empty means no colours; a dumb terminal has neither these nor
// lines that can be rewritten, and is as wide as it is.
func TestColoursAreTheUsersChoice(t *testing.T) {
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo-terminal here: " + err.Error())
	}
	defer f.Close()
	for _, c := range []struct {
		term       string
		plain      bool
		color, tty bool
	}{{"xterm", false, true, true}, {"xterm", true, false, true}, {"dumb", false, false, false}} {
		t.Setenv("TERM", c.term)
		t.Setenv("NO_COLOR", map[bool]string{true: "1"}[c.plain])
		if p := newProgress(f); p.color != c.color || p.tty != c.tty || !p.screen {
			t.Errorf("TERM=%s, NO_COLOR set: %v: %+v", c.term, c.plain, p)
		}
	}
}
