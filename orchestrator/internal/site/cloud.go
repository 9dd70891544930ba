package site

import (
	"cmp"
	"context"
	"strings"
	"time"

	"chexp/orchestrator/internal/run"
)

// Examiner is a site that can be looked at before a run.
type Examiner interface {
	// Examine asks everything that a run will need, and creates nothing.
	Examine(ctx context.Context) []Answer
}

// Images is a site that has a stock of images, of which servers are made.
type Images interface {
	// CheckImage refuses an image that the site does not have.
	CheckImage(ctx context.Context, name string) error
}

// Cloud is a site that lends devices for a time, with somebody signed in.
type Cloud interface {
	run.Site
	run.Neighbours
	run.Marks
	Calendar
	Leases
	// Containers lists the user's own that have not ended, whoever started them.
	// The site does not tell on which device one is.
	Containers(ctx context.Context) ([]Container, error)
	// Warnings are things that are going to hurt a run of the usual length,
	// in sentences.
	Warnings() []string
	Examiner
}

// Calendar tells what devices there are and when each is free.
type Calendar interface {
	// Devices lists the devices by name. Whether a booking is the user's own
	// is known only where the site names its users.
	Devices(ctx context.Context) ([]Device, error)
	// Calendar lists them with the user's own bookings marked for certain.
	Calendar(ctx context.Context) ([]Device, error)
	// NextSlot finds the first window in which a device that the request
	// matches is free. end makes the end of a lease from its start, [EndOf]
	// for one.
	NextSlot(ctx context.Context, req run.LeaseRequest, end func(start time.Time) time.Time) (Slot, error)
	// CheckFree refuses a request that cannot be met as far as the calendar
	// tells. When that cannot be read the request passes, with the reason.
	CheckFree(ctx context.Context, req run.LeaseRequest) (unread string, err error)
}

// Leases are the project's leases, as people handle them.
type Leases interface {
	// Leases lists everybody's by start, those that ended included.
	Leases(ctx context.Context) ([]Lease, error)
	// ShowLease returns one with its device.
	ShowLease(ctx context.Context, idOrName string) (Lease, error)
	// OwnLease returns one of the user's own, and refuses all others.
	OwnLease(ctx context.Context, idOrName string) (Lease, error)
	// LiveLease looks for the user's own lease of this name that still serves.
	LiveLease(ctx context.Context, name string) (lease run.Lease, found bool, err error)
	// ExtendLease moves the end of the user's own lease later.
	ExtendLease(ctx context.Context, l Lease, end time.Time) (Lease, error)
	// ShortenLease moves it earlier; a zero end is now.
	ShortenLease(ctx context.Context, l Lease, end time.Time) (Lease, error)
}

// Container is one as people know it.
type Container struct {
	run.Container
	Image string `json:"image"`
}

// MaxLeaseName is the width of Blazar's column, in characters
// [BLZ:blazar/db/sqlalchemy/models.py].
const MaxLeaseName = 80

// Lease is a lease as the lease commands show it.
type Lease struct {
	run.Lease
	Mine     bool      `json:"mine"` // made by the user who asks; the list has the whole project's
	UserID   string    `json:"user_id"`
	User     string    `json:"user,omitempty"` // the owner's name, where the site shows it
	Degraded bool      `json:"degraded"`
	Asked    string    `json:"asked"` // Blazar's filter, as it was sent
	Created  time.Time `json:"created,omitzero"`
	Updated  time.Time `json:"updated,omitzero"` // zero: never changed

	Devices []run.Device `json:"devices,omitempty"` // all that it has, where the calendar tells; Device is the first

	ReservationStatus string  `json:"reservation_status"`
	Events            []Event `json:"events,omitempty"`
}

// DeviceNames are the names of what the lease has.
func (l Lease) DeviceNames() string {
	var names []string
	for _, d := range l.Devices {
		names = append(names, d.Name)
	}
	return cmp.Or(strings.Join(names, ", "), l.Device.Name)
}

// Event is what the reservation service does, or did, for a lease.
type Event struct {
	Type   string    `json:"type"`
	Time   time.Time `json:"time"`
	Status string    `json:"status"`
}

// Left is how much of its time a lease still has; zero when it serves no more.
func Left(l run.Lease, now time.Time) time.Duration {
	if !l.State.Serves() {
		return 0
	}
	return max(0, l.End.Sub(Later(l.Start, now)))
}

// Later is the later of two times.
func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
