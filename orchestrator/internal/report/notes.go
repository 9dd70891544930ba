package report

import (
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/trial"
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

func (b *builder) mark(r *Row, column, key, text string) {
	m := b.note(key, text)
	if !slices.Contains(r.marks[column], m) {
		r.marks[column] = append(r.marks[column], m)
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
	if r.Provider != "cpu" {
		b.mark(r, "provider", "provider "+r.Provider, providerNote(r.Provider))
	}
	if r.Outcome != trial.OK {
		b.mark(r, "outcome", "why "+string(r.Outcome)+why(r.Reasons), outcomeWord(r)+": "+why(r.Reasons))
		return
	}
	if len(r.Doubts) > 0 {
		d := list(r.Doubts, "; ", 4)
		b.mark(r, "outcome", "doubt "+d, "Doubtful, so nothing is decided from it: "+d+".")
	}
	if r.N > 0 && r.N < fewest {
		b.mark(r, "n", "few", "Fewer than six inferences say next to nothing about the next one.")
	}
	for _, p := range []struct {
		column string
		r      trial.Reading[float64]
	}{{"p50", r.P50}, {"p90", r.P90}, {"p95", r.P95}, {"p99", r.P99}, {"throughput", r.Throughput}} {
		if _, ok := p.r.Get(); !ok && (p.column != "p90" || b.judged("p90")) {
			if b.carries == nil {
				b.carries = map[string]int{}
			}
			b.carries[p.column]++
			b.mark(r, p.column, "carry "+p.column, "No "+p.column+": "+strings.TrimPrefix(p.r.Unavailable, p.column+" "))
		}
	}
	for i, v := range r.Verdicts {
		column := budgetColumn(i)
		switch {
		case v.Verdict == Unknown && len(r.Doubts) == 0:
			key := "unknown " + v.Why
			if _, ok := b.notes["carry "+b.Budgets[i].Metric]; ok { // the metric's own footnote says it
				key = "carry " + b.Budgets[i].Metric
			}
			b.mark(r, column, key, "Unknown: "+v.Why)
		case v.Close:
			b.mark(r, column, fmt.Sprintf("close %d", i), "Close call: the limit lies within the 95 % interval of the median; "+
				"another run may end on the other side.")
		}
	}
}

// finishNotes completes the footnotes that several trials share though their
// reasons differ in numbers, and gives every footnote a full stop.
func (b *builder) finishNotes() {
	for column, n := range b.carries {
		if n > 1 {
			b.Notes[b.notes["carry "+column]].Text += fmt.Sprintf(" (so or alike in %d trials)", n)
		}
	}
	for i := range b.Notes {
		if t := b.Notes[i].Text; !strings.HasSuffix(t, ".") {
			b.Notes[i].Text = t + "."
		}
	}
}

func (b *builder) judged(metric string) bool {
	return slices.ContainsFunc(b.Budgets, func(x Budget) bool { return x.Metric == metric })
}

// why writes reasons as one line.
func why(reasons []trial.Reason) string {
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
	return clean(list(parts, "; ", 3), maxSentence)
}

func outcomeWord(r *Row) string {
	switch r.Outcome {
	case trial.Failed:
		return "Failed"
	case trial.Skipped:
		return "Skipped"
	case Missing:
		return "Missing"
	}
	return "OK"
}

// providerNote warns of the silent fallback: ONNX Runtime gives every node
// that a provider does not take to the CPU provider and says nothing
// [microsoft/onnxruntime: docs/execution-providers]. The ACL provider is
// deprecated [microsoft/onnxruntime: onnxruntime/core/providers/acl/readme.md].
func providerNote(provider string) string {
	s := "ONNX Runtime runs the nodes that " + provider + " does not take on the CPU, without saying so. " +
		"How many nodes ran on " + provider + " was not measured."
	if provider == "acl" {
		s += " Its makers have deprecated this provider and will remove it."
	}
	return s
}

// caveats hold for the run as a whole.
func caveats(t *Table) (out []string) {
	if t.Run.Rehearsal {
		out = append(out, "This is a rehearsal against an emulated site: the times were measured on another machine and are no verdict about the real device.")
	}
	var by []string
	for _, r := range t.Rows {
		if e := clean(r.device.Emulated, maxName); e != "" && !slices.Contains(by, e) {
			by = append(by, e)
		}
	}
	if len(by) > 0 {
		out = append(out, "The processor was emulated ("+list(by, ", ", 3)+"): latencies under emulation say nothing about a real Pi 5.")
	}
	if t.Run.Note != "" {
		out = append(out, t.Run.Note)
	}
	return out
}
