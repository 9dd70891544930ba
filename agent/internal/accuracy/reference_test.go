package accuracy

import (
	"testing"

	"chexp/experiments/trial"
)

// Two runtimes of one model are held against each other: "agrees" was with the
// experiment's first model, which is another one.
func TestARuntimeIsHeldAgainstTheSameModel(t *testing.T) {
	labels := []int{0, 1}
	first, second := reply(labels, []float32{3, 4}, []float32{0, 1}), reply(labels, []float32{4, 3}, []float32{0, 3})
	a := &asked{t: t, calls: map[string]int{}, reply: map[string]any{"a.cpu": first, "b.cpu": second}}
	p := plan([]string{"a", "b"}, "cpu")
	other := p.Trials[2]
	other.Provider.Runtime = "debian"
	other.ID = trial.NewID("b", "debian-cpu", 1, 1, 1)
	p.Trials = append(p.Trials, other)
	got := examineAll(t, p, a)
	for id, reference := range map[string]string{other.ID: "b on cpu", "b.cpu.t1.b1.r1": "a on cpu"} {
		r, ok := got[id].Get()
		if g, agreed := r.Agreement.Get(); !ok || !agreed || g.Reference != reference {
			t.Errorf("%s is held against %q, want %q (%s)", id, g.Reference, reference, r.Agreement.Unavailable)
		}
	}
	for i := range p.Trials { // nothing of the agent's own runtime to hold it against
		p.Trials[i].Skip = map[bool]string{true: "no"}[p.Trials[i].Model == "b" && p.Trials[i].Provider.Runtime == ""]
	}
	r, _ := examineAll(t, p, a)[other.ID].Get()
	if g, ok := r.Agreement.Get(); !ok || g.Reference != "a on cpu" {
		t.Errorf("%+v", r)
	}
}
