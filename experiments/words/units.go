package words

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Digits writes three significant digits, without an exponent where that is
// readable: 0.0988, 8.90, 1234567 as 1230000.
func Digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 1e-4 || a >= 1e7 || math.IsInf(v, 0) || math.IsNaN(v):
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	exp := int(math.Floor(math.Log10(math.Abs(v))))
	scale := math.Pow(10, float64(2-exp))
	v = math.Round(v*scale) / scale
	exp = int(math.Floor(math.Log10(math.Abs(v)) + 1e-9)) // 9.996 has become 10.0
	return strconv.FormatFloat(v, 'f', max(0, 2-exp), 64)
}

// Unit scales a machine's unit for people.
type Unit struct {
	Name string
	Size float64 // in nanoseconds or bytes
}

// Times and Sizes are the units of times and of sizes, in ascending order.
var (
	Times = []Unit{{"ns", 1}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}}
	Sizes = []Unit{{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}}
)

// UnitFor returns the largest of ascending units in which v is at least 1.
func UnitFor(v float64, units []Unit) Unit {
	u := units[0]
	for _, c := range units {
		if v >= c.Size*0.9995 { // 999.5 µs would be printed as 1000 µs
			u = c
		}
	}
	return u
}

// Format writes three digits of v in this unit: "21.5 ms".
func (u Unit) Format(v float64) string { return Digits(v/u.Size) + " " + u.Name }

// Nanoseconds writes a duration given in nanoseconds: "21.5 ms".
func Nanoseconds(v float64) string { return UnitFor(v, Times).Format(v) }

// Bytes writes a size in decimal units: "8.90 MB".
func Bytes(v float64) string { return UnitFor(v, Sizes).Format(v) }

// Rate writes how many there are in a second: "47.1/s".
func Rate(v float64) string { return Digits(v) + "/s" }

// Count writes a large number: "300 G" is 300 thousand million.
func Count(v float64) string {
	for _, u := range []Unit{{" T", 1e12}, {" G", 1e9}, {" M", 1e6}} {
		if v >= u.Size {
			return Digits(v/u.Size) + u.Name
		}
	}
	return Digits(v)
}

// FromTo writes a range, with its unit once: "78 to 82 %", and "82 %" for two that are the same.
func FromTo(low, high string) string {
	if low == high {
		return low
	}
	number, unit, _ := strings.Cut(low, " ")
	if _, other, ok := strings.Cut(high, " "); ok && unit == other {
		low = number
	}
	return low + " to " + high
}

// Span writes how long something took: "36.3 s", "7 min 12 s", "2 h 5 min".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "?"
	case d < time.Minute:
		return Nanoseconds(float64(d))
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min", int(d.Minutes())) +
			When(d%time.Minute != 0, fmt.Sprintf(" %d s", int(d.Seconds())%60))
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h", int(d.Hours())) + When(d%time.Hour != 0, fmt.Sprintf(" %d min", int(d.Minutes())%60))
}

// Time writes a moment to the second, in UTC.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

var quantity = regexp.MustCompile(`(\d) (ns|µs|ms|s|min|h|B|kB|MB|GB|%)\b?`)

// Tie puts a no-break space between each number and its unit.
func Tie(s string) string { return quantity.ReplaceAllString(s, "$1\u00a0$2") }

// Plural writes "1 trial", "2 trials".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// There writes "1 device is", "2 devices are".
func There(n int, what string) string {
	if n == 1 {
		return Plural(n, what) + " is"
	}
	return Plural(n, what) + " are"
}

// List joins at most most items and says how many are left out: "a, b, and 3
// more".
func List(items []string, sep string, most int) string {
	if len(items) <= most {
		return strings.Join(items, sep)
	}
	return strings.Join(items[:most], sep) + fmt.Sprintf("%sand %d more", sep, len(items)-most)
}

// Present are the items that are not empty.
func Present(items ...string) []string {
	return slices.DeleteFunc(items, func(s string) bool { return s == "" })
}

// When is s if ok holds, and nothing otherwise.
func When(ok bool, s string) string {
	if ok {
		return s
	}
	return ""
}

// Shorten keeps the beginning and the end of a name, which tell most, in at most
// width runes.
func Shorten(s string, width int) string {
	r := []rune(s)
	switch {
	case len(r) <= width:
		return s
	case width < 1:
		return ""
	}
	head := (width - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(width-1-head):])
}

// Superscript writes the mark of a footnote.
func Superscript(n int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var b strings.Builder
	for _, d := range strconv.Itoa(n) {
		b.WriteRune(digits[d-'0'])
	}
	return b.String()
}
