package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Fault names one thing that can be made to go wrong.
type Fault string

// The faults. Each is ordered with a number of times; a negative number means for
// ever.
const (
	LeaseError      Fault = "lease-error"       // a starting lease goes to ERROR
	NodeGone        Fault = "node-gone"         // the starting lease's board is lost to Kubernetes: ERROR, and its DELETE is a 500
	NoFreeDevice    Fault = "no-free-device"    // a lease creation finds every device taken
	ContainerError  Fault = "container-error"   // a container goes to Error while it starts
	NoHosts         Fault = "no-hosts"          // no compute service is up: the container is made in Error
	ContainerVanish Fault = "container-deleted" // a fresh container shows as Deleted (a race of Zun's sync, seen on the real code)
	ImageNeverPulls Fault = "image-never-pulls" // the image cannot be fetched: Creating for ever
	ExecuteCut      Fault = "execute-cut"       // an execute is cut at once: exit_code null, the process goes on
	PutArchive500   Fault = "put-archive-500"   // an upload is refused with 500 before anything is written
	BlazarDown      Fault = "blazar-503"        // the load balancer in front of Blazar answers 503 in HTML
	ZunDown         Fault = "zun-503"           // the same for Zun
	NeutronDown     Fault = "neutron-503"       // the same for Neutron
	LeaseLost       Fault = "lost-lease"        // the lease is made, then the connection drops without an answer
	InteractiveOff  Fault = "interactive-off"   // no interactive execute, as in the public code of 2024
	ContainerLost   Fault = "lost-container"    // the container is made, then the connection drops
	FloatingIPDead  Fault = "floating-ip-dead"  // a floating IP is associated but carries no traffic
	PoolDry         Fault = "pool-dry"          // every floating IP is in use
	OverQuota       Fault = "over-quota"        // the project has as many floating IPs as it may
)

var knownFaults = []Fault{InteractiveOff, LeaseError, NodeGone, NoHosts, PoolDry, OverQuota, NoFreeDevice, ContainerError, ContainerVanish, ImageNeverPulls, ExecuteCut,
	PutArchive500, BlazarDown, ZunDown, NeutronDown, LeaseLost, ContainerLost, FloatingIPDead}

// Faults counts what is still to go wrong.
type Faults struct {
	mu   sync.Mutex
	left map[Fault]int
}

func newFaults() *Faults { return &Faults{left: map[Fault]int{}} }

// Set orders faults, replacing the counts of those named. Unknown names are an
// error, and then nothing is changed.
func (f *Faults) Set(order map[Fault]int) error {
	for name := range order {
		if !slices.Contains(knownFaults, name) {
			var names []string
			for _, k := range knownFaults {
				names = append(names, string(k))
			}
			return fmt.Errorf("emulator: unknown fault %q; known are %s", name, strings.Join(names, ", "))
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(f.left, order)
	return nil
}

// Take tells whether the fault is to happen now, and counts it.
func (f *Faults) Take(name Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
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
