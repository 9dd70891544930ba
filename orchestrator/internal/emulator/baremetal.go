package emulator

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/glance"
	"chexp/orchestrator/internal/emulator/keystone"
	"chexp/orchestrator/internal/emulator/neutron"
	"chexp/orchestrator/internal/emulator/nova"
	"chexp/orchestrator/internal/emulator/world"
)

// bareMetal is a site with whole machines. As on the real ones its Keystone is its own: a token or
// an application credential of CHI@Edge says nothing here; people and passwords are the same.
type bareMetal struct {
	world    *world.World
	keystone *keystone.Service
	blazar   *blazar.Service
	nova     *nova.Service
	glance   *glance.Service
	neutron  *neutron.Service
}

// BareMetalSites are the sites that Options.Sites may name.
func BareMetalSites() []string { return world.BareMetalSites() }

// addSites makes the worlds of the bare-metal sites that were asked for.
func (e *Emulator) addSites(names []string) error {
	for _, name := range names {
		machines := world.Machines(name)
		if machines == nil {
			return fmt.Errorf("emulator: there is no bare-metal site %q; there are %s", name,
				strings.Join(world.BareMetalSites(), ", "))
		}
		if slices.ContainsFunc(e.sites, func(s *bareMetal) bool { return s.world.Region == name }) {
			return fmt.Errorf("emulator: site %s was asked for twice", name)
		}
		w := e.world.Beside(name, machines)
		e.sites = append(e.sites, &bareMetal{world: w, keystone: keystone.New(w), blazar: blazar.NewBareMetal(w),
			nova:   nova.New(w),
			glance: glance.New(w), neutron: neutron.NewBareMetal(w)})
	}
	return nil
}

// serveSite starts the site's services, each on a port of its own.
func (e *Emulator) serveSite(ctx context.Context, s *bareMetal, any string) error {
	listeners, urls, err := listenOn(any, any, any, any, any)
	if err != nil {
		return err
	}
	s.keystone.URL, s.blazar.URL, s.nova.URL, s.glance.URL, s.neutron.URL = urls[0], urls[1], urls[2], urls[3], urls[4]
	s.blazar.Containers, s.nova.Reservations, s.nova.Network, s.nova.Images, s.nova.Host = s.nova, s.blazar,
		s.neutron, s.glance, e.host
	s.neutron.Pods = s.nova
	s.keystone.Endpoints = []keystone.Endpoint{
		{Type: "identity", Name: "keystone", URL: urls[0] + "/v3"},
		{Type: "reservation", Name: "blazar", URL: urls[1] + "/v1"},
		{Type: "compute", Name: "nova", URL: urls[2] + "/v2.1"},
		{Type: "image", Name: "glance", URL: urls[3]},
		{Type: "network", Name: "neutron", URL: urls[4]},
	}
	go s.blazar.Run(ctx)
	w := s.world
	gate := func() *front.Gate {
		return &front.Gate{Keystone: urls[0], Tokens: s.keystone, Now: w.Now}
	}
	for i, h := range []http.Handler{
		front.Service(s.keystone.Handler(), w, keystone.API),
		front.Service(s.blazar.Handler(gate()), w, blazar.API),
		front.Service(s.nova.Handler(gate()), w, nova.API),
		front.Service(s.glance.Handler(gate()), w, glance.API),
		front.Service(s.neutron.Handler(gate()), w, neutron.API),
	} {
		e.answer(listeners[i], h)
	}
	return nil
}

func (s *bareMetal) close() {
	s.neutron.Close()
	s.nova.Close()
}

// SiteAuthURL is the Keystone of a bare-metal site, "" for one that is not emulated.
func (e *Emulator) SiteAuthURL(site string) string {
	for _, s := range e.sites {
		if s.world.Region == site {
			return s.keystone.URL + "/v3"
		}
	}
	return ""
}
