package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/provider"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// footnotes attaches every doubt to the cell that it is about.
func (b *builder) footnotes(r *Row) {
	for _, m := range b.Models {
		if m.Name == r.Model && strings.HasPrefix(m.Origin, trial.StandIn) {
			b.mark(r, "model", "stand-in "+m.Origin, "Not the experiment's model, whose file could not be had, but its "+
				m.Origin+": size, latency and answers are the stand-in's.")
		}
		if m.Name == r.Model && strings.Contains(m.Origin, "untrained") {
			b.mark(r, "model", "untrained", "Untrained model: its weights are random. Its size and its latency mean "+
				"something, its answers do not.")
		}
	}
	if r.Result != nil {
		for _, in := range r.Result.Model.Inputs {
			if in.Guess != "" {
				b.mark(r, "model", "guess "+r.Model+" "+in.Name, fmt.Sprintf("%s's input %s: %s.", r.Model,
					words.Line(in.Name, words.MaxName), words.Line(in.Guess, 400)))
			}
		}
	}
	if t, ok := r.Ran.Get(); ok && r.Own() && t.Nodes < t.Of {
		b.mark(r, "provider", "ran "+r.Model+" "+t.String(),
			"On "+r.Model+", "+t.String()+"; the CPU provider ran the rest.")
	}
	if r.Result != nil {
		if p := provider.Named(r.Result.Provider.Name); p.Note != "" {
			b.mark(r, "provider", "note "+p.Name, p.Note)
		}
	}
	if r.Result != nil && len(r.Result.Restarts) > 0 {
		n := 1 + len(r.Result.Restarts)
		b.mark(r, "n", fmt.Sprintf("restarts %d", n), fmt.Sprintf("Interrupted and gone on with: its blocks are of %d "+
			"process starts, and count as such.", n))
	}
	if r.Outcome != trial.OK {
		b.mark(r, "validity", "why "+string(r.Outcome)+Why(r.Reasons), outcomeWord(r)+": "+Why(r.Reasons))
		return
	}
	if len(r.Doubts) > 0 {
		d := words.List(r.Doubts, "; ", 4)
		b.mark(r, "validity", "doubt "+d, "Doubtful, so nothing is decided from it: "+d+".")
	}
	for _, c := range r.Failing() {
		b.alike(r, "validity", checkKey(c), complaint(c), c.Remedy)
	}
	b.numberNotes(r)
	b.accuracyNotes(r)
	b.answerNotes(r)
}

// numberNotes say why a number is missing.
func (b *builder) numberNotes(r *Row) {
	for _, m := range append(b.Percentiles(), judge.Throughput) {
		v := m.Read(r.Trial)
		if _, ok := v.Get(); ok {
			continue
		}
		if key, said := r.refusal(m); said {
			b.mark(r, m.String(), key, "")
		} else {
			b.alike(r, m.String(), key, "No "+m.String()+": "+v.Unavailable, "")
		}
	}
}

// answerNotes say why a verdict is unknown or UNDECIDED.
func (b *builder) answerNotes(r *Row) {
	for i, a := range r.Answers {
		switch {
		case a.Verdict == judge.Unknown && len(r.Doubts) == 0:
			key := "unknown " + a.Why
			if r.Invalid() {
				key = checkKey(r.Failing()[0])
			} else if k, _ := r.refusal(a.Budget.Metric); b.known(k) { // the metric's own footnote says it
				key = k
			}
			b.mark(r, BudgetColumn(i), key, "Unknown: "+a.Why)
		case a.Verdict == judge.Undecided:
			b.mark(r, BudgetColumn(i), fmt.Sprintf("undecided %d %s", i, r.Option), b.undecided(r.Option, i))
		}
	}
}

// undecided says between what the option's values lie, and what would probably
// decide.
func (b *builder) undecided(letter string, i int) string {
	budget := b.Budgets[i]
	at := slices.IndexFunc(b.Judged.Options, func(o *judge.Option) bool { return o.Letter == letter })
	o := b.Judged.Options[at]
	low, high := math.Inf(1), math.Inf(-1)
	for _, t := range o.Trials {
		if span := t.Answers[i].Interval; span != nil {
			low, high = min(low, span.Low), max(high, span.High)
		}
	}
	return fmt.Sprintf("UNDECIDED: the limit of %s lies within the 95 %% interval of %s, %s to %s%s", budget.Text, o.Label,
		budget.Metric.Format(low), budget.Metric.Format(high), wouldDecide(o, i))
}

// refusal is the footnote of a number that the sample cannot carry. Where it is
// too small for most things, one footnote says so for all of them, and stands
// already.
func (r *Row) refusal(m *judge.Metric) (key string, said bool) {
	for _, c := range r.Checks {
		if c.Name == validity.Provider && !r.Own() || c.Name == stats.SampleSize && r.N < stats.Steady {
			return checkKey(c), true
		}
	}
	return "carry " + m.String(), false
}

