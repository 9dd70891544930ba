package matrix

import (
	"time"

	"chexp/experiments/trial"
)

// estimate says how long the rest of the run takes, from the trials seen so far:
// one takes as long as the other repetitions of its variant, or else as the other
// variants of its model. It says nothing as long as a model is still to be seen:
// one may take a hundred times as long as another.
type estimate struct {
	ahead  map[string]trial.Trial    // trials without a result
	spent  map[string]time.Duration  // on each of them so far
	whole  map[variant]time.Duration // expected of one trial of the variant
	blocks map[variant]int           // that a trial of the variant is to have
}

func newEstimate(order []trial.Trial) estimate {
	e := estimate{
		ahead: map[string]trial.Trial{}, spent: map[string]time.Duration{},
		whole: map[variant]time.Duration{}, blocks: map[variant]int{},
	}
	for _, t := range order {
		if t.Skip == "" {
			e.ahead[t.ID] = t
		}
	}
	return e
}

// expect says how many blocks a trial is to have.
func (e *estimate) expect(t trial.Trial, blocks int) { e.blocks[variantOf(t)] = blocks }

// spend takes what a trial has used so far, after a block.
func (e *estimate) spend(l *living) {
	n, v := len(l.result.Blocks), variantOf(l.Trial)
	if n == 0 {
		return
	}
	e.spent[l.ID] = l.used()
	e.whole[v] = l.loading + l.measured/time.Duration(n)*time.Duration(max(n, e.blocks[v]))
}

// foresee takes what a trial will use that is loaded and has no block yet.
func (e *estimate) foresee(l *living, work time.Duration) {
	if v := variantOf(l.Trial); e.whole[v] == 0 {
		e.whole[v], e.spent[l.ID] = l.loading+work, l.used()
	}
}

// over takes a trial off the list.
func (e *estimate) over(t trial.Trial) { delete(e.ahead, t.ID) }

// time is how long the rest takes; 0: nothing can be said.
func (e *estimate) time() (sum time.Duration) {
	type mean struct {
		sum time.Duration
		n   int
	}
	models := map[string]mean{}
	for v, whole := range e.whole {
		m := models[v.model]
		models[v.model] = mean{m.sum + whole, m.n + 1}
	}
	for _, t := range e.ahead {
		whole, ok := e.whole[variantOf(t)]
		if !ok {
			m := models[t.Model]
			if m.n == 0 {
				return 0
			}
			whole = m.sum / time.Duration(m.n)
		}
		sum += max(whole-e.spent[t.ID], 0)
	}
	return sum
}
