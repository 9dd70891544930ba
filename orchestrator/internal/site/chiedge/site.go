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
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
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

	HTTP http.RoundTripper // for tests; nil is the system's, with the TLS settings of the entry

	User string // login name for the ssh transport; "" is root

	// PullGrace is how long an image may look impossible to pull (a registry
	// may have a bad minute) before Launch gives up; 0 is two minutes.
	PullGrace time.Duration

	// LaunchTimeout bounds the start of a container, most of which is the
	// download of its image over the device's link; 0 is 30 minutes.
	LaunchTimeout time.Duration

	// Transports makes the ways into a container.
	Transports Transports

	// Notice is told, in a sentence, before a request is sent again because
	// the service was away for a moment; nil: nobody is.
	Notice func(string)
}

// Site is a signed-in user at one region. Its methods may be called from
// several goroutines.
type Site struct {
	provider    *gophercloud.ProviderClient
	endpoints   gophercloud.EndpointOpts
	reservation *gophercloud.ServiceClient
	container   *gophercloud.ServiceClient

	networkMu sync.Mutex
	network   *gophercloud.ServiceClient // made when first needed: only SSH needs it

	cred  credentials
	token token
	ends  time.Time // of the possibility to sign in, see SignInEnds
	opts  Options
	pace  pace
}

// pace is how long to wait for what; tests hurry it up.
type pace struct {
	first, most time.Duration // between two looks at something that changes
	create      time.Duration // for the answer to a creation: Blazar's takes 2 s, its proxy gives up after 60 s
	settle      time.Duration // for the result of a creation to show up whose answer was lost
	lease       time.Duration // for a lease to become active after its start; the site says "up to a minute"
	cleanup     time.Duration // for removing one thing
	tcp         time.Duration // for a new floating IP to carry traffic
	sshPort     string
	failures    int // failed looks in a row before giving up
	retries     int // of one read or deletion, see retrying
	retryFirst  time.Duration
	retryMost   time.Duration // the longest wait for a retry; a longer Retry-After is not waited for
}

var usualPace = pace{
	first: 250 * time.Millisecond, most: 5 * time.Second,
	create: 90 * time.Second, settle: 15 * time.Second, lease: 300 * time.Second,
	cleanup: 3 * time.Minute, tcp: 120 * time.Second, sshPort: "22", failures: 12,
	retries: 4, retryFirst: 500 * time.Millisecond, retryMost: 30 * time.Second,
}

// signInTimeout bounds Connect.
const signInTimeout = 60 * time.Second

// Connect signs in and finds the services. Its errors are failures of kind
// Auth with the remedy, as far as it is known.
func Connect(ctx context.Context, o Options) (*Site, error) {
	if o.User == "" {
		o.User = "root"
	}
	if o.PullGrace == 0 {
		o.PullGrace = 2 * time.Minute
	}
	if o.LaunchTimeout == 0 {
		o.LaunchTimeout = 30 * time.Minute
	}
	cred, err := findCredentials(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()

	provider, err := cred.newProvider(o.HTTP)
	if err != nil {
		return nil, err
	}
	if err := cred.signIn(ctx, provider); err != nil {
		return nil, signInFailure(ctx, cred, o.HTTP, time.Time{}, err)
	}
	s := &Site{provider: provider, cred: cred, opts: o, pace: usualPace}
	if s.token, err = readToken(provider); err != nil {
		return nil, failure.New(failure.Auth, "Keystone at "+cred.host()+" gave a token that cannot be read", "", err)
	}
	if err := s.requireProject(ctx); err != nil {
		return nil, err
	}
	s.readEnd(ctx)
	return s, s.openServices()
}

// openServices picks the region and makes the two clients that every run needs.
func (s *Site) openServices() error {
	s.withRetry()
	region, err := s.token.region(s.cred)
	if err != nil {
		return err
	}
	s.endpoints = gophercloud.EndpointOpts{Region: region, Availability: s.cred.endpoint.Availability}
	if s.reservation, err = leases.NewReservationV1(s.provider, s.endpoints); err != nil {
		return s.failed("finding the reservation service", err)
	}
	if s.container, err = containers.NewContainerV1(s.provider, s.endpoints); err != nil {
		return s.failed("finding the container service", err)
	}
	return nil
}

// Describe returns names and addresses, no secrets.
func (s *Site) Describe() map[string]string {
	d := map[string]string{
		"site":             s.endpoints.Region,
		"region":           s.endpoints.Region,
		"auth_host":        s.cred.host(),
		"auth_method":      s.method(),
		"credentials_from": s.cred.from,
		"user":             s.token.User.Name,
		"user_id":          s.token.User.ID,
		"project":          s.token.Project.Name,
		"project_id":       s.token.Project.ID,
		"reservation_host": hostOf(s.reservation.Endpoint),
		"reservation_api":  "1.0",
		"container_host":   hostOf(s.container.Endpoint),
		"container_api":    containers.Microversion,
	}
	if s.cred.cloud != "" {
		d["cloud"] = s.cred.cloud
	}
	return d
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}
