package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/neutron"
	"chexp/orchestrator/internal/emulator/nova"
	"chexp/orchestrator/internal/emulator/zun"
)

// Leftovers is what clients made and did not give back.
type Leftovers struct {
	Leases      []blazar.Left  `json:"leases"`
	Containers  []zun.Left     `json:"containers"`
	FloatingIPs []neutron.Left `json:"floating_ips"`
	Servers     []nova.Left    `json:"servers"` // of bare-metal sites, whose leases and addresses are above
	KeyPairs    []string       `json:"key_pairs"`
}

// Leftovers takes stock. A lease that ended but was not deleted counts.
func (e *Emulator) Leftovers() Leftovers {
	l := Leftovers{e.blazar.Leftovers(), e.zun.Leftovers(), e.neutron.Leftovers(), []nova.Left{}, []string{}}
	for _, s := range e.sites {
		l.Leases = append(l.Leases, s.blazar.Leftovers()...)
		l.FloatingIPs = append(l.FloatingIPs, s.neutron.Leftovers()...)
		l.Servers = append(l.Servers, s.nova.Leftovers()...)
		l.KeyPairs = append(l.KeyPairs, s.nova.KeyPairs()...)
	}
	return l
}

// Empty tells whether nothing is left.
func (l Leftovers) Empty() bool {
	return len(l.Leases)+len(l.Containers)+len(l.FloatingIPs)+len(l.Servers)+len(l.KeyPairs) == 0
}

func (l Leftovers) String() string {
	var parts []string
	for _, v := range l.Leases {
		parts = append(parts, fmt.Sprintf("lease %s (%s, %s)", v.ID, v.Name, v.Status))
	}
	for _, v := range l.Containers {
		parts = append(parts, fmt.Sprintf("container %s (%s, %s)", v.ID, v.Name, v.Status))
	}
	for _, v := range l.FloatingIPs {
		parts = append(parts, fmt.Sprintf("floating IP %s (%s)", v.ID, v.Address))
	}
	for _, v := range l.Servers {
		parts = append(parts, fmt.Sprintf("server %s (%s, %s)", v.ID, v.Name, v.Status))
	}
	for _, name := range l.KeyPairs {
		parts = append(parts, "key pair "+name)
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// state is the document at /_emulator/state.
type state struct {
	Leftovers
	Faults   Faults `json:"faults"`
	Arch     string `json:"arch"`
	ArchNote string `json:"arch_note"`
	Now      string `json:"now"`
}

// ControlURL is the root of the emulator's own pages, for tests and rehearsals that look
// at it from outside: GET state; GET and PUT faults
// ({"blazar.lease=ERROR": 1}); POST clock
// ({"advance": "1h"}). No cloud has these.
func (e *Emulator) ControlURL() string { return e.keystone.URL + "/_emulator" }

func (e *Emulator) withControl(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /_emulator/state", func(w http.ResponseWriter, _ *http.Request) {
		front.JSON(w, 200, state{e.Leftovers(), e.world.Orders.Left(), e.Arch(), e.ArchNote(),
			e.world.Now().Format(time.RFC3339)})
	})
	mux.HandleFunc("GET /_emulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		front.JSON(w, 200, e.world.Orders.Left())
	})
	mux.HandleFunc("PUT /_emulator/faults", e.setFaults)
	mux.HandleFunc("POST /_emulator/faults", e.setFaults)
	mux.HandleFunc("POST /_emulator/tokens", e.setTokenLife)
	mux.HandleFunc("POST /_emulator/clock", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Advance string `json:"advance"`
		}
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&body)
		var d time.Duration
		if err == nil {
			d, err = time.ParseDuration(body.Advance)
		}
		if err == nil && d < 0 {
			err = fmt.Errorf("time goes forward only")
		}
		if err != nil {
			front.JSON(w, 400, map[string]any{"error": err.Error()})
			return
		}
		e.world.Advance(d)
		front.JSON(w, 200, map[string]any{"now": e.world.Now().Format(time.RFC3339)})
	})
	return mux
}

// setFaults reads faults and how often they are to happen; a wrong one changes nothing.
func (e *Emulator) setFaults(w http.ResponseWriter, r *http.Request) {
	var order map[string]int
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&order); err != nil {
		front.JSON(w, 400, map[string]any{"error": err.Error()})
		return
	}
	faults := Faults{}
	var problems []error
	for _, text := range slices.Sorted(maps.Keys(order)) {
		f, _, err := grammar.ParseOne(text)
		problems = append(problems, err)
		faults[f] = order[text]
	}
	if err := errors.Join(problems...); err != nil {
		front.JSON(w, 400, map[string]any{"error": err.Error()})
		return
	}
	e.SetFaults(faults)
	front.JSON(w, 200, e.world.Orders.Left())
}
