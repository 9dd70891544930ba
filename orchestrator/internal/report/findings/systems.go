package findings

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/options"
)

// SystemsSchema names the document over several systems.
const SystemsSchema = "chexp/systems/v1"

// Systems is the answer over several systems: what each is good for, and which to take.
type Systems struct {
	Schema  string   `json:"schema"`
	Text    string   `json:"text"`
	Systems []System `json:"systems"`
}

// System is what one system is good for.
type System struct {
	System     string           `json:"system"`
	Run        string           `json:"run"`
	Where      string           `json:"where"`
	Verdict    judge.Conclusion `json:"verdict"`
	RealDevice bool             `json:"real_device"` // see [Decision]
	// Option is the fastest that meets every budget or, where none does, that meets
	// the most; "" where no result may be decided from.
	Option  string       `json:"option,omitempty"`
	Budgets []SystemKeep `json:"budgets,omitempty"`
	Bytes   int64        `json:"model_bytes,omitempty"`
	// P50NS and what follows are absent where no VALID result of a real device has them.
	P50NS           *float64 `json:"p50_ns,omitempty"`
	InputsPerS      *float64 `json:"inputs_per_s,omitempty"`
	PricePerHour    float64  `json:"price_per_hour,omitempty"`
	PricePerMillion *float64 `json:"price_per_million_inputs,omitempty"`
	Text            string   `json:"text"`
	Next            string   `json:"next,omitempty"`
}

// SystemKeep is how an option keeps one budget.
type SystemKeep struct {
	Budget  string        `json:"budget"`
	Verdict judge.Verdict `json:"verdict"`
	Value   *float64      `json:"value,omitempty"` // the worst of all repetitions, in the limit's unit
	// Margin is how far inside the limit the value is, as a share of the limit; outside
	// it is negative.
	Margin *float64 `json:"margin,omitempty"`
	text   string
}

// PricePerMillion is what a million inputs cost at so many a second, by the price of an hour.
func PricePerMillion(perHour, inputsPerS float64) float64 { return perHour / 3600 / inputsPerS * 1e6 }

// Over answers over the tables of several systems, in their order.
func Over(tables []*Table) *Systems {
	out := &Systems{Schema: SystemsSchema}
	var good []string
	real := 0
	var cheapest *System
	for _, t := range tables {
		s := system(t)
		if s.RealDevice {
			real++
		}
		if s.Verdict == judge.SomeMeet {
			good = append(good, s.System)
		}
		out.Systems = append(out.Systems, s)
	}
	for i := range out.Systems {
		s := &out.Systems[i]
		if s.Verdict == judge.SomeMeet && s.PricePerMillion != nil &&
			(cheapest == nil || *s.PricePerMillion < *cheapest.PricePerMillion) {
			cheapest = s
		}
	}
	n := len(out.Systems)
	switch len(good) {
	case 0:
		out.Text = fmt.Sprintf("None of %s is known to meet its budgets.", words.Plural(n, "system"))
	default:
		out.Text = fmt.Sprintf("%d of %s can meet their budgets: %s.", len(good), words.Plural(n, "system"),
			strings.Join(good, ", "))
	}
	if cheapest != nil {
		out.Text += fmt.Sprintf(" Of those with a price, %s costs least: %s per million inputs.", cheapest.System,
			words.Digits(*cheapest.PricePerMillion))
	}
	switch {
	case real == 0:
		out.Text = "No real device measured this, so it is no verdict about one: " + out.Text
	case real < n:
		out.Text = fmt.Sprintf("%d of them measured no real device, and nothing here is about one: ", n-real) + out.Text
	}
	return out
}

// system answers for one.
func system(t *Table) System {
	j := t.Judged.Decide()
	s := System{System: cmp.Or(t.Run.System, t.Run.Experiment), Run: t.Run.ID, Where: t.Run.Where(),
		Verdict: j.Conclusion, RealDevice: t.Decision.RealDevice, PricePerHour: t.Run.PricePerHour, Next: t.Decision.Next}
	best := j.Best()
	if best == nil {
		s.Text = t.Decision.Text
		return s
	}
	s.Option, s.Bytes = best.Label, best.Bytes
	sure := s.RealDevice && unsure(best) == ""
	for i, b := range t.Judged.Budgets {
		s.Budgets = append(s.Budgets, keeps(best, i, b, sure))
	}
	if p50, ok := best.P50.Get(); ok && sure {
		s.P50NS = &p50
	}
	if rate, ok := mostInputs(best).Get(); ok && sure && rate > 0 {
		s.InputsPerS = &rate
		if s.PricePerHour > 0 {
			per := PricePerMillion(s.PricePerHour, rate)
			s.PricePerMillion = &per
		}
	}
	s.Text = s.say()
	return s
}

// keeps says how an option keeps its i-th budget. A number that nobody may rely on is
// left out ([Decision.about]).
func keeps(o *judge.Option, i int, b judge.Budget, sure bool) SystemKeep {
	k := SystemKeep{Budget: b.Text, Verdict: o.Verdicts[i], text: b.Text + " " + o.Verdicts[i].String()}
	v, ok := o.Value(i)
	if !ok || !sure && !b.Metric.Apart() {
		return k
	}
	margin, side := b.Margin(v), "above"
	if b.Op.IsUpper() == (margin >= 0) {
		side = "below"
	}
	k.Value, k.Margin = &v, &margin
	k.text += fmt.Sprintf(" (%s, %s %s the limit)", b.Metric.Format(v), words.Percent(math.Abs(margin)), side)
	return k
}

// say puts what one system is good for into a sentence.
func (s *System) say() string {
	var kept []string
	for _, k := range s.Budgets {
		kept = append(kept, k.text)
	}
	text := s.Option
	switch s.Verdict {
	case judge.SomeMeet:
		text += " meets every budget"
	case judge.NoneMeets:
		text = "No option meets every budget; " + text + " meets the most"
	case judge.NoneKnown:
		text = "UNDECIDED: no option is known to meet every budget; " + text + " meets the most"
	default:
		text += " is the fastest; no budget was set"
	}
	if len(kept) > 0 {
		text += ": " + strings.Join(kept, ", ")
	}
	if s.PricePerHour > 0 {
		text += fmt.Sprintf("; at %s per hour", words.Digits(s.PricePerHour))
		if s.PricePerMillion != nil {
			text += fmt.Sprintf(" and %s, %s per million inputs", words.Rate(*s.InputsPerS), words.Digits(*s.PricePerMillion))
		}
	}
	return text + "."
}

// mostInputs is how many inputs a second an option handles, in its larger batches where
// it has any.
func mostInputs(o *judge.Option) trial.Reading[float64] {
	if o.Batched != nil {
		return options.Throughput(o.Batched.Trials)
	}
	return options.Throughput(o.Trials)
}
