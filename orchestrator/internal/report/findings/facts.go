package findings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Fact is something known, or known to be unavailable, about the device or
// the software that measured.
type Fact struct {
	Name        string `json:"name"`
	Value       string `json:"value,omitempty"`
	Unavailable string `json:"unavailable,omitempty"`
}

// facts collects what all results say. Where they differ, all values are
// listed: a governor that changed during the run is worth knowing.
func facts(t *Table) []Fact {
	rows := slices.DeleteFunc(slices.Clone(t.Rows), func(r *Row) bool {
		return r.Outcome == judge.Missing || (r.Start.IsZero() && r.Agent.Version == "" && r.Runtime.Name == "")
	})
	if len(rows) == 0 {
		return nil
	}
	text := func(get func(*Row) trial.Reading[string]) func(*Row) (string, string) {
		return func(r *Row) (string, string) {
			v, _ := get(r).Get()
			return words.Line(v, 200), words.Line(get(r).Unavailable, 200)
		}
	}
	plain := func(get func(*Row) string) func(*Row) (string, string) {
		return func(r *Row) (string, string) { return words.Line(get(r), 200), "not told by the agent" }
	}
	out := []Fact{
		fact("Board", rows, text(func(r *Row) trial.Reading[string] { return r.Device.Model })),
		fact("Processor", rows, text(func(r *Row) trial.Reading[string] { return r.Device.CPU })),
		fact("Usable cores", rows, plain(func(r *Row) string {
			if r.Device.Cores < 1 {
				return ""
			}
			return fmt.Sprint(r.Device.Cores)
		})),
		fact("Memory", rows, func(r *Row) (string, string) {
			v, ok := r.Device.MemoryBytes.Get()
			return words.When(ok, words.Bytes(float64(v))), words.Line(r.Device.MemoryBytes.Unavailable, 200)
		}),
		fact("Emulated by", rows, func(r *Row) (string, string) {
			if r.Device.Emulated == "" {
				return "nothing: no sign of it", ""
			}
			return words.Line(r.Device.Emulated, 200), ""
		}),
		fact("Kernel", rows, text(func(r *Row) trial.Reading[string] { return r.Device.Kernel })),
		fact("Clock governor", rows, text(func(r *Row) trial.Reading[string] { return r.Device.Governor })),
		spread("Clock at the start of trials", rows, func(r *Row) (float64, bool, string) {
			v, ok := r.Device.ClockHz.Get()
			return float64(v), ok, r.Device.ClockHz.Unavailable
		}, func(v float64) string { return words.Digits(v/1e9) + " GHz" }),
		spread("Temperature at the start of trials", rows, func(r *Row) (float64, bool, string) {
			v, ok := r.Device.Temperature.Get()
			return v, ok, r.Device.Temperature.Unavailable
		}, func(v float64) string { return words.Digits(v) + " °C" }),
		fact("Runtime", rows, plain(func(r *Row) string { return strings.TrimSpace(r.Runtime.Name + " " + r.Runtime.Version) })),
		fact("Providers in the runtime", rows, plain(func(r *Row) string { return words.List(r.Runtime.Providers, ", ", 12) })),
		fact("Runtime build", rows, plain(func(r *Row) string { return r.Runtime.BuildInfo })),
		fact("Agent", rows, plain(func(r *Row) string {
			return strings.TrimSpace(r.Agent.Version + " " + strings.Trim(r.Agent.OS+"/"+r.Agent.Arch, "/"))
		})),
		fact("Agent sha256", rows, plain(func(r *Row) string { return r.Agent.SHA256 })),
	}
	out = append(out, harnessFact(rows))
	return append(out, newerFacts(rows)...)
}

