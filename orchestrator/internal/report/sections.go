package report

import "strings"

// section is a heading with lines under it, for the renderers that are text.
type section struct {
	head  string
	lines []string
	foot  string
}

// sections are what the table does not show: how the options compare, which
// provider ran them, and where their latencies scatter. The brief ones leave out
// what explains nothing unexpected.
func (t *Table) sections(brief bool) (out []section) {
	if len(t.Ratios) > 0 {
		s := section{head: "How they compare", foot: t.comparisonNote()}
		for _, c := range t.Ratios {
			s.lines = append(s.lines, c.Text)
		}
		out = append(out, s)
	}
	if len(t.Placements) > 0 {
		s := section{head: "Which provider ran the model"}
		for _, p := range t.Placements {
			s.lines = append(s.lines, p.lines(t, brief)...)
		}
		if len(s.lines) > 0 {
			out = append(out, s)
		}
	}
	if len(t.Spreads) > 0 && !brief {
		s := section{head: "Where the latencies scatter"}
		for _, x := range t.Spreads {
			s.lines = append(s.lines, x.Text)
		}
		out = append(out, s)
	}
	return out
}

// comparisonNote says of what the intervals speak.
func (t *Table) comparisonNote() string {
	fewest := 0
	for _, c := range t.Ratios {
		if c.Interval.Value != nil && (fewest == 0 || c.Starts < fewest) {
			fewest = c.Starts
		}
	}
	if fewest == 0 {
		return ""
	}
	note := "Ratios of medians, from blocks measured in turns; in brackets the 95 % interval."
	if len(t.Ratios) >= 5 {
		note += " One interval in twenty misses by chance alone."
	}
	switch fewest {
	case 1:
		note += " They speak of these processes: another start may differ by more, so set trials.repetitions to 3 or more."
	case 2:
		note += " They are from two process starts, which is too few to know how starts differ: set trials.repetitions to 3 or more."
	}
	return note
}

// lines of the truth table for one option. The brief ones have none for a cpu
// provider that ran everything without detours.
func (p Placement) lines(t *Table, brief bool) []string {
	who := p.Model
	for _, r := range t.Rows {
		if r.Option == p.Option {
			who += t.run.Setting(r.Trial)
			break
		}
	}
	who += ", " + p.Provider + ": "
	if p.Unavailable != "" {
		return []string{who + "unavailable: " + p.Unavailable}
	}
	if brief && !p.Odd && len(p.Left) == 0 {
		return nil
	}
	s := who + p.Truth
	if len(p.Left) > 0 {
		s += "; left to the CPU provider: " + strings.Join(p.Left, ", ")
	}
	out := []string{s}
	if p.Why != "" && (!brief || p.Odd) {
		out = append(out, "  "+p.Why)
	}
	return out
}
