package clock

import (
	"fmt"
	"sync"
	"time"
)

// Service is the time of a service, as the Date of its answers tells it: leases
// begin and end by that, whatever this machine's clock says (that of a virtual
// machine that slept may be hours off). Before the first answer it is this
// machine's. Its methods may be called from several goroutines; nil is this
// machine's clock.
type Service struct {
	mu    sync.Mutex
	known bool
	lead
	odd *lead // by the last answer, where that contradicts those before
}

// lead is how far a service is ahead of this machine: between these.
type lead struct{ low, high time.Duration }

// and is what both allow; false: they contradict each other.
func (l lead) and(other lead) (lead, bool) {
	both := lead{max(l.low, other.low), min(l.high, other.high)}
	return both, both.low <= both.high
}

// Hear takes the Date of an answer, which counts whole seconds, and when this
// machine asked and had it. Each answer narrows how far the clocks differ. Two in a
// row that contradict those before show that a clock was set, and count alone. One
// by itself counts for nothing: a site has several hosts, and one whose clock is off
// must not end a lease.
func (s *Service) Hear(asked, answered, date time.Time) {
	// The clock on the wall, not the monotonic one: that is what Now adds to.
	said := lead{low: date.Sub(answered.Round(0)), high: date.Add(time.Second).Sub(asked.Round(0))}
	if said.high < said.low {
		return // this machine's clock was set while it waited
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		s.known, s.lead = true, said
		return
	}
	if both, ok := s.and(said); ok {
		s.lead, s.odd = both, nil
		return
	}
	if s.odd != nil {
		if both, ok := s.odd.and(said); ok {
			s.lead, s.odd = both, nil
			return
		}
	}
	s.odd = &said
}

// Ahead is how far the service is ahead of this machine; negative: behind. Below a
// second, or within what the answers leave open, it is 0.
func (s *Service) Ahead() time.Duration {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.low + (s.high-s.low)/2; d.Abs() >= time.Second && (s.low > 0 || s.high < 0) {
		return d
	}
	return 0
}

// Now is the service's time, in UTC.
func (s *Service) Now() time.Time { return time.Now().Round(0).Add(s.Ahead()).UTC() }

// Until is how long it is until t, by the service's clock.
func (s *Service) Until(t time.Time) time.Duration { return t.Sub(s.Now()) }

// noticeable is a difference that people ought to know of: countdowns look wrong.
const noticeable = 10 * time.Second

// Warning says that this machine's clock is off; "" if it is not, or hardly.
func (s *Service) Warning() string {
	switch d := s.Ahead(); {
	case d > noticeable:
		return fmt.Sprintf("this machine's clock is %s behind the site's: leases and deadlines go by the site's. "+
			"Set the clock", length(d))
	case d < -noticeable:
		return fmt.Sprintf("this machine's clock is %s ahead of the site's: leases and deadlines go by the site's. "+
			"Set the clock", length(-d))
	}
	return ""
}

// length writes small differences in seconds: 90 of them are no "2 min".
func length(d time.Duration) string {
	if d < 10*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return Span(d)
}
