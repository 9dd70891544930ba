package neutron

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// poolSize is how many floating IPs there are; the real pool is one /25 for everybody.
const poolSize = 32

// floatingIP is an address that outlives what it points at: the end of a container or
// a lease unbinds it but does not release it.
type floatingIP struct {
	id, projectID, address, description string
	portID, fixed                       string
	status                              string
	created, updated                    time.Time
	revision                            int

	listeners []net.Listener
	cancel    context.CancelFunc
}

// randomBlock keeps several emulators on one machine apart. 127.0.0.0/16 is left to
// everybody else.
func randomBlock() [2]byte { return [2]byte{byte(1 + rand.IntN(254)), byte(rand.IntN(255))} }

func (s *Service) view(f *floatingIP) object {
	null := func(v string) any {
		if v == "" {
			return nil
		}
		return v
	}
	const format = "2006-01-02T15:04:05Z"
	var router, details any
	if f.portID != "" {
		router = world.RouterID
		for _, p := range s.Pods.Ports() {
			if p.ID == f.portID {
				details = object{"name": p.Name, "network_id": s.inside().id, "mac_address": MACAddress(p.ID),
					"admin_state_up": true, "status": p.Status, "device_id": p.DeviceID, "device_owner": p.DeviceOwner}
			}
		}
	}
	o := object{"id": f.id, "tenant_id": f.projectID, "floating_ip_address": f.address,
		"floating_network_id": world.PublicNetID,
		"router_id":           router, "port_id": null(f.portID), "fixed_ip_address": null(f.fixed), "status": f.status,
		"project_id": f.projectID, "description": f.description, "port_details": details, "tags": []any{},
		"created_at": f.created.Format(format), "updated_at": f.updated.Format(format), "revision_number": f.revision}
	return o
}

// MACAddress is made of a port's id.
func MACAddress(portID string) string {
	return "fa:16:3e:" + portID[0:2] + ":" + portID[2:4] + ":" + portID[4:6]
}

func (s *Service) views(c front.Caller) []object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []object
	for _, f := range s.ips {
		if f.projectID == c.ProjectID || c.Admin() {
			out = append(out, s.view(f))
		}
	}
	return out
}

