package matrix

import (
	"time"

	"chexp/experiments/trial"
)

// progressEvery bounds the number of Progress events.
const progressEvery = 5 * time.Second

// progress says where the run is.
func (s *Supervisor) progress(text string) error {
	if s.lastSaid.IsZero() {
		s.lastSaid = time.Now() // TrialStarted has just been said
	}
	if time.Since(s.lastSaid) < progressEvery {
		return nil
	}
	s.lastSaid = time.Now()
	return s.Recorder.Event(trial.Event{Type: trial.Progress, Total: len(s.position), LeftNS: int64(s.pace.left()), Text: text})
}

// pace estimates how long the rest of the run takes, from the trials seen so
// far: one takes as long as the other repetitions of its variant, or else as the
// other variants of its model. It says nothing as long as a model is still to be
// seen: one may take a hundred times as long as another.
type pace struct {
	ahead  map[string]trial.Trial // trials without a result
	spent  map[string]time.Duration
	whole  map[variant]time.Duration // expected of one trial of the variant
	blocks map[variant]int           // that a trial of the variant is cut into
}

func newPace(order []trial.Trial) pace {
	p := pace{ahead: map[string]trial.Trial{}, spent: map[string]time.Duration{}, whole: map[variant]time.Duration{}, blocks: map[variant]int{}}
	for _, t := range order {
		if t.Skip == "" {
			p.ahead[t.ID] = t
		}
	}
	return p
}

// rounds tells into how many blocks the trials of a group are cut.
func (p *pace) rounds(group []*living, n int) {
	for _, l := range group {
		p.blocks[variantOf(l.Trial)] = n
	}
}

// block counts a block: so many, taking measured in all, after loading.
func (p *pace) block(t trial.Trial, loading, measured time.Duration, n int) {
	if n == 0 {
		return
	}
	v := variantOf(t)
	p.spent[t.ID] = loading + measured
	p.whole[v] = loading + measured/time.Duration(n)*time.Duration(max(n, p.blocks[v]))
}

// over takes a trial off the list.
func (p *pace) over(t trial.Trial) { delete(p.ahead, t.ID) }

// left is 0 when nothing can be said.
func (p *pace) left() (sum time.Duration) {
	type mean struct {
		sum time.Duration
		n   int
	}
	models := map[string]mean{}
	for v, whole := range p.whole {
		m := models[v.model]
		models[v.model] = mean{m.sum + whole, m.n + 1}
	}
	for _, t := range p.ahead {
		whole, ok := p.whole[variantOf(t)]
		if !ok {
			m := models[t.Model]
			if m.n == 0 {
				return 0
			}
			whole = m.sum / time.Duration(m.n)
		}
		sum += max(whole-p.spent[t.ID], 0)
	}
	return sum
}
