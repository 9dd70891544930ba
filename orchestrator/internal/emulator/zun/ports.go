package zun

import (
	"context"
	"errors"
	"net"
	"slices"

	"chexp/orchestrator/internal/emulator/world"
)

// Ports lists the Neutron ports that the driver made, one for each container.
func (s *Service) Ports() []world.Port {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.abandoned)
	for _, c := range s.rows {
		if c.portID != "" {
			out = append(out, c.port())
		}
	}
	return out
}

// port is the container's Neutron port.
func (c *container) port() world.Port {
	p := world.Port{ID: c.portID, Name: "zun-" + c.uuid, DeviceID: c.uuid, DeviceOwner: "k8s:cni",
		ProjectID: c.projectID,
		Created:   c.portMade.Format(actionTime), Type: "normal", Status: "DOWN"}
	if c.hasAddress {
		p.Address = c.address
	}
	for _, n := range c.ports() {
		if c.exposes(n) {
			p.TCP = append(p.TCP, n)
		}
	}
	return p
}

// abandonPort leaves the port of a pod that is gone to Neutron: the driver takes its
// addresses away when the next pod has none yet, and with them it forgets the port
// [ZUN:zun/container/k8s/network.py connect_container_to_network]. A floating IP stays
// bound to it and leads nowhere. The caller holds s.mu.
func (s *compute) abandonPort(c *container) {
	if c.portID != "" {
		s.abandoned = append(s.abandoned, c.port())
		c.portID = ""
	}
}

// Dial connects to an exposed TCP port of whatever pod the container has now.
func (s *Service) Dial(ctx context.Context, portID string, tcp int) (net.Conn, error) {
	s.mu.Lock()
	for _, c := range s.rows {
		if c.portID == portID && c.pod != nil && c.exposes(tcp) {
			pod := c.pod
			s.mu.Unlock()
			return pod.Dial(ctx, tcp)
		}
	}
	s.mu.Unlock()
	return nil, errors.New("no pod behind this port")
}

// Left is a container that still exists.
type Left struct {
	ID     string `json:"uuid"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// Leftovers lists them. Those that the end of their lease is taking away do not
// count; one that vanished by the sync's race (it has no board) does.
func (s *Service) Leftovers() []Left {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := []Left{}
	for _, c := range s.rows {
		if c.status != deleted || c.device == nil {
			left = append(left, Left{c.uuid, c.name, c.status})
		}
	}
	return left
}
