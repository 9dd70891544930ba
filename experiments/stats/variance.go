package stats

import (
	"cmp"
	"math"
	"slices"

	"chexp/experiments/words"
)

// Group is one device, process start or block: it holds either smaller groups
// or latencies in nanoseconds.
type Group struct {
	Groups    []Group
	Latencies []int64
}

// The levels at which latencies scatter, from the outermost. The same words name
// what an interval counts as one thing.
const (
	ByDevice    = "device"
	ByRun       = "run"
	ByStart     = "process start"
	ByBlock     = "block"
	ByInference = "inference"
)

// Levels are all of them, in that order.
var Levels = []string{ByDevice, ByRun, ByStart, ByBlock, ByInference}

// Component is how much of the spread arises at one level.
type Component struct {
	Level string `json:"level"`
	// SD is the relative standard deviation that this level adds, for example
	// 0.03 for process starts that differ by 3 % apart from what lies within.
	SD float64 `json:"relative_sd"`
	// Share of the whole variance.
	Share float64 `json:"share"`
	// Groups is the number of things of this level, in all.
	Groups int `json:"groups"`
}

// Components splits the variance of log latencies by level, names running from
// the outermost to the innermost, such as all [Levels]. More repetitions pay at the level with the largest share.
//
// It is the nested analysis of variance of Kalibera and Jones [Rigorous
// Benchmarking in Reasonable Time, ISMM'13]: the variance between the means of
// a level, less what the level below contributes to it. For groups of unequal
// size the harmonic mean of the sizes stands in, which is right for balanced
// data and good for nearly balanced. A negative difference is none: the share
// is 0. A level without two groups anywhere cannot be told from the one above;
// it is left out.
func Components(root Group, names ...string) []Component {
	var out []Component
	levels := make([]level, len(names))
	collect(root, levels)
	below := 0.0 // expected variance of a group's mean that comes from below
	for i := len(levels) - 1; i >= 0; i-- {
		l := levels[i]
		if l.free == 0 {
			continue // single groups: their means pass through unchanged
		}
		between := l.squares / float64(l.free)
		v := max(0, between-below)
		out = append(out, Component{Level: names[i], SD: math.Sqrt(v), Share: v, Groups: l.count})
		below = max(between, below) * l.inverse / float64(l.parents)
	}
	slices.Reverse(out)
	total := 0.0
	for _, c := range out {
		total += c.Share
	}
	for i := range out {
		if total > 0 {
			out[i].Share /= total
		}
	}
	return out
}

// level gathers the spread of the things of one level around their parents.
type level struct {
	squares float64 // Σ (mean of a thing - mean of its parent)²
	free    int     // degrees of freedom: things - parents
	count   int     // things
	parents int
	inverse float64 // Σ over parents of 1/size: the harmonic mean in the making
}

// collect returns the mean of a group, adding to the levels below it.
func collect(g Group, levels []level) (m float64, ok bool) {
	if len(levels) == 0 {
		return 0, false
	}
	var means []float64
	for _, v := range g.Latencies {
		if v > 0 && len(levels) == 1 {
			means = append(means, math.Log(float64(v)))
		}
	}
	for _, sub := range g.Groups {
		if v, ok := collect(sub, levels[1:]); ok {
			means = append(means, v)
		}
	}
	if len(means) == 0 {
		return 0, false
	}
	m = mean(means)
	l := &levels[0]
	for _, v := range means {
		l.squares += (v - m) * (v - m)
	}
	l.free += len(means) - 1
	l.count += len(means)
	l.parents++
	l.inverse += 1 / float64(len(means))
	return m, true
}

// String is the component in words: "12 blocks differ by 1.5 %".
func (c Component) String() string {
	return words.Plural(c.Groups, c.Level) + " differ by " + words.Percent(c.SD)
}

// Advice says of what to have more, to narrow the interval of the centre most:
// of the level that adds most to its uncertainty, which is the level's variance
// over the number of its things. It is "" where there are no components.
func Advice(parts []Component) string {
	if len(parts) == 0 {
		return ""
	}
	weight := func(c Component) float64 { return c.SD * c.SD / float64(max(1, c.Groups)) }
	most := slices.MaxFunc(parts, func(a, b Component) int { return cmp.Compare(weight(a), weight(b)) })
	return map[string]string{ByDevice: "more devices", ByRun: "more runs on other days", ByStart: "more repetitions",
		ByBlock: "more blocks", ByInference: "more inferences in each block"}[most.Level]
}
