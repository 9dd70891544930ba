// Package clock writes times and lengths of time for people: in UTC, which the
// services count in, and on the clock of the machine that chexp runs on.
package clock

import (
	"fmt"
	"strings"
	"time"
)

// Here is the zone of the clock that people look at. Tests set it: they cannot
// set [time.Local], which running timers read.
var Here = time.Local

const dayMinute = "2006-01-02 15:04"

// UTC writes a time to the minute: "2026-12-01 19:00 UTC".
func UTC(t time.Time) string { return t.UTC().Format(dayMinute + " UTC") }

// Both writes a time in UTC and as the clock here shows it, with the date where
// that differs: "2026-12-01 19:00 UTC (14:00 EST)".
func Both(t time.Time) string { return both(t, Here) }

func both(t time.Time, here *time.Location) string {
	u, l := t.UTC(), t.In(here)
	text := UTC(t)
	if _, offset := l.Zone(); offset == 0 {
		return text
	}
	layout := "15:04 MST"
	if u.YearDay() != l.YearDay() {
		layout = dayMinute + " MST"
	}
	return text + " (" + l.Format(layout) + ")"
}

// Window writes a stretch of time in UTC and by the clock here:
// "2026-12-01 19:00 to 20:55 UTC (14:00 to 15:55 EST)".
func Window(from, to time.Time) string { return window(from, to, Here) }

func window(from, to time.Time, here *time.Location) string {
	u, l := from.UTC(), from.In(here)
	text := u.Format(dayMinute) + " to " + endTime(u, to.UTC()) + " UTC"
	if _, offset := l.Zone(); offset == 0 {
		return text
	}
	layout := "15:04"
	if l.YearDay() != u.YearDay() {
		layout = dayMinute
	}
	return text + " (" + l.Format(layout) + " to " + endTime(l, to.In(here)) + l.Format(" MST)")
}

// endTime leaves the date out where it is the start's.
func endTime(from, to time.Time) string {
	if from.YearDay() != to.YearDay() || from.Year() != to.Year() {
		return to.Format(dayMinute)
	}
	return to.Format("15:04")
}

// Span writes a length of time: "1 h 55 min", and seconds below a minute.
func Span(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", max(0, d).Seconds())
	}
	d = d.Round(time.Minute)
	var parts []string
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if n := d / u.d; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.d
		}
	}
	return strings.Join(parts, " ")
}
