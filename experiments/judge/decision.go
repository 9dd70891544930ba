package judge

// Conclusion is what a decision comes to.
type Conclusion string

// The conclusions.
const (
	SomeMeet  Conclusion = "met"        // at least one option meets every budget
	NoneMeets Conclusion = "none"       // every option is known to miss a budget
	NoneKnown Conclusion = "undecided"  // none is known to meet every budget, but not all are known to miss one
	NoBudget  Conclusion = "no_budget"  // nothing was asked for
	NoResults Conclusion = "no_results" // no trial may be decided from
)

// Decision says which option to take, as far as the results tell.
type Decision struct {
	Conclusion Conclusion
	Of         int       // options there are, each with all the batches that answer a budget
	Usable     []*Option // with a result that may be decided from
	Unusable   []*Option
	Meeting    []*Option // usable ones that meet every budget
	Open       []*Option // usable ones that miss no budget, and of one nothing is decided
	// Smallest has the smallest model, Fastest the lowest median: of those that
	// meet every budget or, where there is no budget, of the usable ones.
	Smallest, Fastest *Option
	Alike             []*Option // those that these samples cannot tell from Fastest
	Tallies           []Tally   // one per budget
}

// Tally says how near the usable options came to one budget.
type Tally struct {
	Budget Budget
	Met    int
	Open   int // of which it is not known
	// Nearest came nearest to the limit, or went furthest beyond it, with Value in
	// one valid repetition; nil if no option has a value.
	Nearest *Option
	Value   float64
}

// Decide takes the decision.
func (r *Run) Decide() Decision {
	all := r.choices()
	d := Decision{Of: len(all)}
	for _, o := range all {
		if !o.Usable() {
			d.Unusable = append(d.Unusable, o)
			continue
		}
		d.Usable = append(d.Usable, o)
		switch o.Verdict() {
		case Met:
			d.Meeting = append(d.Meeting, o)
		case Unknown, Undecided:
			d.Open = append(d.Open, o)
		}
	}
	for i := range r.Budgets {
		d.Tallies = append(d.Tallies, r.tally(i, d.Usable))
	}
	switch {
	case len(d.Usable) == 0:
		d.Conclusion = NoResults
	case len(r.Budgets) == 0:
		d.Conclusion = NoBudget
	case len(d.Meeting) > 0:
		d.Conclusion = SomeMeet
	case len(d.Open) > 0:
		d.Conclusion = NoneKnown
	default:
		d.Conclusion = NoneMeets
	}
	if d.Conclusion == NoBudget || d.Conclusion == SomeMeet { // without a budget all usable ones meet all
		d.choose(d.Meeting)
	}
	return d
}

// choose names the smallest and the fastest, and what is as fast.
func (d *Decision) choose(among []*Option) {
	d.Smallest, d.Fastest = among[0], among[0]
	for _, o := range among[1:] {
		if smaller(o, d.Smallest) < 0 {
			d.Smallest = o
		}
		if faster(o, d.Fastest) < 0 {
			d.Fastest = o
		}
	}
	for _, o := range among {
		if o != d.Fastest && alike(o, d.Fastest) {
			d.Alike = append(d.Alike, o)
		}
	}
}

// tally counts the options that meet the i-th budget, and finds the nearest of all
// batches that answer it.
func (r *Run) tally(i int, usable []*Option) Tally {
	out := Tally{Budget: r.Budgets[i]}
	for _, o := range usable {
		switch o.Verdicts[i] {
		case Met:
			out.Met++
		case Unknown, Undecided:
			out.Open++
		}
	}
	for _, o := range r.Options {
		for _, t := range o.Evidence(i) {
			v, ok := t.Answers[i].Value.Get()
			if ok && t.Valid() && (out.Nearest == nil || out.Budget.better(v, out.Value)) {
				out.Nearest, out.Value = o, v
			}
		}
	}
	return out
}

// Best is the option to look at first: the fastest of those that meet every budget, or,
// where none does, of those that meet the most; nil if no result may be decided from.
func (d *Decision) Best() (best *Option) {
	if d.Fastest != nil {
		return d.Fastest
	}
	met := func(o *Option) (n int) {
		for _, v := range o.Verdicts {
			if v == Met {
				n++
			}
		}
		return n
	}
	for _, o := range d.Usable {
		if best == nil || met(o) > met(best) || met(o) == met(best) && faster(o, best) < 0 {
			best = o
		}
	}
	return best
}

// Value is what an option has in its i-th budget: of its valid repetitions, the value
// that serves the budget worst. ok is false where none has a value.
func (o *Option) Value(i int) (worst float64, ok bool) {
	for _, t := range o.Evidence(i) {
		v, has := t.Answers[i].Value.Get()
		if has && t.Valid() && (!ok || t.Answers[i].Budget.better(worst, v)) {
			worst, ok = v, true
		}
	}
	return worst, ok
}