func checkKey(c stats.Check) string { return "check " + c.Name + " " + string(c.Outcome) }

// complaint is a check that is not VALID, in words.
func complaint(c stats.Check) string { return string(c.Outcome) + ", " + c.Name + ": " + c.Text }

// Complaints are the checks that are not VALID, in words.
func (r *Row) Complaints() (out []string) {
	for _, c := range r.Failing() {
		out = append(out, complaint(c))
	}
	return out
}

// Why writes reasons as one line.
func Why(reasons []trial.Reason) string {
	var parts []string
	for _, r := range reasons {
		s := strings.TrimSuffix(r.Text, ".")
		if s == "" {
			s = r.Code
		}
		if r.Next != "" {
			s += " (next: " + strings.TrimSuffix(r.Next, ".") + ")"
		}
		parts = append(parts, s)
	}
	return words.Line(words.List(parts, "; ", 3), words.MaxSentence)
}

func outcomeWord(r *Row) string {
	switch r.Outcome {
	case trial.Failed:
		return "Failed"
	case trial.Skipped:
		return "Skipped"
	case judge.Missing:
		return "Missing"
	}
	return "OK"
}

// Tampered is what stands on top of a report of what is not as it was sealed.
func Tampered(what string) string {
	return "This is not what was measured: files of the run were changed after it was sealed (" + what + ")."
}

// caveats hold for the run as a whole.
func caveats(t *Table) (out []string) {
	if t.Run.Changed != "" {
		out = append(out, Tampered(t.Run.Changed))
	}
	if t.Run.Rehearsal {
		out = append(out, "This is a rehearsal against an emulated site: the times were measured on another machine "+
			"and are no verdict about the real device.")
	}
	var by []string
	for _, r := range t.Rows {
		if e := words.Line(r.Device.EmulatedBy(), words.MaxName); e != "" && !slices.Contains(by, e) {
			by = append(by, e)
		}
	}
	if len(by) > 0 {
		out = append(out, "The processor was emulated ("+words.List(by, ", ",
			3)+"): latencies under emulation say nothing about a real Pi 5.")
	}
	if t.Judged.DevicesVary() {
		out = append(out, "Several devices measured: "+t.byDevice()+". Boards of one kind differ: each has its own "+
			"options, and no ratio is taken between two.")
	}
	for _, a := range t.Run.Attempts {
		if a.Unproven != "" && a.Results > 0 {
			out = append(out, fmt.Sprintf("Board not proven (attempt %d): %s.", a.N, a.Unproven))
		}
	}
	if t.Interrupted != "" {
		out = append(out, t.Interrupted)
	}
	if t.Run.Note != "" {
		out = append(out, t.Run.Note)
	}
	return out
}

// Trouble says in one line why a row is not decided from.
func (r *Row) Trouble() string {
	if r.Sound() && !r.Own() {
		return words.List(r.Complaints(), "; ", 5)
	}
	if r.Sound() { // its card says the rest
		var names []string
		for _, c := range r.Failing() {
			names = append(names, string(c.Outcome)+" "+c.Name)
		}
		return words.List(names, ", ", 10)
	}
	if r.Outcome == trial.OK {
		return "Doubtful: " + words.List(r.Doubts, "; ", 5)
	}
	return outcomeWord(r) + ": " + words.List(texts(r.Reasons), "; ", 5)
}

// Remedies of the checks that speak against a row that has no card.
func (r *Row) Remedies() (out []string) {
	if r.Sound() && !r.Own() {
		for _, c := range r.Failing() {
			out = append(out, c.Remedy)
		}
	}
	return out
}

func texts(reasons []trial.Reason) (out []string) {
	for _, r := range reasons {
		s := r.Text
		if s == "" {
			s = r.Code
		}
		out = append(out, s)
	}
	return out
}

// accuracyNotes say what the shares are about, or why there are none.
func (b *builder) accuracyNotes(r *Row) {
	a, ok := r.Accuracy.Get()
	if !ok {
		if why := r.Accuracy.Unavailable; why != "" {
			b.mark(r, "accuracy", "no accuracy "+why, "No accuracy: "+why)
		}
		return
	}
	b.mark(r, "accuracy", "accuracy "+a.Data, fmt.Sprintf("Share of %s whose highest output was the right one, with "+
		"its exact (Clopper-Pearson) 95 %% interval; %s. "+
		"Measured on the device once for each model and provider, apart from the timed inferences",
		words.Plural(a.Pictures, "picture"), a.Data))
	g, ok := a.Agreement.Get()
	if !ok {
		b.mark(r, "agreement", "no agreement "+a.Agreement.Unavailable, "No agreement: "+a.Agreement.Unavailable)
		return
	}
	b.mark(r, "agreement", "agreement "+g.Reference, "Share of the same pictures for which the highest output is the "+
		"one that "+g.Reference+" gives, and the mean cosine between the two outputs; "+
		"the largest difference of two outputs is in the CSV and JSON reports")
}
