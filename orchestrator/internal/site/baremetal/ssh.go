package baremetal

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
	"chexp/orchestrator/openstack/apierror"
)

// login is the user of Chameleon's images.
const login = "cc"

// once is how long one try to sign in may take, and least how long it is tried at the
// least: a server that was up may have been started anew.
const (
	once  = 15 * time.Second
	least = time.Minute
)

// Dial gives the server a floating IP and signs in. A server is ACTIVE before it has
// booted: until SSH answers takes some minutes more. Nothing is sent to one that does not
// show the host key that was made for it.
func (s *serverClient) Dial(ctx context.Context, c run.Container, _ run.ContainerRequest,
	progress func(string)) (transport.Transport, error) {
	k, err := s.keys.find(c.Name)
	if err != nil {
		return nil, s.noKey(c.Name, err)
	}
	v, err := servers.Get(ctx, s.compute, c.ID).Extract()
	if err != nil {
		return nil, s.Failed("looking at server "+c.Name, err)
	}
	port, err := s.port(ctx, c.ID)
	if err == nil && port == "" {
		err = failure.Cloud.Errorf("server %s has no network port", c.Name).
			Advise("tell the site's help desk its id %s", c.ID)
	}
	if err != nil {
		return nil, s.Failed("looking for the port of server "+c.Name, err)
	}
	ip, err := s.addresses.Give(ctx, c.ID, c.Name, port)
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(ip, s.sshPort)
	limit := s.opts.Boot
	if !v.LaunchedAt.IsZero() { // it has had so much of its time
		limit = min(limit, max(least, limit-s.Now().Sub(v.LaunchedAt)))
	}
	progress(fmt.Sprintf("waiting for SSH at %s, at most %s", address, clock.Span(limit)))
	return s.signIn(ctx, c, k, address, limit, progress)
}

func (s *serverClient) signIn(ctx context.Context, c run.Container, k keys, address string,
	limit time.Duration, progress func(string)) (tr transport.Transport, err error) {
	end := time.Now().Add(limit)
	var last error
	to := sshexec.Config{Address: address, User: login, Signers: []ssh.Signer{k.user}, HostKey: k.host, Timeout: once}
	first := &firstUse{}
	if k.host == nil {
		to.Hosts = first
	}
	err = s.Pace.Poll(ctx, func() (bool, error) {
		tr, last = s.dial(ctx, to)
		if last == nil {
			return true, s.believe(c.Name, first, progress)
		}
		if !time.Now().Before(end) {
			return false, failure.Device.Errorf("server %s is %s, but nobody gets in at %s after %s", c.Name,
				apierror.Line(c.Status), address, clock.Span(limit)).
				Advise("its image must have cloud-init, which makes the user %s and takes the host key that chexp hands over; "+
					"Chameleon's CC- images do. `%s` tries again; if it stays so, name another node", login,
					s.Commands.Resume()).
				Because(fmt.Errorf("%s", words.Line(last.Error(), 400)))
		}
		return false, nil
	})
	if err != nil && last != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%s)", err, words.Line(last.Error(), 400))
	}
	return tr, err
}

// firstUse believes the first host key that a server shows.
type firstUse struct{ shown ssh.PublicKey }

var _ sshexec.HostKeys = (*firstUse)(nil)

// Algorithms are those of any key.
func (f *firstUse) Algorithms() []string { return nil }

// Check takes any key for the server's.
func (f *firstUse) Check(_ string, _ net.Addr, key ssh.PublicKey) error {
	f.shown = key
	return nil
}

// None is that the server has a kind of key that nobody here reads.
func (f *firstUse) None(why error) error {
	return failure.Device.Errorf("ssh: the server has no host key of a kind that chexp reads").Because(why)
}

// believe keeps the key of a server that was signed in to for the first time, and says
// that nothing proves it.
func (s *serverClient) believe(name string, first *firstUse, progress func(string)) error {
	if first.shown == nil {
		return nil
	}
	progress(fmt.Sprintf("the host key of server %s, %s %s, is believed as it is the first that it shows: its image has "+
		"no cloud-init, which could be given one", name, first.shown.Type(), ssh.FingerprintSHA256(first.shown)))
	if err := s.keys.believe(name, first.shown); err != nil {
		return failure.Storage.Errorf("the host key of server %s cannot be kept in %s", name, s.keys.dir).Because(err)
	}
	return nil
}
