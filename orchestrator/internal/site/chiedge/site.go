// Package chiedge is a run.Site on Chameleon's CHI@Edge, or on any cloud that
// answers like it: leases and devices as at all of Chameleon's sites (package
// chameleon), Zun for the container on a device, Neutron for a floating IP when
// SSH is asked for.
//
// What the services do is cited where it matters, as [ZUN:…] for
// ChameleonCloud/zun (chameleoncloud/xena).
package chiedge

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/gate"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/openstack/container/v1/containers"
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

	// ClaimTime is how long a new container may be without anybody working on it;
	// 0 is 20 seconds.
	ClaimTime time.Duration

	// LockDir holds the lock that lets one execute, put or get at a time through to
	// Zun, of all processes that name it; "": a directory for temporary files.
	LockDir string

	// Notice is told, in a sentence, before a request is sent again because
	// the service was away for a moment; nil: nobody is.
	Notice func(string)
}

// Site is a signed-in user at one region. It ties together the clients that do
// the work: each is about one thing. Its methods may be called from several
// goroutines.
type Site struct {
	*client
	*chameleon.LeaseClient
	*chameleon.DeviceClient
	*containerClient
}

// client is what the clients of containers and addresses share.
type client struct {
	*chameleon.Client
	container *gophercloud.ServiceClient
	opts      Options
	ways      ways
	gate      *gate.Gate // to Zun's execute, put, get and create

	tcp     time.Duration // how long a new floating IP may take to carry traffic
	sshPort string
}

// containerClient starts, enters and removes containers.
type containerClient struct {
	*client
	addresses *addressClient
	watch     watch
}

// Connect signs in and finds the services. Its errors are those of
// [signin.Connect].
func Connect(ctx context.Context, o Options) (*Site, error) {
	o.User = cmp.Or(o.User, "root")
	o.PullGrace = cmp.Or(o.PullGrace, 2*time.Minute)
	o.LaunchTimeout = cmp.Or(o.LaunchTimeout, 30*time.Minute)
	o.ClaimTime = cmp.Or(o.ClaimTime, 20*time.Second)
	base, err := chameleon.Connect(ctx, signin.Options{
		CloudsFile: o.CloudsFile, Cloud: o.Cloud, Region: o.Region, HTTP: o.HTTP, Notice: o.Notice,
		Needs: []signin.Service{{Name: "container", Types: []string{"container", "application-container"}}},
	})
	if err != nil {
		return nil, err
	}
	base.Commands = o.Commands
	c := &client{Client: base, opts: o, ways: usualWays, tcp: 2 * time.Minute, sshPort: "22"}
	if c.container, err = containers.NewContainerV1(base.Session.Provider, base.Session.Endpoints); err != nil {
		return nil, c.Failed("finding the container service", err)
	}
	c.gate = gate.To(cmp.Or(o.LockDir, filepath.Join(os.TempDir(), fmt.Sprintf("chexp-locks-%d", os.Getuid()))),
		signin.HostOf(c.container.Endpoint))
	return &Site{
		client: c, LeaseClient: chameleon.NewLeaseClient(base), DeviceClient: chameleon.NewDeviceClient(base),
		containerClient: &containerClient{client: c, addresses: newAddressClient(c)},
	}, nil
}

// Describe returns names and addresses, no secrets.
func (s *Site) Describe() map[string]string {
	d := s.Client.Describe()
	d["container_host"] = signin.HostOf(s.container.Endpoint)
	d["container_api"] = containers.Microversion
	return d
}
