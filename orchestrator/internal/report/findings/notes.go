package findings

import (
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/provider"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// note returns the mark of a footnote; the same key is the same footnote.
func (b *builder) note(key, text string) int {
	if b.notes == nil {
		b.notes = map[string]int{}
	}
	i, ok := b.notes[key]
	if !ok {
		i = len(b.Notes)
		b.notes[key] = i
		b.Notes = append(b.Notes, Note{Mark: i + 1, Text: text})
	}
	return i + 1
}

func (b *builder) known(key string) bool {
	_, ok := b.notes[key]
	return ok
}

func (b *builder) mark(r *Row, column, key, text string) {
	m := b.note(key, text)
	if !slices.Contains(r.Marks[column], m) {
		r.Marks[column] = append(r.Marks[column], m)
	}
	if !slices.Contains(r.Notes, m) {
		r.Notes = append(r.Notes, m)
	}
}

// footnotes attaches every doubt to the cell that it is about.
func (b *builder) footnotes(r *Row) {
	for _, m := range b.Models {
		if m.Name == r.Model && strings.Contains(m.Origin, "untrained") {
			b.mark(r, "model", "untrained", "Untrained model: its weights are random. Its size and its latency mean "+
				"something, its answers do not.")
		}
	}
	if t, ok := r.Ran.Get(); ok && r.Own() && t.Nodes < t.Of {
		b.mark(r, "provider", "ran "+r.Model+" "+t.String(), "On "+r.Model+", "+t.String()+"; the CPU provider ran the rest.")
	}
	if r.Result != nil {
		if p := provider.Named(r.Result.Provider.Name); p.Note != "" {
			b.mark(r, "provider", "note "+p.Name, p.Note)
		}
	}
	if r.Result != nil && len(r.Result.Restarts) > 0 {
		n := 1 + len(r.Result.Restarts)
		b.mark(r, "n", fmt.Sprintf("restarts %d", n), fmt.Sprintf("Interrupted and gone on with: its blocks are of %d process starts, and count as such.", n))
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

// answerNotes say why a verdict is unknown, and which are close.
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
		case a.Close:
			what := a.Budget.Metric.String()
			if a.Budget.Metric == judge.P50 {
				what = "median"
			}
			b.mark(r, BudgetColumn(i), fmt.Sprintf("close %d", i), "Close call: the limit lies within the 95 % "+
				"interval of the "+what+"; another run may end on the other side.")
		}
	}
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

// alike marks a cell with a footnote that trials share though their numbers
// differ; the text is that of the first.
func (b *builder) alike(r *Row, column, key, text, advice string) {
	b.mark(r, column, key, text)
	if b.shared == nil {
		b.shared = map[string]*shared{}
	}
	s := b.shared[key]
	if s == nil {
		s = &shared{text: text, advice: advice}
		b.shared[key] = s
	}
	s.trials++
	s.differ = s.differ || s.text != text
}

// shared is a footnote of several trials.
type shared struct {
	text, advice string
	trials       int
	differ       bool
}

// finishNotes says of shared footnotes how many trials they are about, and
// gives every footnote a full stop.
func (b *builder) finishNotes() {
	for key, s := range b.shared {
		t := s.text
		if s.differ {
			t += fmt.Sprintf(" (so or alike in %d trials)", s.trials)
		}
		if s.advice != "" {
			t += ". " + strings.ToUpper(s.advice[:1]) + s.advice[1:]
		}
		b.Notes[b.notes[key]].Text = t
	}
	for i := range b.Notes {
		if t := b.Notes[i].Text; !strings.HasSuffix(t, ".") {
			b.Notes[i].Text = t + "."
		}
	}
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
	return words.Line(words.List(parts, "; ", 3), maxSentence)
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

// caveats hold for the run as a whole.
func caveats(t *Table) (out []string) {
	if t.Run.Rehearsal {
		out = append(out, "This is a rehearsal against an emulated site: the times were measured on another machine and are no verdict about the real device.")
	}
	var by []string
	for _, r := range t.Rows {
		if e := words.Line(r.Device.Emulated, maxName); e != "" && !slices.Contains(by, e) {
			by = append(by, e)
		}
	}
	if len(by) > 0 {
		out = append(out, "The processor was emulated ("+words.List(by, ", ", 3)+"): latencies under emulation say nothing about a real Pi 5.")
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
