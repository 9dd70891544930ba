package run

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
)

// The offset is taken at the middle of the call, and may be wrong by its length and
// the seconds that are not counted. What is no time says why.
func TestTheDevicesClockIsReadOffItsAnswer(t *testing.T) {
	asked := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	answered := asked.Add(4 * time.Second)
	for said, want := range map[string]time.Duration{
		"1796126402": 0,                 // 12:00:02, the middle
		"1796130002": time.Hour,         // ahead
		"1796122802": -time.Hour,        // behind
		"2":          -1796126400 * 1e9, // never set: 1970
	} {
		c := readClock(said, asked, answered)
		if ahead, ok := c.Ahead.Get(); !ok || ahead != want || c.Within != 6*time.Second || !c.Asked.Equal(asked) {
			t.Errorf("%s: %+v, want %s", said, c, want)
		}
	}
	for _, said := range []string{"", "date: not found", "-5", "123456789012345", "%s"} {
		c := readClock(said, asked, answered)
		if _, ok := c.Ahead.Get(); ok || !strings.HasPrefix(c.String(), "unavailable: ") {
			t.Errorf("%q: %+v", said, c)
		}
	}
	if c := readClock("1796126402", answered, asked); c.Ahead.Unavailable == "" {
		t.Errorf("a clock here that was set back: %+v", c)
	}
}

// A process that comes back asks again. When the first one asked counts; of offsets
// that differ, none holds.
func TestADevicesClockThatWasSetMeanwhileIsNotKnown(t *testing.T) {
	first := Clock{Ahead: trial.Read(time.Hour), Within: 3 * time.Second, Asked: time.Unix(1000, 0)}
	again := Clock{Ahead: trial.Read(time.Hour + 4*time.Second), Within: 2 * time.Second}
	if got := first.and(again); *got.Ahead.Value != time.Hour+4*time.Second || got.Within != 2*time.Second ||
		!got.Asked.Equal(first.Asked) {
		t.Errorf("the better of two: %+v", got)
	}
	if got := again.and(first); *got.Ahead.Value != time.Hour+4*time.Second || !got.Asked.IsZero() {
		t.Errorf("nobody knows of a time before the first: %+v", got)
	}
	again.Ahead = trial.Read(time.Duration(0))
	if got := first.and(again); got.Ahead.Value != nil || !strings.Contains(got.Ahead.Unavailable, "set meanwhile") {
		t.Errorf("set back by an hour: %+v", got)
	}
	if got := first.and(Clock{Ahead: trial.Unread[time.Duration]("no date")}); got.Ahead.Value != nil {
		t.Errorf("one that cannot be read any more: %+v", got)
	}
	if got := (Clock{}).and(first); got != first {
		t.Errorf("the first: %+v", got)
	}
}

// A run keeps, per attempt, how far the device's clock is from the site's, and notes
// by the site's clock when a result came home. (The device here is this machine.)
func TestARunKeepsTheOffsetOfTheDevicesClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		c, l := newCloud(t), newLab(t)
		c.ahead = ahead
		var s *store.Run
		began := c.Now()
		if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { s = cfg.Store }); err != nil {
			t.Fatal(err)
		}
		facts, err := ReadFacts(s, 1)
		if err != nil {
			t.Fatal(err)
		}
		k := facts[0].Clock
		got, ok := k.Ahead.Get()
		if !ok || (got+ahead).Abs() > k.Within || k.Within > time.Minute {
			t.Errorf("the site %s ahead: %+v", ahead, k)
		}
		if k.Asked.Before(began) || k.Asked.After(c.Now()) {
			t.Errorf("asked at %s", k.Asked)
		}
		brought, err := s.Brought(l.plan)
		if err != nil || len(brought) == 0 {
			t.Fatal(len(brought), err)
		}
		for _, b := range brought {
			if b.From.Time.Before(k.Asked) || b.From.Time.After(c.Now()) {
				t.Errorf("home at %s", b.From.Time)
			}
		}
	}
}
