// Package options says how the options of a run relate: how much longer one takes
// than another, which provider really ran each, and where its latencies scatter.
package options

import (
	"fmt"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/words"
)

// Ratio is how one option's latency relates to another's that differs from it in
// one thing only.
type Ratio struct {
	Axis   judge.Axis `json:"axis"`
	Option string     `json:"option"` // letters
	Base   string     `json:"base"`
	stats.Estimate
	Differs bool   `json:"differs"`
	Text    string `json:"text"`

	Judged judge.Ratio `json:"-"`
}

// Ratios are how the options compare, in words.
func Ratios(run *judge.Run) (out []Ratio) {
	for _, x := range run.Ratios() {
		out = append(out, Ratio{Axis: x.Axis, Option: x.Option.Letter, Base: x.Base.Letter, Estimate: x.Estimate,
			Differs: x.Differs(), Text: sentenceOf(x, run), Judged: x})
	}
	return out
}

// sentenceOf names the two options by what tells them apart, and what they share.
func sentenceOf(x judge.Ratio, run *judge.Run) string {
	a, b := x.Option.Trials[0], x.Base.Trials[0]
	who, whom := Variant(x.Axis, x.Option), Variant(x.Axis, x.Base)
	rest, times := " on "+a.Provider, " times "
	switch x.Axis {
	case judge.ByProvider:
		rest = " on " + a.Model
	case judge.ByThreads:
		whom, rest, times = fmt.Sprint(b.Threads), " for "+a.Model+" on "+a.Provider, " times as long as "
	}
	verb := words.When(x.Axis != judge.ByThreads, " is ") + words.When(x.Axis == judge.ByThreads, " take ")
	ratio := words.Digits(x.Ratio)
	i, ok := x.Interval.Get()
	if ok {
		ratio += fmt.Sprintf(" [%s, %s]", words.Digits(i.Low), words.Digits(i.High))
	}
	s := who + verb + ratio + times + whom + rest + InCommon(x.Axis, a, run)
	switch {
	case !ok:
		s += " (no interval: " + x.Interval.Unavailable + ")"
	case !x.Differs():
		s += ": no difference shown"
	}
	if bad := invalidText(x); bad != "" {
		s += " (" + bad + ")"
	}
	if !x.InTurns && ok {
		s += "; they were not measured in turns, so what changed between them is in the ratio"
	}
	return s
}

// Variant names an option by what tells it from the others on an axis.
func Variant(axis judge.Axis, o *judge.Option) string {
	t := o.Trials[0]
	switch axis {
	case judge.ByProvider:
		return t.Provider
	case judge.ByThreads:
		return words.Plural(t.Threads, "thread")
	}
	return t.Model
}

// InCommon names the threads and the batch that the options of an axis share,
// where other trials of the run have others.
func InCommon(axis judge.Axis, t *judge.Trial, run *judge.Run) (s string) {
	if axis != judge.ByThreads && run.ThreadsVary() {
		s += ", " + words.Plural(t.Threads, "thread")
	}
	if run.BatchVaries() {
		s += fmt.Sprintf(", batch %d", t.Batch)
	}
	return s
}

// invalidText says which of the two has INVALID trials; the table says why.
func invalidText(x judge.Ratio) string {
	option, base := firstComplaint(x.Option), firstComplaint(x.Base)
	switch {
	case option != "" && base != "":
		return "both are INVALID: " + base
	case option != "":
		return x.Option.Label + " is INVALID: " + option
	case base != "":
		return x.Base.Label + " is INVALID: " + base
	}
	return ""
}

// firstComplaint is that of the first INVALID trial of an option; "" if none is.
func firstComplaint(o *judge.Option) string {
	for _, t := range o.Comparable() {
		if t.Invalid() {
			return t.Complaint()
		}
	}
	return ""
}

// Spread is where the latencies of one option scatter.
type Spread struct {
	Option     string            `json:"option"`
	Components []stats.Component `json:"components"`
	Text       string            `json:"text"`
}

// maxSpreads bounds the work on plans that are a search.
const maxSpreads = 100

// Spreads splits the variance of each option with several process starts or
// blocks, and says what to have more of; with neither there is nothing to split.
func Spreads(run *judge.Run) (out []Spread) {
	for _, o := range run.Options {
		parts := o.Scatter()
		if len(parts) < 2 || len(out) >= maxSpreads {
			continue
		}
		var levels []string
		for _, p := range parts {
			levels = append(levels, p.String())
		}
		out = append(out, Spread{Option: o.Letter, Components: parts, Text: o.Label + ": " +
			strings.Join(levels, ", ") + "; " + stats.Advice(parts) + " would narrow its interval most"})
	}
	return out
}
