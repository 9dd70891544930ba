package run

import (
	"context"
	"errors"
	"slices"
	"time"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/transport"
)

// Site is where an experiment runs. The packages below internal/site implement
// it; this package knows no other thing about a cloud.
type Site interface {
	Reserver
	Launcher
	// Now is the site's time, by which leases begin and end: this machine's clock
	// may be off.
	Now() time.Time
	// Describe returns facts for attempts/N.json: names, endpoints, versions, user
	// and project. Never a secret.
	Describe() map[string]string
	// WarningsUntil says what is going to hurt before a time, such as a
	// credential that ends within the lease.
	WarningsUntil(end time.Time) []string
}

// Reserver gets and gives back the time on a device.
type Reserver interface {
	// Reserve makes the lease, or adopts the one that already carries this
	// exact name and was made by this user: names carry the run's id, so a
	// match is ours. It never creates twice: two matches are an error.
	Reserve(ctx context.Context, req LeaseRequest) (Lease, error)
	// FindLease looks a lease of this user up by exact name or by id;
	// found=false when there is none.
	FindLease(ctx context.Context, nameOrID string) (lease Lease, found bool, err error)
	// Await waits until the lease is active and its device is known.
	// progress (never nil) is called with what the server says meanwhile.
	Await(ctx context.Context, id string, progress func(string)) (Lease, error)
	// Release deletes the lease; nil if it is already gone. An error that wraps
	// [ErrWedged] says that nothing the user can do deletes it, now or later.
	Release(ctx context.Context, id string) error
}

// Neighbours is a Site on which two leases may come to have one board at one time.
type Neighbours interface {
	// Neighbours says who else has a board of the lease, in the time that the lease
	// still has, by the board's name: "a lease of carol has it: …". Empty: nobody.
	Neighbours(ctx context.Context, leaseID string) (map[string]string, error)
}

// Marks is a Site that takes the mark off a board when any lease of it ends, although
// another lease, which finds the board by it, goes on.
type Marks interface {
	// Unmarked says, in a sentence for each, which active leases of the user's have one of
	// these boards, and what becomes of them now that another lease of it has ended.
	Unmarked(ctx context.Context, boards []string) []string
}

// ErrWedged is the cause of a refusal that no repetition and no waiting mends.
var ErrWedged = errors.New("no request removes it")

// ErrStuck is the cause of what failed because a service of the site takes requests and
// carries none out, for nobody: the device is not to blame.
var ErrStuck = errors.New("its container service (zun-compute) may be stuck")

// Launcher starts, reaches and removes the container.
type Launcher interface {
	// Launch creates the container and waits until it runs, or adopts the
	// one that carries this exact name. On error nothing of it is left unless
	// the returned Container has an ID.
	Launch(ctx context.Context, req ContainerRequest, progress func(string)) (Container, error)
	// FindContainer looks a container up by exact name.
	FindContainer(ctx context.Context, name string) (c Container, found bool, err error)
	// Dial opens the transport that the request asked for.
	Dial(ctx context.Context, c Container, req ContainerRequest, progress func(string)) (transport.Transport, error)
	// Destroy removes the container and what Dial made for it (a floating
	// IP), and waits until it is gone; nil if it is already gone.
	Destroy(ctx context.Context, id string) error
}

// Prober is a Site that can tell its service that carries out commands, which may be
// stuck for all devices at once, from a container that is gone.
type Prober interface {
	// Stuck reports whether the service fails although this container works on.
	Stuck(ctx context.Context, c Container) bool
}

// Teller is a Site that says what a container's main command has printed of late,
// without a command in the container.
type Teller interface {
	Told(ctx context.Context, c Container) (string, error)
}

