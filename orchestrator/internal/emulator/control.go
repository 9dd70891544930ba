package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
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
}

// Leftovers takes stock. A lease that ended but was not deleted counts.
func (e *Emulator) Leftovers() Leftovers {
	l := Leftovers{e.blazar.Leftovers(), e.zun.Leftovers(), e.neutron.Leftovers(), []nova.Left{}}
	for _, s := range e.sites {
		l.Leases = append(l.Leases, s.blazar.Leftovers()...)
		l.FloatingIPs = append(l.FloatingIPs, s.neutron.Leftovers()...)
		l.Servers = append(l.Servers, s.nova.Leftovers()...)
	}
	return l
}

// Empty tells whether nothing is left.
func (l Leftovers) Empty() bool {
	return len(l.Leases)+len(l.Containers)+len(l.FloatingIPs)+len(l.Servers) == 0
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
// at it from outside: GET state; GET and PUT faults ({"lease-error": 1}); POST clock
// ({"advance": "1h"}). No cloud has these.
func (e *Emulator) ControlURL() string { return e.keystone.URL + "/_emulator" }

func (e *Emulator) withControl(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /_emulator/state", func(w http.ResponseWriter, _ *http.Request) {
		front.JSON(w, 200, state{e.Leftovers(), e.world.Faults.Left(), e.Arch(), e.ArchNote(), e.world.Now().Format(time.RFC3339)})
	})
	mux.HandleFunc("GET /_emulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		front.JSON(w, 200, e.world.Faults.Left())
	})
	set := func(w http.ResponseWriter, r *http.Request) {
		var f Faults
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&f)
		if err == nil {
			err = e.world.Faults.Set(f)
		}
		if err != nil {
			front.JSON(w, 400, map[string]any{"error": err.Error()})
			return
		}
		front.JSON(w, 200, e.world.Faults.Left())
	}
	mux.HandleFunc("PUT /_emulator/faults", set)
	mux.HandleFunc("POST /_emulator/faults", set)
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
