package page

import (
	"fmt"
	"math"
)

// ratioRow is one comparison: the interval around its ratio, beside 1.
type ratioRow struct {
	Name, Series, Value string
	Remark, Text        string
	Plot                drawing
}

// ratioAxis is the axis under some ratios.
func ratioAxis(s scale) drawing {
	d := drawing{Height: 20, Label: "Axis: ratio of medians"}
	for _, tick := range s.ticks(6) {
		d.line(s.at(tick), 0, s.at(tick), 5, "base")
		d.text(s.at(tick), 0, 17, "middle", "tick", fmt.Sprintf("%.4g", tick))
	}
	return d
}

// interval draws an interval with its ends, as far as they lie on the scale.
func (d *drawing) interval(s scale, low, high, y float64, class string) {
	a, b := math.Max(0, s.at(low)), math.Min(1, s.at(high))
	d.line(a, y, b, y, class)
	if s.at(low) >= 0 {
		d.line(a, y-4, a, y+4, class)
	}
	if s.at(high) <= 1 {
		d.line(b, y-4, b, y+4, class)
	}
}