// LeaseRequest asks for one device, or for several that are each reserved on
// their own. For one, exactly one of MachineName, DeviceName and DeviceUID is set;
// for several, either MachineName or Boards.
type LeaseRequest struct {
	Name        string    `json:"name"`
	MachineName string    `json:"machine_name,omitempty"` // "raspberrypi5"
	DeviceName  string    `json:"device,omitempty"`       // "nyu-rpi5-01"
	DeviceUID   string    `json:"uid,omitempty"`
	Start       time.Time `json:"start,omitzero"` // zero: now
	End         time.Time `json:"end"`

	Devices int      `json:"devices,omitempty"`  // how many; 0: one, without a reservation of its own
	AllFree bool     `json:"all_free,omitempty"` // fewer than Devices will do
	Boards  []string `json:"boards,omitempty"`   // names or uids, one for each device
	Not     []string `json:"not,omitempty"`      // names of boards that the run has results of
	Beside  []string `json:"beside,omitempty"`   // names of boards that the user has right before or after: taken last
}

// Wants reports whether the request could be met by this device, or in part.
func (r LeaseRequest) Wants(d Device) bool {
	switch {
	case len(r.Boards) > 0:
		return slices.ContainsFunc(r.Boards, func(b string) bool { return wants(b, d) })
	case r.DeviceName != "":
		return d.Name == r.DeviceName
	case r.DeviceUID != "":
		return d.UID == r.DeviceUID
	}
	return d.MachineName == r.MachineName
}

// LeaseState is how far a lease has got. Each site translates its own statuses
// into these.
type LeaseState int

// The states of a lease.
const (
	LeasePending LeaseState = iota // it will serve: it has not begun, or is just being changed
	LeaseActive                    // it serves
	LeaseEnding                    // it is being ended or deleted
	LeaseOver                      // it has ended
	LeaseFailed                    // its device could not be had
)

// Serves reports whether a container can be had in the lease, now or later.
func (s LeaseState) Serves() bool { return s == LeasePending || s == LeaseActive }

// Lease is what the run needs to know of a lease.
type Lease struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	Status        string     `json:"status"`         // the site's own word, for people
	State         LeaseState `json:"-"`              // as of when the site was asked
	ReservationID string     `json:"reservation_id"` // Zun's scheduling hint
	Start         time.Time  `json:"start"`
	End           time.Time  `json:"end"`
	Device        Device     `json:"device"`                   // zero until known
	Unproven      string     `json:"board_unproven,omitempty"` // why nobody can say that a container is on this device
	Boards        []Board    `json:"boards,omitempty"`         // the reservations in it; their devices once it is active
}

// Board is a device in a lease of several, under a reservation of its own.
type Board struct {
	ReservationID string `json:"reservation_id"`
	Device        Device `json:"device"`
	Unproven      string `json:"unproven,omitempty"` // why nobody can say which board a container in it runs on
}

// Device is one reservable board.
type Device struct {
	ID          string `json:"id"` // Blazar's id; not the uid
	Name        string `json:"name"`
	UID         string `json:"uid"`
	MachineName string `json:"machine_name"`
	Arch        string `json:"arch"` // Go's name of the processor architecture, "arm64"; "" when the site does not tell
}

// ContainerRequest asks for one container on a reserved device.
type ContainerRequest struct {
	Name          string   `json:"name"` // a DNS label: [a-z0-9-], at most 63
	Image         string   `json:"image"`
	Command       []string `json:"command"` // one that stays alive
	ReservationID string   `json:"reservation_id"`
	// Follow is a file below the container's Dir, which its main command prints as it
	// grows, where the site can show that.
	Follow    string `json:"follow,omitempty"`
	Transport string `json:"transport"` // "zun", "ssh"; ignored by a site that has one way only
	// FirstUse is that the image of a server takes no host key, so that the first one which
	// it shows is believed.
	FirstUse bool `json:"host_key_on_first_use,omitempty"`
}

// Container is what the run needs to know of a container.
type Container struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
	// Dir is an absolute directory at the far end that this run may fill; it
	// need not exist yet.
	Dir string `json:"dir"`
	// Unheard says that the site has not heard of its device for a while, and so does
	// not know what the container's status is.
	Unheard bool `json:"-"`
	Over    bool `json:"-"` // it has ended or failed: nothing runs in it
	// Host is the machine that it is on, by the site's own name for it; "" where the site
	// does not tell.
	Host string `json:"host,omitempty"`
	// Digest is that of the image, as far as the site tells it: a tag can be moved.
	Digest trial.Reading[string] `json:"image_digest,omitzero"`
}