func (s *Service) create(w http.ResponseWriter, r *http.Request, c front.Caller) {
	body, ok := s.readBody(w, r, true)
	if !ok {
		return
	}
	netID := body["floating_network_id"]
	switch text(netID) {
	case world.PublicNetID:
	case s.inside().id:
		fail(w, 400, "BadRequest", "Bad floatingip request: Network "+text(netID)+" is not a valid external network.")
		return
	default:
		fail(w, 404, "NetworkNotFound", "Network "+text(netID)+" could not be found.")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.World.Orders.Take(OverQuota) {
		fail(w, 409, "OverQuota", "Quota exceeded for resources: ['floatingip'].")
		return
	}
	address, ok := s.freeAddress()
	if !ok || s.World.Orders.Take(PoolDry) {
		fail(w, 409, "IpAddressGenerationFailure", "No more IP addresses available on network "+world.PublicNetID+".")
		return
	}
	now := s.World.Now()
	f := &floatingIP{id: world.NewUUID(), projectID: c.ProjectID, address: address,
		description: text(body["description"]),
		status:      "DOWN", created: now, updated: now}
	if port := text(body["port_id"]); port != "" && !s.bind(w, c, f, port) {
		return
	}
	s.ips = append(s.ips, f)
	front.JSON(w, 201, map[string]any{"floatingip": s.view(f)})
}

// freeAddress takes the next address of the pool that nobody has.
func (s *Service) freeAddress() (string, bool) {
	if len(s.ips) >= poolSize {
		return "", false
	}
	for {
		s.last = s.last%254 + 1
		a := fmt.Sprintf("127.%d.%d.%d", s.block[0], s.block[1], s.last)
		if !slices.ContainsFunc(s.ips, func(f *floatingIP) bool { return f.address == a }) {
			return a, true
		}
	}
}

func (s *Service) find(w http.ResponseWriter, r *http.Request, c front.Caller) *floatingIP {
	id := r.PathValue("id")
	for _, f := range s.ips {
		if f.id == id && (f.projectID == c.ProjectID || c.Admin()) {
			return f
		}
	}
	fail(w, 404, "FloatingIPNotFound", "Floating IP "+id+" could not be found")
	return nil
}

func (s *Service) update(w http.ResponseWriter, r *http.Request, c front.Caller) {
	body, ok := s.readBody(w, r, false)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.find(w, r, c)
	if f == nil {
		return
	}
	if d, ok := body["description"]; ok {
		f.description = text(d)
	}
	if raw, ok := body["port_id"]; ok {
		port := text(raw)
		if port != f.portID {
			s.unbind(f)
		}
		if port != "" && port != f.portID && !s.bind(w, c, f, port) {
			return
		}
	}
	f.updated = s.World.Now()
	f.revision++
	front.JSON(w, 200, map[string]any{"floatingip": s.view(f)})
}

func (s *Service) delete(w http.ResponseWriter, r *http.Request, c front.Caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.find(w, r, c)
	if f == nil {
		return
	}
	s.unbind(f)
	s.ips = slices.DeleteFunc(s.ips, func(o *floatingIP) bool { return o == f })
	w.WriteHeader(204)
}

// bind points the address at a port. It says DOWN in the answer and ACTIVE a moment
// later. On failure it has answered.
func (s *Service) bind(w http.ResponseWriter, c front.Caller, f *floatingIP, portID string) bool {
	var port *world.Port
	for _, p := range s.Pods.Ports() {
		if p.ID == portID && (p.ProjectID == c.ProjectID || c.Admin()) {
			port = &p
		}
	}
	if port == nil {
		fail(w, 404, "PortNotFound", "Port "+portID+" could not be found.")
		return false
	}
	for _, o := range s.ips {
		if o != f && o.portID == portID {
			fail(w, 409, "FloatingIPPortAlreadyAssociated", "Cannot associate floating IP "+f.address+" ("+f.id+") "+
				"with port "+portID+
				" using fixed IP "+port.Address+", as that fixed IP already has a floating IP on external "+
				"network "+world.PublicNetID+".")
			return false
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.portID, f.fixed, f.status, f.cancel = portID, port.Address, "DOWN", cancel
	if !s.World.Orders.Take(FloatingIPDead) {
		for _, tcp := range port.TCP {
			s.listen(ctx, f, tcp)
		}
	}
	go func() {
		if world.Pause(ctx, s.World.Pace.Tick/10) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if ctx.Err() == nil {
				f.status = "ACTIVE"
			}
		}
	}()
	return true
}

// listen forwards one TCP port. UDP ports are not forwarded.
func (s *Service) listen(ctx context.Context, f *floatingIP, tcp int) {
	l, err := net.Listen("tcp4", net.JoinHostPort(f.address, strconv.Itoa(tcp)))
	if err != nil {
		s.World.Log.Warn("this floating IP carries no traffic (ports below 1024 need root)", "address", f.address,
			"port", tcp, "error", err)
		return
	}
	f.listeners = append(f.listeners, l)
	portID := f.portID
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.forward(ctx, conn, portID, tcp)
		}
	}()
}

// dialTime bounds the way from the floating IP into the container.
const dialTime = 10 * time.Second

func (s *Service) forward(ctx context.Context, outside net.Conn, portID string, tcp int) {
	defer outside.Close()
	dctx, cancel := context.WithTimeout(ctx, dialTime)
	inside, err := s.Pods.Dial(dctx, portID, tcp)
	cancel()
	if err != nil {
		s.World.Log.Debug("floating IP: nobody answers", "port", tcp, "error", err)
		return
	}
	defer inside.Close()
	stop := context.AfterFunc(ctx, func() { outside.Close(); inside.Close() })
	defer stop()
	var both sync.WaitGroup
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // until one end closes
		// The other direction may still have something to say.
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	both.Go(func() { pipe(inside, outside) })
	both.Go(func() { pipe(outside, inside) })
	both.Wait()
}

// unbind leaves the address without a port; the caller holds s.mu.
func (s *Service) unbind(f *floatingIP) {
	if f.cancel != nil {
		f.cancel()
	}
	for _, l := range f.listeners {
		l.Close()
	}
	f.portID, f.fixed, f.status, f.listeners, f.cancel = "", "", "DOWN", nil, nil
}

// PortDeleted unbinds what pointed at a port.
func (s *Service) PortDeleted(portID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.ips {
		if f.portID == portID {
			s.unbind(f)
		}
	}
}

// Close stops all forwarding.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.ips {
		s.unbind(f)
	}
}

// Left is a floating IP that was not released.
type Left struct {
	ID      string `json:"id"`
	Address string `json:"floating_ip_address"`
	PortID  string `json:"port_id"`
}

// Leftovers lists them.
func (s *Service) Leftovers() []Left {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := []Left{}
	for _, f := range s.ips {
		left = append(left, Left{f.id, f.address, f.portID})
	}
	return left
}

// Floating is the address that points at a port, "" if none does.
func (s *Service) Floating(portID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.ips {
		if f.portID == portID {
			return f.address
		}
	}
	return ""
}
