package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault names one thing that can be made to go wrong: one of the constants below, or a
// target and what is to happen to it, such as "zun.create=500" (see ParseFault).
type Fault string

// The faults with a name of their own. Each is ordered with a number of times; a negative
// number means for ever.
const (
	LeaseError      Fault = "lease-error"        // a starting lease goes to ERROR
	LeaseDegraded   Fault = "lease-degraded"     // a started lease's board is found broken: degraded, and no pod runs there
	NodeGone        Fault = "node-gone"          // the starting lease's board is lost to Kubernetes: ERROR, and its DELETE is a 500
	NoFreeDevice    Fault = "no-free-device"     // a lease creation finds every device taken
	NoAllocation    Fault = "no-allocation"      // a lease creation is more than is left of the project's allocation: 400
	Extension403    Fault = "extension-403"      // a lease extension outside the window is 403, as production's nightly test has it; the public code says 400
	ContainerError  Fault = "container-error"    // a container goes to Error while it starts
	ContainerVanish Fault = "container-deleted"  // a fresh container shows as Deleted (a race of Zun's sync, seen on the real code)
	DatabaseLocked  Fault = "zun-db-locked"      // Zun's database is locked while a container is made: Error for a moment, then it comes up after all
	NoHosts         Fault = "no-hosts"           // no compute service is up: the container is made in Error
	ImageNeverPulls Fault = "image-never-pulls"  // the image cannot be fetched: Creating for ever
	AddressLate     Fault = "address-late"       // a container runs for a while before it shows an address
	ExecuteCut      Fault = "execute-cut"        // an execute is cut at once: exit_code null, the process goes on
	InteractiveOff  Fault = "interactive-off"    // no interactive execute, as in the public code of 2024
	PutArchive500   Fault = "put-archive-500"    // an upload is refused with 500 before anything is written
	BlazarDown      Fault = "blazar-503"         // the load balancer in front of Blazar answers 503 in HTML
	ZunDown         Fault = "zun-503"            // the same for Zun
	NeutronDown     Fault = "neutron-503"        // the same for Neutron
	LeaseLost       Fault = "lost-lease"         // the lease is made, then the connection drops without an answer
	ContainerLost   Fault = "lost-container"     // the container is made, then the connection drops
	FloatingIPDead  Fault = "floating-ip-dead"   // a floating IP is associated but carries no traffic
	PoolDry         Fault = "pool-dry"           // every floating IP is in use
	OverQuota       Fault = "over-quota"         // the project has as many floating IPs as it may
	ServerError     Fault = "server-error"       // the machine of a bare-metal server fails while it is deployed: ERROR
	CredExpired     Fault = "credential-expired" // signing in with an application credential finds it expired
	NoProject       Fault = "no-active-project"  // signing in finds that the project's allocation has ended: no role, 401
)

var knownFaults = []Fault{LeaseError, LeaseDegraded, NodeGone, NoFreeDevice, NoAllocation, Extension403, ContainerError, ContainerVanish,
	DatabaseLocked, ServerError,
	NoHosts, ImageNeverPulls, AddressLate, ExecuteCut, InteractiveOff, PutArchive500, BlazarDown, ZunDown, NeutronDown, LeaseLost,
	ContainerLost, FloatingIPDead, PoolDry, OverQuota, CredExpired, NoProject}

// Faults counts what is still to go wrong.
type Faults struct {
	mu   sync.Mutex
	left map[Fault]int
}

func newFaults() *Faults { return &Faults{left: map[Fault]int{}} }

// Set orders faults, replacing the counts of those named. Unknown names are an
// error, and then nothing is changed.
func (f *Faults) Set(order map[Fault]int) error {
	clean := map[Fault]int{}
	for name, times := range order {
		key, _, err := parseName(string(name))
		if err != nil {
			return err
		}
		clean[key] = times
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(f.left, clean)
	return nil
}

// Take tells whether the fault is to happen now, and counts it.
func (f *Faults) Take(name Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.take(name)
}

func (f *Faults) take(name Fault) bool {
	n := f.left[name]
	if n > 0 {
		f.left[name] = n - 1
	}
	return n != 0
}

// Left returns what is still to go wrong.
func (f *Faults) Left() map[Fault]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := map[Fault]int{}
	for k, n := range f.left {
		if n != 0 {
			left[k] = n
		}
	}
	return left
}

// Call returns what is to happen to a call of a service, and counts it. An order for the call
// goes before one for the whole service.
func (f *Faults) Call(service, call string) (Action, bool) {
	return f.first(service+"."+call, service)
}

// Network returns what is to happen to a connection, without counting: whoever carries it out
// counts it with Take.
func (f *Faults) Network() (a Action, key Fault, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, n := range f.left {
		if rest, is := strings.CutPrefix(string(key), "network="); is && n != 0 {
			a, _ := parseAction(rest)
			return a, key, true
		}
	}
	return Action{}, "", false
}

// Setting returns the value of an order that changes how the cloud is ("token",
// "execute", "zun.workers", "blazar.start"); it is not counted.
func (f *Faults) Setting(target string) (Action, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(f.left)) {
		if rest, is := strings.CutPrefix(string(key), target+"="); is && f.left[key] != 0 {
			a, err := parseAction(rest)
			return a, err == nil
		}
	}
	return Action{}, false
}

// Chosen tells whether a setting has that value now: "blazar.policy=upstream".
func (f *Faults) Chosen(setting, value string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left[Fault(setting+"="+value)] != 0
}

func (f *Faults) first(targets ...string) (Action, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, target := range targets {
		for _, key := range slices.Sorted(maps.Keys(f.left)) {
			rest, is := strings.CutPrefix(string(key), target+"=")
			if is && f.take(key) {
				a, err := parseAction(rest)
				return a, err == nil
			}
		}
	}
	return Action{}, false
}

// Action is what an order does to its target; one of its fields is set.
type Action struct {
	Status int           // answer with this HTTP status
	Drop   bool          // end the connection before anything is done
	Lose   bool          // do what was asked, then end the connection without an answer
	Hang   bool          // do nothing until the gateway gives up: 504
	Slow   time.Duration // answer this much later
	After  int64         // cut the connection after so many bytes
	Life   time.Duration // a token's
	Number int           // workers
}

func unknownFault(name string) error {
	var names []string
	for _, k := range knownFaults {
		names = append(names, string(k))
	}
	return fmt.Errorf("emulator: unknown fault %q; known are %s; and %s", name, strings.Join(names, ", "), Grammar)
}
