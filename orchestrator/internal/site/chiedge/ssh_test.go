package chiedge

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
)

// sshd is the far end of dialSSH: an SSH server on loopback, and what the
// container's shell would answer while it is set up.
type sshd struct {
	t        *testing.T
	host     ssh.Signer
	admitted string // our public key, as it was handed over
	port     string
	listener net.Listener
	slow     int // looks until it is up
}

func newSSHD(t *testing.T) *sshd {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	d := &sshd{t: t, host: host, port: port, listener: l}
	go d.serve()
	return d
}

func (d *sshd) serve() {
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions,
		error) {
		if strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) != d.admitted {
			return nil, errors.New("another key")
		}
		return nil, nil
	}}
	config.AddHostKey(d.host)
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if c, _, _, err := ssh.NewServerConn(conn, config); err == nil {
				_ = c.Wait()
			}
		}()
	}
}

func (d *sshd) exec(command string) (string, any) {
	if _, rest, ok := strings.Cut(command, `echo "ssh-ed25519 `); ok {
		key, _, _ := strings.Cut(rest, `"`)
		d.admitted = "ssh-ed25519 " + key
		return "", nil // a slow device: Zun stopped waiting
	}
	if strings.Contains(command, "cat host.pub") {
		if d.slow > 0 {
			d.slow--
			return "", 1
		}
		return string(ssh.MarshalAuthorizedKey(d.host.PublicKey())), 0
	}
	d.t.Errorf("asked to run %s", command)
	return "", 127
}

func TestDialSSH(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	d := newSSHD(t)
	d.slow = 3
	c.exec, s.sshPort = d.exec, d.port
	req := bench()
	req.Transport = "ssh"
	k, err := s.Launch(t.Context(), req, quiet)
	if err != nil {
		t.Fatal(err)
	}
	dialled := 0
	s.ways.ssh = func(_ context.Context, to sshexec.Config) (transport.Transport, error) {
		dialled++
		client, err := ssh.Dial("tcp", to.Address, &ssh.ClientConfig{User: to.User,
			Auth: []ssh.AuthMethod{ssh.PublicKeys(to.Signers[0])}, HostKeyCallback: ssh.FixedHostKey(to.HostKey)})
		if err != nil {
			return nil, err
		}
		return nil, client.Close()
	}
	for range 2 { // a resumed run dials again: another key, the same address
		before := d.admitted
		if _, err := s.Dial(t.Context(), k, req, quiet); err != nil {
			t.Fatal(err)
		}
		if d.admitted == before {
			t.Error("the key is the same")
		}
	}
	if dialled != 2 || len(c.fips) != 1 || c.fips[0]["port_id"] != "port-of-"+k.ID ||
		c.fips[0]["description"] != "chexp container "+k.ID+" "+k.Name+" user "+alice {
		t.Errorf("dialled %d times, floating IPs %v", dialled, c.fips)
	}
	c.fips = append(c.fips, map[string]any{"id": "others", "floating_ip_address": "192.0.2.9", "port_id": "another",
		"description": "chexp container other"})
	if err := s.Destroy(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	if len(c.fips) != 1 || c.fips[0]["id"] != "others" || len(c.containers) != 0 {
		t.Errorf("left %v and %d containers", c.fips, len(c.containers))
	}
}

// The lease may end first: its container goes and the floating IP stays behind.
func TestDestroyFindsOrphanedIP(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.fips = []map[string]any{{"id": "f", "floating_ip_address": "192.0.2.9", "port_id": nil,
		"description": "chexp container gone"}}
	if err := s.Destroy(t.Context(), "gone"); err != nil || len(c.fips) != 0 {
		t.Errorf("%v, left %v", err, c.fips)
	}
}

func TestDialSSHFails(t *testing.T) {
	for name, f := range map[string]struct {
		prepare func(*cloud, *Site, *sshd)
		kind    failure.Kind
		words   []string
		fips    int
	}{
		"no sshd": {func(c *cloud, _ *Site, _ *sshd) { c.exec = func(string) (string, any) { return "", 43 } },
			failure.Device, []string{"no OpenSSH server", "transport: zun"}, 0},
		"not root": {func(c *cloud, _ *Site, _ *sshd) { c.exec = func(string) (string, any) { return "", 41 } },
			failure.Device, []string{"root"}, 0},
		"no sh": {func(c *cloud, _ *Site, _ *sshd) {
			c.exec = func(string) (string, any) { return "Malformed command, or binary not found in container", -1 }
		}, failure.Device, []string{"no sh"}, 0},
		"port taken": {func(c *cloud, s *Site, _ *sshd) {
			s.tcp = 20 * time.Millisecond
			c.exec = func(cmd string) (string, any) {
				if strings.Contains(cmd, "host.pub ||") {
					return "error: Bind to port 22 on 0.0.0.0 failed: Address already in use.\n", 0
				}
				return "", 0
			}
		}, failure.Device, []string{"Bind to port 22", "already"}, 0},
		"pool empty": {func(c *cloud, _ *Site, _ *sshd) {
			c.before = func(w http.ResponseWriter, r *http.Request) bool {
				if isPost(r, "/v2.0/floatingips") {
					reply(w, 409, map[string]any{"NeutronError": map[string]any{"type": "IpAddressGenerationFailure",
						"message": "No more IP addresses available on network x.", "detail": ""}})
					return true
				}
				return false
			}
		}, failure.Capacity, []string{"none is left", "transport: zun"}, 0},
		"no traffic": {func(_ *cloud, s *Site, d *sshd) {
			s.tcp = 20 * time.Millisecond
			d.listener.Close()
		}, failure.Device, []string{"does not answer", "resume"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			s := connect(t, c)
			d := newSSHD(t)
			c.exec, s.sshPort = d.exec, d.port
			s.ways.ssh = func(context.Context, sshexec.Config) (transport.Transport, error) {
				t.Error("dialled all the same")
				return nil, nil
			}
			f.prepare(c, s, d)
			req := bench()
			req.Transport = "ssh"
			k, err := s.Launch(t.Context(), req, quiet)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Dial(t.Context(), k, req, quiet)
			check(t, err, f.kind, f.words...)
			if len(c.fips) != f.fips {
				t.Errorf("floating IPs left: %v", c.fips)
			}
		})
	}
}

// The answer to the creation of a floating IP gets lost: the port has it.
func TestFloatingIPLostAnswer(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	d := newSSHD(t)
	c.exec, s.sshPort = d.exec, d.port
	s.ways.ssh = func(context.Context, sshexec.Config) (transport.Transport, error) { return nil, nil }
	c.after = func(w http.ResponseWriter, r *http.Request) bool {
		return isPost(r, "/v2.0/floatingips") && hangUp(w)
	}
	req := bench()
	req.Transport = "ssh"
	k, err := s.Launch(t.Context(), req, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Dial(t.Context(), k, req, quiet); err != nil || len(c.fips) != 1 {
		t.Errorf("%v, %v", err, c.fips)
	}
}
