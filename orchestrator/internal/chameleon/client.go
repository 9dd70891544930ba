package chameleon

import (
	"context"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// Client is what the clients of leases and devices share, and those of whatever
// else a site has: a signed-in user, the reservation service, and how patient to
// be.
type Client struct {
	Session     *signin.Session
	Reservation *gophercloud.ServiceClient
	Pace        Pace
	Lends       *Lending // nil: Boards

	// Commands writes the command lines that advice consists of; its zero value
	// writes them without flags.
	Commands run.Commands
}

// Pace is how long to wait for what; tests hurry it up.
type Pace struct {
	patient.Pace
	Create  time.Duration // for the answer to a creation: Blazar's takes 2 s, its proxy gives up after 60 s
	Settle  time.Duration // for the result of a creation to show up whose answer was lost
	Lease   time.Duration // for a lease to become active after its start; the site says "up to a minute"
	Cleanup time.Duration // for removing one thing
}

// UsualPace is the pace for Chameleon's sites.
var UsualPace = Pace{
	Pace:   patient.Usual,
	Create: 90 * time.Second, Settle: 15 * time.Second, Lease: 300 * time.Second, Cleanup: 3 * time.Minute,
}

// Connect signs in to a site that offers a reservation service and the services
// in o.Needs. Its errors are those of [signin.Connect].
func Connect(ctx context.Context, o signin.Options) (*Client, error) {
	c := &Client{Pace: UsualPace}
	o.Needs = append([]signin.Service{{Name: "reservation", Types: []string{"reservation"}}}, o.Needs...)
	o.Retry = func() patient.Pace { return c.Pace.Pace }
	var err error
	if c.Session, err = signin.Connect(ctx, o); err != nil {
		return nil, err
	}
	if c.Reservation, err = leases.NewReservationV1(c.Session.Provider, c.Session.Endpoints); err != nil {
		return nil, c.Failed("finding the reservation service", err)
	}
	return c, nil
}

// Service is the client for the only version of a service that is spoken, such as "v2.0/"
// of the network. gophercloud's own would ask the service for its versions, without a
// limit of the caller's, and fail where that answer is odd.
func (c *Client) Service(kind, version string) (*gophercloud.ServiceClient, error) {
	at := c.Session.Endpoints
	at.ApplyDefaults(kind)
	url, err := c.Session.Provider.EndpointLocator(at)
	if err != nil {
		return nil, err
	}
	return &gophercloud.ServiceClient{ProviderClient: c.Session.Provider, Endpoint: url, Type: kind,
		ResourceBase: strings.TrimSuffix(url, version) + version}, nil
}

func (c *Client) lends() Lending {
	if c.Lends == nil {
		return Boards
	}
	return *c.Lends
}

// Me is the id of the user who is signed in.
func (c *Client) Me() string { return c.Session.Token.User.ID }

// Now is the site's time: what is reserved begins and ends by it.
func (c *Client) Now() time.Time { return c.Session.Clock.Now() }

// Warnings are things that are going to hurt a run of the usual length, in sentences.
func (c *Client) Warnings() []string { return c.Session.Warnings() }

// WarningsUntil are the warnings for work that goes on until end.
func (c *Client) WarningsUntil(end time.Time) []string { return c.Session.WarningsUntil(end) }

// Describe returns names and addresses, no secrets.
func (c *Client) Describe() map[string]string {
	d := c.Session.Describe()
	d["site"] = d["region"]
	d["reservation_host"], d["reservation_api"] = signin.HostOf(c.Reservation.Endpoint), "1.0"
	return d
}

// AllLeases lists the leases of the project, everybody's.
func (c *Client) AllLeases(ctx context.Context) ([]leases.Lease, error) {
	pages, err := leases.List(c.Reservation, nil).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return leases.ExtractLeases(pages)
}
