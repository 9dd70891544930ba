package judge

import (
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// Origin says what measured a result, as whoever fetched it knows: the device has
// no say in it.
type Origin struct {
	Attempt int    `json:"attempt,omitempty"` // of the run, from 1; 0: not known
	Device  string `json:"device,omitempty"`  // "": not known
	// Period is when the attempt can have measured it; zero: not known.
	Period validity.Period `json:"-"`
}

// Origins are those of results. Results of which nothing is known need not be
// among them.
type Origins map[*trial.Result]Origin

// of is the origin of a result, harmless to show.
func (o Origins) of(r *trial.Result) Origin {
	x := o[r]
	x.Device = words.Line(x.Device, words.MaxName)
	return x
}

// DevicesVary reports whether more than one device measured.
func (r *Run) DevicesVary() bool { return len(r.Devices()) > 1 }

// Devices are those that measured, in the order of the trials.
func (r *Run) Devices() (out []string) {
	seen := map[string]bool{"": true}
	for _, t := range r.Trials {
		if !seen[t.Origin.Device] {
			seen[t.Origin.Device] = true
			out = append(out, t.Origin.Device)
		}
	}
	return out
}

// apart reports that two trials are known to come from two attempts: their blocks
// have no neighbours among each other, and are not one sample.
func (t *Trial) apart(o *Trial) bool {
	return t.Origin.Attempt != o.Origin.Attempt || t.Origin.Device != o.Origin.Device
}
