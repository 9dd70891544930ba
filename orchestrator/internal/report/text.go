package report

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chexp/experiments/trial"
)

// Longest texts that a report takes over, in runes: a name fills a cell, a
// sentence fills a footnote. Devices can send megabytes.
const (
	maxName     = 64
	maxSentence = 600
)

// clean makes a text harmless to terminals and readers: one line, no control
// or escape characters, nothing invisible or that reverses the direction of
// writing, at most limit runes.
func clean(s string, limit int) string {
	if len(s) > 8*limit { // do not walk through megabytes; one rune is at most 4 bytes
		s = s[:8*limit]
	}
	var b strings.Builder
	n, blank := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			blank = b.Len() > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r): // control, format (bidi, zero width), private, unassigned
			r = '·'
		}
		if blank {
			b.WriteByte(' ')
			n++
			blank = false
		}
		if n >= limit {
			return b.String() + "…"
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// Harmless is clean for names that the caller shows or passes on.
func Harmless(s string) string { return clean(s, maxName) }

// name cleans what becomes a table cell. A name that no plan may hold is shown
// quoted in ASCII, so that it can neither pass for another nor break columns.
func name(s string) string {
	if trial.ValidName(s) || s == "" {
		return s
	}
	if len(s) > maxName {
		s = s[:maxName] + "..."
	}
	return strconv.QuoteToASCII(s)
}

func cleanReasons(in []trial.Reason) []trial.Reason {
	const most = 8
	var out []trial.Reason
	for i, r := range in {
		if i == most {
			out = append(out, trial.Reason{Code: "more", Text: fmt.Sprintf("and %d more reasons", len(in)-most)})
			break
		}
		out = append(out, trial.Reason{
			Code: clean(r.Code, maxName), Text: clean(r.Text, maxSentence), Next: clean(r.Next, maxSentence)})
	}
	return out
}

// sig3 writes three significant digits, plainly where that is readable.
func sig3(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a < 1e-4 || a >= 1e7 || math.IsInf(v, 0) || math.IsNaN(v):
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	exp := int(math.Floor(math.Log10(a)))
	scale := math.Pow(10, float64(2-exp))
	v = math.Round(v*scale) / scale
	exp = int(math.Floor(math.Log10(math.Abs(v)) + 1e-9)) // 9.996 has become 10.0
	return strconv.FormatFloat(v, 'f', max(0, 2-exp), 64)
}

// A unit scales machine units for people.
type unit struct {
	name string
	size float64
}

var (
	timeUnits = []unit{{"ns", 1}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}}
	byteUnits = []unit{{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}}
)

// unitFor returns the largest unit in which v is at least 1.
func unitFor(v float64, units []unit) unit {
	u := units[0]
	for _, c := range units {
		if v >= c.size*0.9995 { // 999.5 µs would be printed as 1000 µs
			u = c
		}
	}
	return u
}

func (u unit) format(v float64) string { return sig3(v/u.size) + " " + u.name }

func formatNS(v float64) string    { return unitFor(v, timeUnits).format(v) }
func formatBytes(v float64) string { return unitFor(v, byteUnits).format(v) }
func formatRate(v float64) string  { return sig3(v) + "/s" }

// formatMetric writes a value of a budget's metric.
func formatMetric(metric string, v float64) string {
	switch metric {
	case "size", "peak_memory":
		return formatBytes(v)
	case "throughput":
		return formatRate(v)
	case "accuracy":
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	return formatNS(v)
}

// formatSpan writes how long something took.
func formatSpan(d time.Duration) string {
	switch {
	case d < 0:
		return "?"
	case d < time.Minute:
		return formatNS(float64(d))
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min", int(d.Minutes())) + when(d%time.Minute != 0, fmt.Sprintf(" %d s", int(d.Seconds())%60))
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h", int(d.Hours())) + when(d%time.Hour != 0, fmt.Sprintf(" %d min", int(d.Minutes())%60))
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

var quantity = regexp.MustCompile(`(\d) (ns|µs|ms|s|min|h|B|kB|MB|GB|%)\b?`)

// tie puts a no-break space between a number and its unit.
func tie(s string) string { return quantity.ReplaceAllString(s, "$1\u00a0$2") }

// plural writes "1 trial", "2 trials".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// list joins at most most entries and says how many are left out.
func list(items []string, sep string, most int) string {
	if len(items) <= most {
		return strings.Join(items, sep)
	}
	return strings.Join(items[:most], sep) + fmt.Sprintf("%sand %d more", sep, len(items)-most)
}
