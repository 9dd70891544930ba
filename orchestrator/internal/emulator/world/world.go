// Package world is what the emulated services share: one clock, the people and
// projects, the boards, and the faults that a test or a rehearsal ordered. It holds
// no behaviour of any OpenStack service; those live in the packages beside it.
package world

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Edge is the region of the boards, spelled as Chameleon spells it.
const Edge = "CHI@Edge"

// DomainName is the Keystone domain that holds Chameleon's users and projects.
const DomainName = "chameleon"

// World is shared by all services of one site.
type World struct {
	Region  string
	Log     *slog.Logger
	Orders  *Orders   // what is to go wrong
	Devices []*Device // fixed after New; boards, or machines at a bare-metal site
	Users   []*User   // fixed after New
	Pace    Pace

	clock *clock
}

// clock is the time of all sites of one emulator.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
	moved  chan struct{} // closed when offset changes
}

// Pace is how long things take. The real values are in Default.
type Pace struct {
	// Blazar's manager looks for due events this often [BLZ:blazar/manager/service.py EVENT_INTERVAL]
	Tick           time.Duration
	PullDelay      time.Duration // time to get an image
	ExecuteTimeout time.Duration // after this Zun answers an execute without an exit code [ZUN:zun/conf/k8s.py]
	GatewayTimeout time.Duration // HAProxy and RPC limit of one call
	TokenLife      time.Duration
	Deploy         time.Duration // from a bare-metal server's creation to ACTIVE [PCHI:chi/server.py wait]

	// Seen, if set, returns when whoever watches the cloud has seen the state that it is in.
	Seen func(ctx context.Context)
}

// Default fills in every zero of p.
func (p Pace) Default() Pace {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&p.Tick, 10*time.Second)
	set(&p.PullDelay, 2*time.Second)
	set(&p.ExecuteTimeout, 5*time.Second)
	set(&p.GatewayTimeout, 60*time.Second)
	set(&p.TokenLife, 4*time.Hour)
	set(&p.Deploy, 10*time.Minute)
	return p
}

// New makes a world with the standard people, and boards unless devices has some.
func New(pace Pace, devices []Device, log *slog.Logger) *World {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &World{Region: Edge, Log: log, Orders: &Orders{left: Faults{}}, Pace: pace.Default(), Users: people(),
		clock: &clock{moved: make(chan struct{})}}
	if len(devices) == 0 {
		devices = StandardDevices()
	}
	for i := range devices {
		d := devices[i]
		if d.ID == "" {
			d.ID = FixedUUID("blazar device " + d.Name)
		}
		d.BootID = NewUUID()
		w.Devices = append(w.Devices, &d)
	}
	return w
}

// Beside makes the world of another site: its own machines, the same people, clock and orders.
func (w *World) Beside(region string, machines []Device) *World {
	other := *w
	other.Region, other.Devices = region, nil
	for i := range machines {
		other.Devices = append(other.Devices, &machines[i])
	}
	return &other
}

// Now is the cloud's time, UTC.
func (w *World) Now() time.Time {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	return time.Now().Add(w.clock.offset).UTC()
}

// Advance moves the clouds' clock forward, for tests of lease ends, token expiry and
// deployments. Timers that are already running (a pull, an execute) do not notice; who waits
// with Until does.
func (w *World) Advance(d time.Duration) {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	w.clock.offset += d
	close(w.clock.moved)
	w.clock.moved = make(chan struct{})
}

// Until waits until the cloud's clock shows t or ctx is done, and tells whether it does.
func (w *World) Until(ctx context.Context, t time.Time) bool {
	for {
		w.clock.mu.Lock()
		moved := w.clock.moved
		w.clock.mu.Unlock()
		left := t.Sub(w.Now())
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-moved:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

// Pause waits for d or until ctx is done, and tells whether d went by.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Hold keeps a passing state for d, and until it has been seen if somebody watches. It
// tells whether it went on until then: false if ctx is done.
func (p Pace) Hold(ctx context.Context, d time.Duration) bool {
	if !Pause(ctx, d) {
		return false
	}
	if p.Seen != nil {
		p.Seen(ctx)
	}
	return ctx.Err() == nil
}

// NewUUID makes a random id with dashes, as Blazar, Zun and Neutron do.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return formatUUID(b)
}

// NewHex makes n random bytes as hex digits: Keystone's ids are 16 bytes.
func NewHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// FixedUUID is the same for the same name in every emulator.
func FixedUUID(name string) string {
	sum := sha256.Sum256([]byte("chexp emulator: " + name))
	var b [16]byte
	copy(b[:], sum[:])
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// fixedHex is n stable bytes as hex digits.
func fixedHex(name string, n int) string {
	sum := sha256.Sum256([]byte("chexp emulator: " + name))
	return hex.EncodeToString(sum[:])[:2*n]
}
