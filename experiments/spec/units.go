package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeUnits in falling order; a duration names each at most once.
var timeUnits = []struct {
	name string
	d    time.Duration
}{
	{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

var durationPart = regexp.MustCompile(`^([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|[dhms])`)

// parseDuration reads "2h", "1h30m", "500ms", "7d". Unlike time.ParseDuration
// it knows days, and refuses signs and units that nobody means here.
func parseDuration(s string) (time.Duration, error) {
	const allowed = "a number with a unit, such as 90s, 5m, 2h, 1h30m or 7d"
	rest, total, last := s, 0.0, -1
	for rest != "" {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("is %q, but must be %s", short(s), allowed)
		}
		rest = rest[len(m[0]):]
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, fmt.Errorf("is %q, but must be %s", short(s), allowed)
		}
		for i, u := range timeUnits {
			if u.name != m[2] {
				continue
			}
			if i <= last {
				return 0, fmt.Errorf("is %q: units must fall, each at most once (%s)", short(s), allowed)
			}
			last = i
			total += v * float64(u.d)
		}
	}
	if last < 0 {
		return 0, fmt.Errorf("is empty, but must be %s", allowed)
	}
	if total > float64(365*24*time.Hour) {
		return 0, fmt.Errorf("is %q, which is more than a year", short(s))
	}
	return time.Duration(math.Round(total)), nil
}

// duration reads a duration within bounds.
func (s *section) duration(key string, into *time.Duration, low, high time.Duration) {
	if s.values[key] == nil {
		return
	}
	text, ok := s.literal(key, "a duration, such as 90s or 2h")
	if !ok {
		return
	}
	d, err := parseDuration(text)
	switch {
	case err != nil:
		s.addf(key, "%v", err)
	case d < low || d > high:
		s.addf(key, "is %s, but must be from %s to %s", text, FormatDuration(low), FormatDuration(high))
	default:
		*into = d
	}
}

var percentForm = regexp.MustCompile(`^([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%$`)

// percentage reads a share such as "2%" within bounds in percent, and keeps it
// as a fraction.
func (s *section) percentage(key string, into *float64, low, high float64) {
	if s.values[key] == nil {
		return
	}
	text, ok := s.literal(key, "a percentage, such as 2%")
	if !ok {
		return
	}
	m := percentForm.FindStringSubmatch(text)
	if m == nil {
		s.addf(key, "is %q, but must be a percentage, such as 2%%", short(text))
		return
	}
	if v, err := strconv.ParseFloat(m[1], 64); err != nil || v < low || v > high {
		s.addf(key, "is %s, but must be from %g%% to %g%%", text, low, high)
	} else {
		*into = v / 100
	}
}

// FormatDuration writes a duration as the experiment file does: 2h, 1h30m,
// 7d, 500ms. What is below a millisecond keeps Go's form.
func FormatDuration(d time.Duration) string {
	if d <= 0 || d%time.Millisecond != 0 {
		if d == 0 {
			return "0s"
		}
		return d.String()
	}
	var b strings.Builder
	for _, u := range timeUnits {
		if n := d / u.d; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.d
		}
	}
	return b.String()
}

// parseStart reads "now" (the zero time) or a date and time with its zone.
func parseStart(s string) (time.Time, error) {
	const allowed = "now, next (the first free time), or a date and time with a zone, such as " +
		"2026-12-01T14:00-05:00 or 2026-12-01T19:00Z"
	if s == "now" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04Z07:00",
		"2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			if t.Second() != 0 || t.Nanosecond() != 0 {
				return time.Time{}, fmt.Errorf("is %q, but leases start on a whole minute", short(s))
			}
			return t, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if _, err := time.Parse(layout, s); err == nil {
			return time.Time{}, fmt.Errorf("is %q, which has no time zone: add Z for UTC or an offset such as -05:00 (the "+
				"server counts in UTC, you may not)", short(s))
		}
	}
	return time.Time{}, fmt.Errorf("is %q, but must be %s", short(s), allowed)
}
