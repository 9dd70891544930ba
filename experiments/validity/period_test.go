package validity

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// A device's clock that is an hour off is no fault of its results; what lies outside of
// its attempt once the hour is taken off is INVALID, and says why.
func TestAResultOutsideItsAttempt(t *testing.T) {
	from := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	to := from.Add(10 * time.Minute)
	for _, x := range []struct {
		ahead      time.Duration
		start, end time.Time // by the device's clock
		says       string
	}{
		{0, from, to, ""},
		{0, from.Add(-2 * time.Second), to.Add(2 * time.Second), ""}, // within what is not known
		{time.Hour, from.Add(61 * time.Minute), from.Add(65 * time.Minute), ""},
		{-time.Hour, from.Add(-59 * time.Minute), from.Add(-55 * time.Minute), ""},
		{0, from.Add(-time.Minute), to, "it starts 1m0s before its agent was started"},
		{0, from, to.Add(time.Minute), "it ends 1m0s after it was brought home"},
		{time.Hour, from, to, "it starts 1h0m0s before its agent was started, with the 1h0m0s that the device's clock " +
			"was ahead taken off"},
		{-time.Hour, from, to, "it ends 1h0m0s after it was brought home, with the 1h0m0s that the device's clock was " +
			"behind taken off"},
		{0, to, from, ""}, // ends before it starts: the other check's
	} {
		p := Period{From: from, To: to, Ahead: x.ahead, Within: 3 * time.Second}
		got := p.Checks(&trial.Result{Start: x.start, End: x.end})
		if x.says == "" && len(got) > 0 {
			t.Errorf("%+v: %+v", x, got)
		}
		if x.says != "" && (len(got) != 1 || got[0].Outcome != stats.Invalid || got[0].Name != Times ||
			!strings.HasPrefix(got[0].Text, x.says)) {
			t.Errorf("%+v: %+v", x, got)
		}
	}
	if got := (Period{}).Checks(&trial.Result{Start: from, End: to}); got != nil {
		t.Errorf("nothing is known, so nothing is judged: %+v", got)
	}
}
