package run

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Clock is how the clock of an attempt's device stands to the site's. A Pi has no
// battery clock, so it may be hours off.
type Clock struct {
	// Ahead is how far it is ahead of the site's, in nanoseconds; negative: behind.
	Ahead trial.Reading[time.Duration] `json:"ahead_ns,omitzero"`
	// Within is by how much Ahead may be wrong: the time that the question took, and a
	// second of either clock, which count whole ones.
	Within time.Duration `json:"within_ns,omitzero"`
	// Asked is when the device was first asked, before its agent was started, by the
	// site's clock; zero: not known.
	Asked time.Time `json:"asked,omitzero"`
}

var epoch = regexp.MustCompile(`^[0-9]{1,11}$`)

// readClock reads what `date -u +%s` said. The device read its clock somewhen between
// the question and the answer; the middle is taken.
func readClock(said string, asked, answered time.Time) Clock {
	if !epoch.MatchString(said) {
		return Clock{Ahead: trial.Unread[time.Duration](
			"`date -u +%s` said: " + cmp.Or(words.Line(said, words.MaxName), "nothing")), Asked: asked}
	}
	seconds, _ := strconv.ParseInt(said, 10, 64) // it has at most 11 digits
	took := answered.Sub(asked)
	if took < 0 {
		return Clock{Ahead: trial.Unread[time.Duration]("the clock here was set while the device was asked"), Asked: asked}
	}
	return Clock{Ahead: trial.Read(time.Unix(seconds, 0).Sub(asked.Add(took / 2))), Within: took + 2*time.Second,
		Asked: asked}
}

// and is what two readings of one attempt's device say together. Where they differ by
// more than both may be wrong, the clock was set between them: then no one offset holds.
func (c Clock) and(later Clock) Clock {
	if c == (Clock{}) {
		return later
	}
	later.Asked = c.Asked
	before, known := c.Ahead.Get()
	now, ok := later.Ahead.Get()
	switch {
	case !known || !ok:
		later.Ahead.Value, later.Within = nil, 0
		later.Ahead.Unavailable = cmp.Or(c.Ahead.Unavailable, later.Ahead.Unavailable)
	case (now - before).Abs() > c.Within+later.Within:
		return Clock{Ahead: trial.Unread[time.Duration](fmt.Sprintf("the device's clock was set meanwhile, by %s",
			(now - before).Round(time.Second))), Asked: c.Asked}
	case c.Within < later.Within:
		return c
	}
	return later
}

// String is the offset for people; "" if nobody asked for it.
func (c Clock) String() string {
	ahead, ok := c.Ahead.Get()
	switch within := c.Within.Round(time.Second); {
	case !ok && c.Ahead.Unavailable == "":
		return ""
	case !ok:
		return "unavailable: " + words.Line(c.Ahead.Unavailable, words.MaxSentence)
	case ahead < 0:
		return fmt.Sprintf("%s behind the site's, give or take %s", (-ahead).Round(time.Second), within)
	default:
		return fmt.Sprintf("%s ahead of the site's, give or take %s", ahead.Round(time.Second), within)
	}
}
