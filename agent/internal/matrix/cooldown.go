package matrix

import (
	"context"
	"fmt"
	"time"

	"chexp/experiments/trial"
)

const (
	// near is how close to its first temperature the device must be: within
	// 3 °C, as krun does [softdevteam/krun: README].
	near = 3.0
	// look is how often the temperature is read meanwhile.
	look = time.Second
)

// cooling is what a policy's CoolDown has to remember.
type cooling struct {
	begun  bool
	first  float64 // temperature when the run began
	pauses int     // since it was last told
	waited time.Duration
	missed int           // pauses that ended at their limit
	last   float64       // temperature after the latest of those
	every  time.Duration // instead of look, for tests
}

// coolDown waits, before a block, until the device has the temperature at which
// the run began, at most as long as the policy says.
func (s *Supervisor) coolDown(ctx context.Context) error {
	limit, c := s.Plan.Policy.CoolDown, &s.cooling
	if limit <= 0 {
		return nil
	}
	read := s.Temperature
	if read == nil {
		read = func() trial.Reading[float64] { return trial.Unread[float64]("this agent reads no temperature") }
	}
	r := read()
	now, ok := r.Get()
	if !c.begun {
		c.begun, c.first = true, now
		if !ok {
			s.Temperature = func() trial.Reading[float64] { return r }
			return s.Recorder.Event(trial.Event{Type: trial.Note, Text: "cool_down has no effect, the temperature cannot be read: " + r.Unavailable})
		}
	}
	if !ok || now <= c.first+near {
		return nil
	}
	every := look
	if c.every > 0 {
		every = c.every
	}
	begin := time.Now()
	for ok && now > c.first+near && time.Since(begin) < limit {
		timer := time.NewTimer(min(every, limit))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		now, ok = read().Get()
	}
	c.pauses++
	c.waited += time.Since(begin)
	if !ok || now > c.first+near {
		c.missed++
		c.last = now
	}
	return nil
}

// cooled tells of the pauses of a round.
func (s *Supervisor) cooled(round int) error {
	c := &s.cooling
	if c.pauses == 0 {
		return nil
	}
	text := fmt.Sprintf("round %d: waited %v in %d pauses for the device to cool to %.1f °C", round, c.waited.Round(time.Second/10), c.pauses, c.first+near)
	if c.missed > 0 {
		text += fmt.Sprintf("; %d of them ended at the limit of %v, the last at %.1f °C", c.missed, s.Plan.Policy.CoolDown, c.last)
	}
	c.pauses, c.waited, c.missed = 0, 0, 0
	return s.Recorder.Event(trial.Event{Type: trial.Note, Text: text})
}
