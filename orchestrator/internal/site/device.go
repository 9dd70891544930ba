package site

import (
	"time"

	"chexp/orchestrator/internal/run"
)

// Device is one board and when it can be had.
type Device struct {
	run.Device
	Model      string `json:"model,omitempty"`
	Reservable bool   `json:"reservable"` // false: taken out of service
	Authorized bool   `json:"authorized"` // false: kept for other projects
	FreeNow    bool   `json:"free_now"`   // reservable, authorized, and nobody has it
	// when nobody will have it; zero when it is free now or cannot be had
	NextFree  time.Time `json:"next_free,omitzero"`
	FreeUntil time.Time `json:"free_until,omitzero"` // the next lease after that; zero: none is known

	Bookings []Booking `json:"bookings"` // that end now or later, by start
}

// Booking is a time for which a device is taken. Blazar counts its first and
// its last minute.
type Booking struct {
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	LeaseID string    `json:"lease_id"`
	User    string    `json:"user,omitempty"` // where the site shows it
	Mine    bool      `json:"mine"`
}

// Taken says what of a stretch of time is booked: by whom, and how much of it.
func (d Device) Taken(from, to time.Time) (mine, others time.Duration) {
	for _, b := range d.Bookings {
		begin, end := Later(b.Start, from), b.End.Add(time.Minute) // its last minute counts
		if end.After(to) {
			end = to
		}
		switch n := end.Sub(begin); {
		case n <= 0:
		case b.Mine:
			mine += n
		default:
			others += n
		}
	}
	return mine, others
}

// Slot is a free window on a device.
type Slot struct {
	Start  time.Time // zero: now
	End    time.Time
	Device run.Device
}

// EndOf is when a lease of this length ends by the manners of the sites' tutorials: so
// long into an hour, some minutes before the next lease begins ([spec.SiteKind]), at the
// last such time that leaves it no longer than asked. A lease that would lose more than
// half of its time so ends when it was asked to.
func EndOf(start time.Time, length, minute time.Duration) time.Time {
	limit := start.Add(length).UTC()
	end := limit.Truncate(time.Hour).Add(minute)
	if end.After(limit) {
		end = end.Add(-time.Hour)
	}
	if end.Sub(start) < length/2 {
		return limit.Truncate(time.Minute)
	}
	return end
}
