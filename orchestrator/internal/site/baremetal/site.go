// Package baremetal is a run.Site on Chameleon's bare-metal sites, or on any cloud that
// answers like them: leases of whole machines as at all of Chameleon's sites (package
// chameleon), Nova for the server on a machine, Glance for its image, Neutron for its
// address, and SSH for all that is done there.
//
// A server's life: a key pair and a host key are made for the run ([keyring]); the public
// half of the one goes to Nova, the other into the server's user data, from which
// cloud-init takes it, so that the server is known before its first packet. Nova gives the
// server to the machine of the reservation that the request names; Ironic writes the
// image and boots, which takes 10 to 20 minutes and tells nothing meanwhile: a console
// log is 501 there. A run calls the server its container: it has its name, and the key
// pair and the note on the floating IP have it, too.
package baremetal

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
)

var (
	_ site.Cloud  = (*Site)(nil)
	_ site.Images = (*Site)(nil)
	_ run.Stock   = (*Site)(nil)
)

// Options say where to sign in and how patient to be.
type Options struct {
	CloudsFile string // a clouds.yaml; "" looks at OS_CLIENT_CONFIG_FILE, then in the usual places
	Cloud      string // the entry in it; "" is OS_CLOUD, or the only entry there is
	Region     string

	Commands run.Commands // writes the command lines that advice consists of

	HTTP http.RoundTripper // for tests; nil is the system's, with the TLS settings of the entry

	KeyDir string // where the keys of servers lie that runs have

	// Deploy bounds a deployment, and Boot the time from then until SSH answers; 0: 45 and
	// 20 minutes. The tutorials speak of 10 to 20 for both.
	Deploy, Boot time.Duration

	Notice func(string) // is told before a request is sent again; nil: nobody is
}

// Site is a signed-in user at one site.
type Site struct {
	*client
	*chameleon.LeaseClient
	*chameleon.DeviceClient
	*serverClient
}

// client is what the clients of servers, images and keys share.
type client struct {
	*chameleon.Client
	compute, image *gophercloud.ServiceClient
	opts           Options
	dial           func(context.Context, sshexec.Config) (transport.Transport, error)
	sshPort        string
}

// serverClient starts, enters and removes servers.
type serverClient struct {
	*catalogue
	keys *keyring

	mu    sync.Mutex
	names map[string]string // of servers that this process has seen, by id
}

// microversion is what is spoken to Nova: the one that python-chi speaks, too.
const microversion = "2.61"

// cleanup is how long a server's removal may take: Nova answers 404 only once Ironic has
// let go of the machine.
const cleanup = 10 * time.Minute

// Connect signs in and finds the services. Its errors are those of [signin.Connect].
func Connect(ctx context.Context, o Options) (*Site, error) {
	o.Deploy, o.Boot = cmp.Or(o.Deploy, 45*time.Minute), cmp.Or(o.Boot, 20*time.Minute)
	base, err := chameleon.Connect(ctx, signin.Options{
		CloudsFile: o.CloudsFile, Cloud: o.Cloud, Region: o.Region, HTTP: o.HTTP, Notice: o.Notice,
		Needs: []signin.Service{{Name: "compute", Types: []string{"compute"}}, {Name: "image", Types: []string{"image"}},
			{Name: "network", Types: []string{"network"}}},
	})
	if err != nil {
		return nil, err
	}
	o.Commands.Site = base.Session.Endpoints.Region
	base.Commands, base.Lends, base.Pace.Cleanup = o.Commands, &chameleon.Machines, cleanup
	c := &client{Client: base, opts: o, sshPort: "22",
		dial: func(ctx context.Context, to sshexec.Config) (transport.Transport, error) {
			return sshexec.Dial(ctx, to)
		}}
	if c.compute, err = base.Service("compute", "v2.1/"); err == nil {
		c.compute.Microversion = microversion
		c.image, err = base.Service("image", "v2/")
	}
	if err != nil {
		return nil, c.Failed("finding the services", err)
	}
	return &Site{
		client: c, LeaseClient: chameleon.NewLeaseClient(base), DeviceClient: chameleon.NewDeviceClient(base),
		serverClient: &serverClient{catalogue: &catalogue{c, chameleon.NewAddressClient(base, "server", "")},
			keys: newKeyring(o.KeyDir), names: map[string]string{}},
	}, nil
}

// Describe returns names and addresses, no secrets.
func (s *Site) Describe() map[string]string {
	d := s.Client.Describe()
	d["compute_host"] = signin.HostOf(s.compute.Endpoint)
	d["compute_api"] = microversion
	d["image_host"] = signin.HostOf(s.image.Endpoint)
	return d
}
