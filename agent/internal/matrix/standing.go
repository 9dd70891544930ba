package matrix

import (
	"slices"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// mostStandings bounds those of one Progress event, as each costs some 150 bytes of the
// answer of `status`. The others are in the next.
const mostStandings = 24

// moves notes that a trial has had a block.
func (r *record) moves(l *living) {
	if len(l.result.Blocks) > 0 && !slices.Contains(r.moved, l) {
		r.moved = append(r.moved, l)
	}
}

// standings are what is known of the trials that moved and are not over, which their
// TrialFinished tells, and the highest temperature around the latest block, 0 if it
// can't be read. They are taken between blocks.
func (r *record) standings() (all []trial.Standing, celsius float64) {
	if len(r.moved) == 0 {
		return nil, 0
	}
	latest := r.moved[len(r.moved)-1].result.Blocks
	if c := latest[len(latest)-1].Conditions; c != nil {
		temperature, _ := c.Temperature.Get()
		celsius = temperature.High
	}
	rest := slices.DeleteFunc(r.moved, func(l *living) bool { return r.out.Has(l.ID) })
	n := min(len(rest), mostStandings)
	for _, l := range rest[:n] {
		all = append(all, standing(l.ID, l.result))
	}
	r.moved = rest[n:]
	return all, celsius
}

// standing is what is known of a trial with at least one inference.
func standing(id string, res *trial.Result) trial.Standing {
	sample, err := stats.SampleOf(res)
	if err != nil { // the result's own checks say so
		sample = stats.NewSample(res.LatenciesNS)
	}
	s := trial.Standing{Trial: id, N: sample.N(), MedianNS: sample.Median()}
	if i, ok := sample.MedianInterval().Get(); ok {
		s.Interval = &i
	}
	return s
}
