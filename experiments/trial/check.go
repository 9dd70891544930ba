package trial

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"chexp/experiments/files"
)

// Bounds of what a result may hold. Nobody measures more.
const (
	maxLatencies = 5_000_000
	maxLatency   = 24 * time.Hour
)

var runPattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,79}$`)

// ValidRunID reports whether s can be a run's id, which names files and folders.
func ValidRunID(s string) bool { return runPattern.MatchString(s) }

// Check reports the first way in which r cannot be anybody's result. What comes
// from a device or from another person is not believed before that. The error
// is a clause about the result: "it has the schema …".
func (r *Result) Check() error {
	runtime := r.Provider.Runtime
	switch {
	case r.Schema != ResultSchema:
		return fmt.Errorf("it has the schema %.40q, this program reads %q", r.Schema, ResultSchema)
	case !ValidRunID(r.RunID) || !ValidID(r.TrialID):
		return fmt.Errorf("it names run %.40q and trial %.40q, which are no names", r.RunID, r.TrialID)
	case !ValidName(r.Model.Name) || !files.IsSum(r.Model.SHA256):
		return fmt.Errorf("it names model %.40q with sha256 %.12q, which is not well formed",
			r.Model.Name, r.Model.SHA256)
	case !ValidName(r.Provider.Name) || runtime != "" && !ValidLabel(runtime):
		return fmt.Errorf("it names provider %.40q of runtime %.40q, which are not well formed",
			r.Provider.Name, runtime)
	case r.Threads < 1 || r.Batch < 1 || r.Repetition < 1 || r.Threads > 9999 ||
		r.Batch > 99999 || r.Repetition > 99999:
		return fmt.Errorf("it has %d threads, batch %d, repetition %d", r.Threads, r.Batch, r.Repetition)
	case r.Scenario != "" && r.Scenario != SingleStream && r.Scenario != Offline:
		return fmt.Errorf("it has the scenario %.40q", r.Scenario)
	case r.Outcome != OK && r.Outcome != Failed && r.Outcome != Skipped:
		return fmt.Errorf("it has the outcome %.40q", r.Outcome)
	case r.Outcome == OK && (r.Summary == nil || len(r.LatenciesNS) == 0):
		return errors.New("it says ok, but nothing was timed")
	case len(r.LatenciesNS) > maxLatencies || len(r.Blocks) > maxLatencies:
		return fmt.Errorf("it holds %d latencies in %d blocks, more than anybody measures",
			len(r.LatenciesNS), len(r.Blocks))
	}
	for i, v := range r.LatenciesNS {
		if v <= 0 || v > int64(maxLatency) {
			return fmt.Errorf("it holds a latency of %d ns (number %d)", v, i+1)
		}
	}
	return nil
}

// Fits reports how r fails to be a result of this trial of the plan, or of any.
// The error is a clause as that of [Result.Check].
func (r *Result) Fits(p *Plan, t Trial) error {
	if err := r.Check(); err != nil {
		return err
	}
	switch {
	case r.RunID != p.RunID:
		return fmt.Errorf("it belongs to run %q", r.RunID)
	case r.TrialID != t.ID, r.Model.Name != t.Model, r.Provider.Label() != t.Provider.Label(),
		r.Threads != t.Threads, r.Batch != t.Batch, r.Repetition != t.Repetition:
		return fmt.Errorf("it describes trial %q (%s, %s, %d threads, batch %d, repetition %d)",
			r.TrialID, r.Model.Name, r.Provider.Label(), r.Threads, r.Batch, r.Repetition)
	}
	for _, m := range p.Models {
		if m.Name == t.Model && m.SHA256 != r.Model.SHA256 {
			return fmt.Errorf("it measured a model with sha256 %.12s…, the plan's has %.12s…",
				r.Model.SHA256, m.SHA256)
		}
	}
	return nil
}
