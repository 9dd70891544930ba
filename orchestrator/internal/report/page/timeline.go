package page

import (
	"time"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
)

// bar is one phase of the timeline.
type bar struct {
	Phase findings.Phase
	Plot  drawing
	Span  string
	Tone  content.Tone
}

// timeline places the phases between the first start and the last end.
func (t run) timeline() (out []bar, total string) {
	var first, last time.Time
	for _, p := range t.Phases {
		if !p.Start.IsZero() && (first.IsZero() || p.Start.Before(first)) {
			first = p.Start
		}
		for _, x := range []time.Time{p.Start, p.End} {
			if x.After(last) {
				last = x
			}
		}
	}
	span := last.Sub(first)
	for _, p := range t.Phases {
		b := bar{Phase: p, Span: "-", Plot: drawing{Height: 14, Label: p.Name}}
		switch p.Outcome {
		case "ok":
			b.Tone = content.Good
		case "failed":
			b.Tone = content.Bad
		default:
			b.Tone = content.Open
		}
		b.Plot.line(0, 7, 1, 7, "grid")
		if !p.Start.IsZero() && span > 0 {
			end := p.End
			if end.IsZero() {
				end, b.Span = last, "not over"
			} else {
				b.Span = words.Span(end.Sub(p.Start))
			}
			from, width := float64(p.Start.Sub(first))/float64(span), float64(end.Sub(p.Start))/float64(span)
			b.Plot.rect(from, 2, max(width, 0.004), 10, "bar "+string(b.Tone))
		}
		out = append(out, b)
	}
	return out, words.Span(span)
}
