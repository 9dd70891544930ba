package cli

import (
	"fmt"
	"slices"
	"time"

	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// foretold is how long a plan is measured, as far as earlier runs on such a device tell.
type foretold struct {
	known time.Duration // of the trials of which they tell
	rest  trial.Plan    // the trials of which they do not
	runs  []string      // by which it is known, the newest first
}

// mostForetelling is how many runs are asked, the newest first.
const mostForetelling = 20

// option is what has one speed on a device.
type option struct {
	model, provider string // the model by its SHA-256
	threads, batch  int
}

func optionOf(p *trial.Plan, t trial.Trial) option {
	i := slices.IndexFunc(p.Models, func(m trial.Model) bool { return m.Name == t.Model })
	if i < 0 {
		return option{}
	}
	return option{p.Models[i].SHA256, t.Provider.Label(), t.Threads, t.Batch}
}

// speed is what a result tells of an option.
type speed struct{ loading, one time.Duration }

// foretell asks the runs on this machine that measured on such a device. What cannot be
// read tells nothing.
func (a experimentVerbs) foretell(c *cli.Context, e *spec.Experiment, plan *trial.Plan) foretold {
	f := foretold{rest: *plan}
	want := map[option]bool{}
	for _, t := range plan.Trials {
		want[optionOf(plan, t)] = true
	}
	f.rest.Trials = nil
	known := map[option]speed{}
	ids, _ := a.runs(c).IDs()
	slices.Reverse(ids)
	for _, id := range ids[:min(len(ids), 10*mostForetelling)] {
		s, err := a.runs(c).Open(id)
		if err == nil && len(f.runs) < mostForetelling && !isRehearsal(s) && sameDevice(s, e) && tells(s, want, known) {
			f.runs = append(f.runs, id)
		}
	}
	for _, t := range plan.Trials {
		v, ok := known[optionOf(plan, t)]
		if !ok {
			f.rest.Trials = append(f.rest.Trials, t)
		} else if t.Skip == "" {
			f.known += v.loading + plan.Policy.Expected(v.one)
		}
	}
	return f
}

// sameDevice reports whether a run measured on the kind of device that an experiment
// asks for.
func sameDevice(s *store.Run, e *spec.Experiment) bool {
	was, err := storedExperiment(s)
	return err == nil && was.Site == e.Site && was.Host.Name == e.Host.Name &&
		was.Lease.MachineName == e.Lease.MachineName && was.Lease.Device == e.Lease.Device && was.Lease.UID == e.Lease.UID
}

// tells adds what a run tells of the options wanted that are not known yet.
func tells(s *store.Run, want map[option]bool, known map[option]speed) (any bool) {
	plan, err := s.Plan()
	if err != nil {
		return false
	}
	some := *plan
	some.Trials = nil
	for _, t := range plan.Trials {
		if o := optionOf(plan, t); want[o] && known[o] == (speed{}) {
			some.Trials = append(some.Trials, t)
		}
	}
	for _, part := range store.Parts(s) {
		results, err := part.Results(&some)
		if err != nil {
			return any
		}
		for _, r := range results {
			if r.Outcome != trial.OK || r.Summary == nil {
				continue
			}
			loading, _ := r.SessionCreateNS.Get()
			for _, ns := range r.WarmupNS {
				loading += ns
			}
			known[option{r.Model.SHA256, r.Provider.Label(), r.Threads, r.Batch}] =
				speed{time.Duration(loading), time.Duration(r.Summary.MedianNS)}
			any = true
		}
	}
	return any
}

// takes says how long a plan is measured, and how that is known.
func (f foretold) takes(plan *trial.Plan) string {
	least, most := spec.EstimateTime(plan)
	const later = "The device says more in its first seconds, and what the lease has no time for is left out as a whole"
	if len(f.runs) == 0 {
		return fmt.Sprintf("%s of measuring at least; no earlier run here measured these models on such a device, so how "+
			"much more is not known (at the very most %s, every trial at its timeout). %s", short(least), short(most), later)
	}
	by := fmt.Sprintf("by what %s on such a device took (%s)", words.Plural(len(f.runs), "earlier run"),
		words.List(f.runs, ", ", 2))
	if len(f.rest.Trials) == 0 {
		return fmt.Sprintf("about %s of measuring, %s; with a precision more. %s", clock.Span(f.known), by, later)
	}
	restLeast, restMost := spec.EstimateTime(&f.rest)
	return fmt.Sprintf("about %s of measuring, %s, and %s at least for %s that they have not measured (at the very most "+
		"%s, every trial at its timeout). %s", clock.Span(f.known), by, short(restLeast),
		words.Plural(len(f.rest.Trials), "trial"), short(restMost), later)
}