// newerFacts are those that agents did not tell at first; of what no result
// mentions there is no line.
func newerFacts(rows []*Row) (out []Fact) {
	number := func(get func(*trial.Device) trial.Reading[int64], format func(int64) string) func(*trial.Device) (string, string) {
		return func(d *trial.Device) (string, string) {
			v, ok := get(d).Get()
			return words.When(ok, format(v)), get(d).Unavailable
		}
	}
	word := func(get func(*trial.Device) trial.Reading[string]) func(*trial.Device) (string, string) {
		return func(d *trial.Device) (string, string) {
			v, ok := get(d).Get()
			return words.When(ok, cmp.Or(v, "nothing")), get(d).Unavailable
		}
	}
	bytes := func(v int64) string { return words.When(v > 0, words.Bytes(float64(v))) + words.When(v <= 0, "none") }
	for _, f := range []struct {
		name string
		get  func(*trial.Device) (string, string)
	}{
		{"Board revision", word(func(d *trial.Device) trial.Reading[string] { return d.Board })},
		{"Top clock", number(func(d *trial.Device) trial.Reading[int64] { return d.MaxClockHz }, func(v int64) string { return words.Digits(float64(v)/1e9) + " GHz" })},
		{"Page size", func(d *trial.Device) (string, string) {
			return words.When(d.PageSize > 0, fmt.Sprintf("%d bytes", d.PageSize)), ""
		}},
		{"CPU quota", func(d *trial.Device) (string, string) {
			v, ok := d.Quota.Get()
			return words.When(ok && v > 0, words.Digits(v)+" cores") + words.When(ok && v == 0, "none"), d.Quota.Unavailable
		}},
		{"Memory limit", number(func(d *trial.Device) trial.Reading[int64] { return d.MemoryLimit }, bytes)},
		{"Swap", number(func(d *trial.Device) trial.Reading[int64] { return d.SwapBytes }, bytes)},
		{"Cooling", word(func(d *trial.Device) trial.Reading[string] { return d.CoolingSteps })},
		{"What it can do at best", func(d *trial.Device) (string, string) {
			v, ok := d.Roof.Get()
			return words.When(ok, roofText(v)), d.Roof.Unavailable
		}},
		{"Processor features", func(d *trial.Device) (string, string) {
			v, _ := d.Features.Get()
			return words.List(v, " ", 60), d.Features.Unavailable
		}},
		{"Kernel command line", word(func(d *trial.Device) trial.Reading[string] { return d.Cmdline })},
	} {
		x := fact(f.name, rows, func(r *Row) (string, string) {
			value, why := f.get(&r.Device)
			return words.Line(value, maxSentence), words.Line(why, 200)
		})
		if x.Value != "" || x.Unavailable != noReason {
			out = append(out, x)
		}
	}
	return out
}

func roofText(r trial.Roof) string {
	s := fmt.Sprintf("%s float and %s 8-bit multiply-adds a second on %s",
		words.Count(float64(r.Cores)*float64(r.ClockHz)*r.FloatPerCycle), words.Count(float64(r.Cores)*float64(r.ClockHz)*r.IntegerPerCycle), words.Plural(r.Cores, "core"))
	if v, ok := r.MemoryBytesPerSecond.Get(); ok {
		s += ", " + words.Bytes(v) + "/s from memory"
	}
	return s + words.When(r.Source != "", " ("+r.Source+")")
}

// fact joins the distinct values over the rows; without any it gives the
// first reason.
func fact(name string, rows []*Row, get func(*Row) (value, unavailable string)) Fact {
	f := Fact{Name: name}
	var values []string
	for _, r := range rows {
		v, why := get(r)
		switch {
		case v != "" && !slices.Contains(values, v):
			values = append(values, v)
		case v == "" && f.Unavailable == "":
			f.Unavailable = why
		}
	}
	if len(values) > 0 {
		return Fact{Name: name, Value: words.List(values, "; ", 3)}
	}
	if f.Unavailable == "" {
		f.Unavailable = noReason
	}
	return f
}

const noReason = "no reason given"

// spread gives the range of a number over the rows.
func spread(name string, rows []*Row, get func(*Row) (v float64, ok bool, why string), format func(float64) string) Fact {
	f := Fact{Name: name}
	n, low, high := 0, 0.0, 0.0
	for _, r := range rows {
		v, ok, why := get(r)
		if !ok {
			if f.Unavailable == "" {
				f.Unavailable = words.Line(why, 200)
			}
			continue
		}
		if n == 0 {
			low, high = v, v
		}
		low, high = min(low, v), max(high, v)
		n++
	}
	switch {
	case n == 0 && f.Unavailable == "":
		f.Unavailable = noReason
	case n == 0:
	case low == high:
		f = Fact{Name: name, Value: format(low)}
	default:
		f = Fact{Name: name, Value: format(low) + " to " + format(high)}
	}
	return f
}

// protocol says how the run measured, from the plan, and names what it used.
func protocol(r Run, p *trial.Plan) (out []Fact) {
	add := func(name, value string) {
		if value != "" {
			out = append(out, Fact{Name: name, Value: value})
		}
	}
	if p != nil {
		rule := fmt.Sprintf("%s not counted, then at least %s and %s of timed work", words.Plural(p.Policy.Warmup, "warm-up inference"),
			words.Plural(p.Policy.MinRuns, "inference"), words.Span(p.Policy.MinTime))
		if p.Policy.MaxTime > 0 {
			rule += ", at most " + words.Span(p.Policy.MaxTime)
		}
		add("Each trial", rule)
		add("Trials planned", fmt.Sprint(len(p.Trials)))
		add("Seed", fmt.Sprint(p.Seed))
	}
	add("Run", r.ID)
	add("Device uid", r.Device.UID)
	add("Lease", r.LeaseID)
	add("Container", r.ContainerID)
	add("Image", r.Image)
	add("chexp", r.ChexpVersion)
	return out
}
