// Package chiedge is a run.Site on Chameleon's CHI@Edge, or on any cloud that
// answers like it: Keystone for signing in, Blazar for the lease of a device,
// Zun for the container on it, Neutron for a floating IP when SSH is asked
// for. It speaks through the clients in orchestrator/openstack, and adds what
// they leave to their caller: finding the credentials, waiting, never creating
// twice, cleaning up, and saying what to do when something fails.
//
// What the services do is cited where it matters, as [BLZ:…] for
// ChameleonCloud/blazar (chameleoncloud/2023.1) and [ZUN:…] for
// ChameleonCloud/zun (chameleoncloud/xena).
package chiedge

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/openstack/container/v1/containers"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

var _ run.Site = (*Site)(nil)

// Options say where to sign in and how patient to be. The zero value reads the
// environment like the OpenStack command line does.
type Options struct {
	CloudsFile string // a clouds.yaml; "" looks at OS_CLIENT_CONFIG_FILE, then in the usual places
	Cloud      string // the entry in it; "" is OS_CLOUD, or the only entry there is
	Region     string // "" is what the entry or OS_REGION_NAME says, or the only region there is

	// Commands writes the command lines that advice consists of; its zero value
	// is chexp without flags.
	Commands run.Commands

	HTTP http.RoundTripper // for tests; nil is the system's, with the TLS settings of the entry

	User string // login name for the ssh transport; "" is root

	// PullGrace is how long an image may look impossible to pull (a registry
	// may have a bad minute) before Launch gives up; 0 is two minutes.
	PullGrace time.Duration

	// LaunchTimeout bounds the start of a container, most of which is the
	// download of its image over the device's link; 0 is 30 minutes.
	LaunchTimeout time.Duration

	// Notice is told, in a sentence, before a request is sent again because
	// the service was away for a moment; nil: nobody is.
	Notice func(string)
}

// Site is a signed-in user at one region. It ties together the clients that do
// the work: each is about one thing. Its methods may be called from several
// goroutines.
type Site struct {
	*client
	*leaseClient
	*deviceClient
	*containerClient
}

// leaseClient makes, finds, changes and gives back leases.
type leaseClient struct {
	*client
	devices *deviceClient
}

// deviceClient lists the devices and their calendar.
type deviceClient struct{ *client }

// containerClient starts, enters and removes containers.
type containerClient struct {
	*client
	addresses *addressClient
}

// needs are the services without which there is no run.
var needs = []signin.Service{
	{Name: "reservation", Types: []string{"reservation"}},
	{Name: "container", Types: []string{"container", "application-container"}},
}

// Connect signs in and finds the services. Its errors are those of
// [signin.Connect].
func Connect(ctx context.Context, o Options) (*Site, error) {
	o.User = cmp.Or(o.User, "root")
	o.PullGrace = cmp.Or(o.PullGrace, 2*time.Minute)
	o.LaunchTimeout = cmp.Or(o.LaunchTimeout, 30*time.Minute)
	c := &client{opts: o, pace: usualPace, ways: usualWays}
	var err error
	c.session, err = signin.Connect(ctx, signin.Options{
		CloudsFile: o.CloudsFile, Cloud: o.Cloud, Region: o.Region, Needs: needs, HTTP: o.HTTP,
		Retry: func() patient.Pace { return c.pace.Pace }, Notice: o.Notice,
	})
	if err != nil {
		return nil, err
	}
	if c.reservation, err = leases.NewReservationV1(c.session.Provider, c.session.Endpoints); err != nil {
		return nil, c.failed("finding the reservation service", err)
	}
	if c.container, err = containers.NewContainerV1(c.session.Provider, c.session.Endpoints); err != nil {
		return nil, c.failed("finding the container service", err)
	}
	devices := &deviceClient{client: c}
	return &Site{
		client:          c,
		leaseClient:     &leaseClient{client: c, devices: devices},
		deviceClient:    devices,
		containerClient: &containerClient{client: c, addresses: &addressClient{client: c}},
	}, nil
}

// Describe returns names and addresses, no secrets.
func (s *Site) Describe() map[string]string {
	d := s.session.Describe()
	d["site"] = d["region"]
	d["reservation_host"] = signin.HostOf(s.reservation.Endpoint)
	d["reservation_api"] = "1.0"
	d["container_host"] = signin.HostOf(s.container.Endpoint)
	d["container_api"] = containers.Microversion
	return d
}

// Warnings are things that are going to hurt a run of the usual length, in
// sentences.
func (s *Site) Warnings() []string { return s.session.Warnings() }

// WarningsUntil are the warnings for work that goes on until end.
func (s *Site) WarningsUntil(end time.Time) []string { return s.session.WarningsUntil(end) }
