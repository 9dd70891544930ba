package page

import (
	"html/template"
	"io"
	"math"

	"chexp/experiments/judge"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

var systemsTemplate = template.Must(template.Must(pageTemplate.Clone()).ParseFS(files, "systems.html.tmpl"))

// systemsPage is what the template draws.
type systemsPage struct {
	*findings.Systems
	CSS  template.CSS
	Cost *scatter
	// Heads are of every row's Numbers.
	Heads []string
	Rows  []systemRow
}

type systemRow struct {
	findings.System
	Verdict, Tone string
	Numbers       []systemNumber
}

type systemNumber struct{ Head, Text string }

func (n systemNumber) Empty() bool { return n.Text == "" }

// Systems writes the answer over several systems as one file that needs nothing else.
func Systems(w io.Writer, answer *findings.Systems) error {
	style, err := files.ReadFile("comparison.css")
	if err != nil {
		return err
	}
	p := systemsPage{Systems: answer, CSS: css + template.CSS(style), Cost: costOf(answer.Systems)}
	for _, s := range answer.Systems {
		p.Rows = append(p.Rows, newSystemRow(s))
	}
	for _, n := range newSystemRow(findings.System{}).Numbers {
		p.Heads = append(p.Heads, n.Head)
	}
	return systemsTemplate.ExecuteTemplate(w, "systems.html.tmpl", p)
}

func newSystemRow(s findings.System) systemRow {
	row := systemRow{System: s}
	switch s.Verdict {
	case judge.SomeMeet:
		row.Verdict, row.Tone = judge.Met.String(), "good"
	case judge.NoneMeets:
		row.Verdict, row.Tone = judge.NotMet.String(), "bad"
	case judge.NoneKnown:
		row.Verdict, row.Tone = judge.Undecided.String(), "warn"
	default:
		row.Verdict = "no decision"
	}
	if !s.RealDevice {
		row.Verdict, row.Tone = "no real device", "warn"
	}
	for _, n := range []struct {
		head  string
		value float64
		text  func(float64) string
	}{
		{"p50", valueOf(s.P50NS), words.Nanoseconds}, {"size", float64(s.Bytes), words.Bytes},
		{"inputs", valueOf(s.InputsPerS), words.Rate}, {"per hour", s.PricePerHour, words.Digits},
		{"per million", valueOf(s.PricePerMillion), words.Digits},
	} {
		text := ""
		if n.value > 0 {
			text = n.text(n.value)
		}
		row.Numbers = append(row.Numbers, systemNumber{n.head, text})
	}
	return row
}

func valueOf(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// costOf is what a million inputs cost at each system against its median; nil where none
// of them has both.
func costOf(all []findings.System) *scatter {
	known := func(s findings.System) bool { return s.P50NS != nil && s.PricePerMillion != nil }
	low, high, cheap, dear := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, s := range all {
		if known(s) {
			low, high = min(low, *s.P50NS), max(high, *s.P50NS)
			cheap, dear = min(cheap, *s.PricePerMillion), max(dear, *s.PricePerMillion)
		}
	}
	if high == 0 {
		return nil
	}
	out := &scatter{ID: "cost", Title: costTitle, XName: costName}
	d, x, up := out.plane(newScale(cheap, dear), newScale(low, high), high, "p50 latency",
		"Price of a million inputs against latency, one dot per system")
	for i, s := range all {
		if !known(s) {
			continue
		}
		class := "ring "
		if s.Verdict == judge.SomeMeet {
			class = "dot "
		}
		at, anchor, dx := x.at(*s.PricePerMillion), "start", 9.0
		if at > 0.6 {
			anchor, dx = "end", -9
		}
		d.circle(at, up(*s.P50NS), 5, class+seriesOf(i))
		d.text(at, dx, up(*s.P50NS)+4, anchor, "letter", words.Line(s.System, 30))
	}
	out.Plot = *d
	return out
}
