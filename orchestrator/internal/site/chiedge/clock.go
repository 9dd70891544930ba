package chiedge

import (
	"fmt"
	"strings"
	"time"
)

// Here is the zone of the clock that people look at. Tests set it; time.Local
// itself is read by running timers.
var Here = time.Local

// Clock writes a time as Blazar counts it, in UTC, and as the clock here shows
// it, with the date where that differs: "2026-12-01 19:00 UTC (14:00 EST)".
func Clock(t time.Time) string { return clock(t, Here) }

func clock(t time.Time, here *time.Location) string {
	u, l := t.UTC(), t.In(here)
	text := utc(t)
	if _, offset := l.Zone(); offset == 0 {
		return text
	}
	layout := "15:04 MST"
	if u.YearDay() != l.YearDay() {
		layout = "2006-01-02 15:04 MST"
	}
	return text + " (" + l.Format(layout) + ")"
}

// Window is a stretch of time, written once in each clock: "2026-12-01 19:00 to
// 20:55 UTC (14:00 to 15:55 EST)".
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

const dayMinute = "2006-01-02 15:04"

// endTime leaves the date out where it is the start's.
func endTime(from, to time.Time) string {
	if from.YearDay() != to.YearDay() || from.Year() != to.Year() {
		return to.Format(dayMinute)
	}
	return to.Format("15:04")
}

// Span writes a length of time for people: "1 h 55 min".
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
