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

// Region is the only region of this cloud, spelled as Chameleon spells it.
const Region = "CHI@Edge"

// DomainName is the Keystone domain that holds Chameleon's users and projects.
const DomainName = "chameleon"

// World is shared by all services of one emulator.
type World struct {
	Log     *slog.Logger
	Faults  *Faults
	Devices []*Device // fixed after New
	Users   []*User   // fixed after New
	Pace    Pace

	mu     sync.Mutex
	offset time.Duration
}

// Pace is how long things take. The real values are in Default.
type Pace struct {
	Tick           time.Duration // Blazar's manager looks for due events this often [BLZ:blazar/manager/service.py EVENT_INTERVAL]
	PullDelay      time.Duration // time to get an image
	ExecuteTimeout time.Duration // after this Zun answers an execute without an exit code [ZUN:zun/conf/k8s.py]
	GatewayTimeout time.Duration // HAProxy and RPC limit of one call
	TokenLife      time.Duration
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
	return p
}

// New makes a world with the standard people, and boards unless devices has some.
func New(pace Pace, devices []Device, log *slog.Logger) *World {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &World{Log: log, Faults: newFaults(), Pace: pace.Default(), Users: people()}
	if len(devices) == 0 {
		devices = StandardDevices()
	}
	for i := range devices {
		d := devices[i]
		if d.ID == "" {
			d.ID = fixedUUID("blazar device " + d.Name)
		}
		w.Devices = append(w.Devices, &d)
	}
	return w
}

// Now is the cloud's time, UTC.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset).UTC()
}

// Advance moves the cloud's clock forward, for tests of lease ends and token
// expiry. Timers that are already running (a pull, an execute) do not notice.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
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

// fixedUUID is the same for the same name on every start.
func fixedUUID(name string) string {
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
