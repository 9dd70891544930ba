package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
)

// live is what is known of a run with one device while it measures: a row for each option.
type live struct {
	options []*optionRow
	now     string  // where the run is
	celsius float64 // around the latest block; 0: not read
	left    time.Duration
	heard   time.Time // when left was said
	mustEnd time.Time
}

// optionRow is an option: the trials of one model, provider, threads and batch. What
// stands in it is of the repetition that was heard of last.
type optionRow struct {
	option, repetition string
	trial.Standing
	outcome trial.Outcome // of the repetition; empty while it goes on
}

// hears takes an event of the agent.
func (v *live) hears(ev trial.Event) {
	v.celsius = cmp.Or(ev.Celsius, v.celsius)
	if ev.LeftNS > 0 {
		v.left, v.heard = time.Duration(ev.LeftNS), time.Now()
	}
	if ev.Type == trial.TrialStarted || ev.Type == trial.TrialFinished {
		row := v.row(ev.Trial)
		row.outcome, row.MedianNS = ev.Outcome, cmp.Or(ev.MedianNS, row.MedianNS)
	}
	for _, s := range ev.Standings {
		v.row(s.Trial).Standing = s
	}
}

// row is the option of a trial; of another repetition than before, it begins anew.
func (v *live) row(id string) *optionRow {
	i := max(strings.LastIndex(id, ".r"), 0)
	option, repetition := id[:i], id[i:]
	for _, o := range v.options {
		if o.option == option {
			if o.repetition != repetition {
				*o = optionRow{option: option, repetition: repetition}
			}
			return o
		}
	}
	v.options = append(v.options, &optionRow{option: option, repetition: repetition})
	return v.options[len(v.options)-1]
}

// lines are the rows, those that go on before those that are over where there is no room
// for all, and where the run is.
func (v *live) lines(phase string, room int) []string {
	var shown, over []*optionRow
	for _, o := range v.options {
		if o.outcome == "" {
			shown = append(shown, o)
		} else {
			over = append(over, o)
		}
	}
	if len(v.options) <= room {
		shown, over = v.options, nil
	}
	shown = append(shown, over...)
	shown = shown[:min(len(shown), room)]
	wide := 0
	for _, o := range shown {
		wide = max(wide, len(o.option))
	}
	var lines []string
	for _, o := range shown {
		lines = append(lines, fmt.Sprintf("  %-*s %s", min(wide, 34), o.option, o.say()))
	}
	if more := len(v.options) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("  and %s", words.Plural(more, "option")))
	}
	lines = append(lines, fmt.Sprintf("  %-10s %s", phase, v.now))
	if rest := v.rest(time.Now()); rest != "" {
		lines = append(lines, fmt.Sprintf("  %-10s %s", "", rest))
	}
	return lines
}

// say is what is known of the option.
func (o *optionRow) say() string {
	text := fmt.Sprintf("%-4s", strings.TrimPrefix(o.repetition, "."))
	switch {
	case o.MedianNS > 0:
		text += fmt.Sprintf(" p50 %-8s", words.Nanoseconds(o.MedianNS))
		if i := o.Interval; i != nil {
			text += fmt.Sprintf(" [%s, %s]", words.Nanoseconds(i.Low), words.Nanoseconds(i.High))
		}
		if o.N > 0 {
			text += fmt.Sprintf(" n %d", o.N)
		}
	case o.outcome == "":
		text += " not measured yet"
	}
	if o.outcome != "" {
		text += " " + string(o.outcome)
	}
	return text
}

// rest is how warm the device is, and the time that plan and lease leave.
func (v *live) rest(now time.Time) string {
	var parts []string
	if v.celsius > 0 {
		parts = append(parts, fmt.Sprintf("%.0f °C", v.celsius))
	}
	if left := v.left - now.Sub(v.heard); v.left > 0 && left >= 2*time.Second {
		parts = append(parts, "about "+short(left)+" left")
	}
	if left := v.mustEnd.Sub(now); !v.mustEnd.IsZero() && left > 0 {
		parts = append(parts, clock.Span(left)+" in the lease")
	}
	return strings.Join(parts, ", ")
}
