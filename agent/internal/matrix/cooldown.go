package matrix

import (
	"cmp"
	"context"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/wait"
)

const (
	// near is how close to its first temperature the device must be: within
	// 3 °C, as krun does [softdevteam/krun: README].
	near = 3.0
	// look is how often the temperature is read meanwhile.
	look = time.Second
)

// cooling waits before a block until the device has the temperature at which the
// run began, as a policy's CoolDown asks for.
type cooling struct {
	limit  time.Duration // of one pause; 0: no pauses
	every  time.Duration // between two readings
	read   func() trial.Reading[float64]
	record *record

	known  bool    // the first temperature has been read
	first  float64 // °C, when the run began
	pauses int     // since it was last told
	waited time.Duration
	missed int     // pauses that ended at their limit
	last   float64 // °C, after the latest of those
}

func newCooling(s *Supervisor) cooling {
	c := cooling{limit: s.Plan.Policy.CoolDown, every: cmp.Or(s.lookEvery, look), read: s.Temperature, record: s.record}
	if c.read == nil {
		c.read = func() trial.Reading[float64] { return trial.Unread[float64]("this agent reads no temperature") }
	}
	return c
}

// wait pauses while the device is too hot, at most as long as the policy says.
func (c *cooling) wait(ctx context.Context) error {
	if c.limit <= 0 {
		return nil
	}
	r := c.read()
	now, ok := r.Get()
	if !c.known {
		c.known, c.first = true, now
		if !ok {
			c.limit = 0
			c.record.note("cool_down has no effect, the temperature cannot be read: %s", r.Unavailable)
		}
	}
	hot := func() bool { return ok && now > c.first+near }
	if !hot() {
		return nil
	}
	begin := time.Now()
	for hot() && time.Since(begin) < c.limit {
		if err := wait.For(ctx, min(c.every, c.limit)); err != nil {
			return err
		}
		now, ok = c.read().Get()
	}
	c.pauses++
	c.waited += time.Since(begin)
	if !ok || hot() {
		c.missed++
		c.last = now
	}
	return nil
}

// tell notes the pauses of a round.
func (c *cooling) tell(round int) {
	switch {
	case c.pauses == 0:
		return
	case c.missed == 0:
		c.record.note("round %d: waited %v in %d pauses for the device to cool to %.1f °C",
			round, c.waited.Round(time.Second/10), c.pauses, c.first+near)
	default:
		c.record.note("round %d: waited %v in %d pauses for the device to cool to %.1f °C; "+
			"%d of them ended at the limit of %v, the last at %.1f °C",
			round, c.waited.Round(time.Second/10), c.pauses, c.first+near, c.missed, c.limit, c.last)
	}
	c.pauses, c.waited, c.missed = 0, 0, 0
}
