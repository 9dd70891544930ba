package clock

import (
	"strings"
	"testing"
	"time"
)

// hear answers after the round trip, as a server whose clock is ahead would:
// somewhere on the way, and in whole seconds.
func hear(s *Service, asked time.Time, round, ahead time.Duration) {
	s.Hear(asked, asked.Add(round), asked.Add(round/2+ahead).Truncate(time.Second))
}

func TestServiceTime(t *testing.T) {
	base := time.Date(2026, 12, 1, 12, 0, 0, 250e6, time.UTC)
	for _, ahead := range []time.Duration{180 * time.Second, -3 * time.Hour, 90 * time.Millisecond, 0} {
		var s Service
		for i := range 40 {
			hear(&s, base.Add(time.Duration(i)*1370*time.Millisecond), 40*time.Millisecond, ahead)
		}
		hear(&s, base.Add(time.Minute), 50*time.Second, ahead) // a slow answer blurs nothing
		if off := (s.Ahead() - ahead).Abs(); off > 100*time.Millisecond {
			t.Errorf("%v ahead: taken for %v", ahead, s.Ahead())
		}
		if got, want := s.Warning() != "", ahead.Abs() > noticeable; got != want {
			t.Errorf("%v ahead: the warning is %q", ahead, s.Warning())
		}
		if ahead.Abs() < time.Second && s.Ahead() != 0 {
			t.Errorf("%v is within what a Date can tell, and is corrected by %v", ahead, s.Ahead())
		}
	}
}

// A clock that is set in the middle of a run (the machine woke up) is noticed as soon
// as two answers say so.
func TestServiceTimeAfterAClockWasSet(t *testing.T) {
	base := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	var s Service
	hear(&s, base, 0, 0)
	hear(&s, base.Add(time.Minute), 0, time.Hour)
	hear(&s, base.Add(time.Minute+time.Second), 0, time.Hour)
	if got := s.Ahead(); (got - time.Hour).Abs() > time.Second {
		t.Errorf("an hour ahead is taken for %v", got)
	}
	hear(&s, base.Add(2*time.Hour), 0, 0)
	hear(&s, base.Add(2*time.Hour+time.Second), 0, 0)
	if got := s.Ahead(); got.Abs() > time.Second {
		t.Errorf("after it was set right: %v", got)
	}
}

// A site answers from several hosts, and the clock of one is an hour ahead: each of
// its answers would have ended the lease.
func TestServiceTimeOfHostsThatDisagree(t *testing.T) {
	base := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	var s Service
	for i := range 40 {
		ahead := time.Duration(0)
		if i%2 == 1 {
			ahead = time.Hour
		}
		hear(&s, base.Add(time.Duration(i)*time.Second), 40*time.Millisecond, ahead)
		if got := s.Ahead(); got != 0 {
			t.Fatalf("after answer %d the site is taken to be %v ahead", i, got)
		}
	}
	hear(&s, base.Add(time.Minute), 40*time.Millisecond, -time.Hour)
	hear(&s, base.Add(time.Minute), 40*time.Millisecond, time.Hour)
	if got := s.Ahead(); got != 0 {
		t.Errorf("two that contradict each other as well: %v", got)
	}
}

func TestServiceWarning(t *testing.T) {
	base := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for ahead, want := range map[time.Duration]string{180 * time.Second: "180 s behind", -3 * time.Hour: "3 h ahead of"} {
		var s Service
		hear(&s, base, 0, ahead)
		hear(&s, base.Add(500*time.Millisecond), 0, ahead)
		if got := s.Warning(); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", ahead, got, want)
		}
	}
	var none *Service
	if none.Warning() != "" || time.Since(none.Now()).Abs() > time.Minute {
		t.Error("no service has this machine's time")
	}
}
