package page

import (
	"fmt"
	"math"

	"chexp/experiments/words"
)

// shape is one SVG element. Horizontal positions are percentages of the
// drawing's width and vertical ones are pixels, so that a drawing is as wide
// as its place on the page, on a phone or a projector, and its text and dots
// keep their size.
type shape struct {
	Kind         string // "rect", "line", "circle", "text"
	X, Y, X2, Y2 string
	W, H, R      string
	Class        string
	Text         string
	Anchor       string // of a text: "start", "middle", "end"
	Dx           string
}

// drawing is an SVG of a fixed height; Label is what a screen reader says.
type drawing struct {
	Height int
	Label  string
	Shapes []shape
}

func percent(share float64) string { return fmt.Sprintf("%.2f%%", 100*share) }
func pixel(v float64) string       { return fmt.Sprintf("%.1f", v) }

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	d.Shapes = append(d.Shapes, shape{Kind: "line", X: percent(x1), Y: pixel(y1), X2: percent(x2), Y2: pixel(y2),
		Class: class})
}

func (d *drawing) rect(x, y, w, h float64, class string) {
	d.Shapes = append(d.Shapes, shape{Kind: "rect", X: percent(x), Y: pixel(y), W: percent(w), H: pixel(h),
		Class: class})
}

func (d *drawing) circle(x, y, r float64, class string) {
	d.Shapes = append(d.Shapes, shape{Kind: "circle", X: percent(x), Y: pixel(y), R: pixel(r), Class: class})
}

// text is anchored at x; dx moves it by pixels.
func (d *drawing) text(x, dx, y float64, anchor, class, text string) {
	d.Shapes = append(d.Shapes, shape{Kind: "text", X: percent(x), Dx: pixel(dx), Y: pixel(y), Anchor: anchor,
		Class: class, Text: text})
}

// scale maps values to 0 … 1.
type scale struct {
	lo, hi float64
	log    bool
}

// newScale covers the values from zero, or, when they span more than a factor
// of 30, logarithmically: the small ones would otherwise be one heap at zero.
func newScale(low, high float64) scale {
	if low > 0 && high/low > 30 {
		return scale{lo: low / 1.3, hi: high * 1.3, log: true}
	}
	if high <= 0 {
		high = 1
	}
	return scale{lo: 0, hi: high * 1.06}
}

func (s scale) at(v float64) float64 {
	if s.hi <= s.lo {
		return 0.5
	}
	if s.log {
		return (math.Log(v) - math.Log(s.lo)) / (math.Log(s.hi) - math.Log(s.lo))
	}
	return (v - s.lo) / (s.hi - s.lo)
}

// ticks are round values, about n of them.
func (s scale) ticks(n int) (out []float64) {
	if s.log {
		for e := math.Floor(math.Log10(s.lo)); e <= math.Log10(s.hi); e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, e); v >= s.lo && v <= s.hi && (m == 1 || s.hi/s.lo < 200) {
					out = append(out, v)
				}
			}
		}
		return out
	}
	span := s.hi - s.lo
	if span <= 0 || math.IsInf(span, 0) {
		return []float64{s.lo}
	}
	step := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if span/(step*m) <= float64(n) {
			step *= m
			break
		}
	}
	for i := math.Ceil(s.lo / step); i*step <= s.hi; i++ {
		out = append(out, i*step)
	}
	return out
}

// tickText writes a tick without more digits than it needs.
func tickText(v float64, u words.Unit) string { return fmt.Sprintf("%.4g", v/u.Size) }

// bins counts an ascending sample in n equal parts of a scale; what lies
// beyond the ends is returned apart.
func bins(sorted []int64, s scale, n int) (counts []int, highest, beyond int) {
	counts = make([]int, n)
	for _, v := range sorted {
		p := s.at(float64(v))
		if !(p >= 0 && p <= 1) {
			beyond++
			continue
		}
		i := min(int(p*float64(n)), n-1)
		counts[i]++
		highest = max(highest, counts[i])
	}
	return counts, highest, beyond
}
