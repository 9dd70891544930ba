// Package sshexec is the Transport over SSH, for a container with an sshd
// behind a floating IP, for bare metal and for a machine of one's own. Whoever dials
// knows the host key already (because chexp put it there, or from known_hosts), so
// there is no first-use trust. The far end needs a POSIX login shell, tar and
// sha256sum; sftp is not used.
package sshexec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/transport"
)

// Config says where to and as whom.
type Config struct {
	Address string        // host:port
	User    string        // login name
	Signers []ssh.Signer  // the private keys, each tried in turn
	HostKey ssh.PublicKey // the key that the far end must prove it has
	Hosts   HostKeys      // says that instead of HostKey
	Advice  Advice
	Timeout time.Duration // for connecting and signing in; default 30 s
	// KeepAlive is the time between probes; after three without an answer the
	// connection is given up. Default 15 s. A device that lost its link would
	// otherwise hang a run until TCP gives up, which takes a quarter of an hour.
	KeepAlive time.Duration
	// MaxOutput bounds what Exec keeps; default 1 MiB.
	MaxOutput int
	// Env has variables that commands get beside those of the login: "NAME=value".
	Env []string
}

// Advice is what to do when there is no way in; empty: what suits a container.
type Advice struct {
	Unreached string // nothing answers
	Refused   string // the keys are not taken
}

// Transport is one SSH connection.
type Transport struct {
	client  *ssh.Client
	address string
	output  int
	env     []string
	closing sync.Once
	stop    chan struct{} // closed by Close: ends keepalive
	gone    chan struct{} // closed when keepalive has ended
}

var _ transport.Transport = (*Transport)(nil)

// Dial connects once; it does not wait for an sshd that is not up yet.
func Dial(ctx context.Context, cfg Config) (*Transport, error) {
	if cfg.Hosts == nil && cfg.HostKey != nil {
		cfg.Hosts = pinned{cfg.Address, cfg.HostKey}
	}
	if cfg.Hosts == nil || len(cfg.Signers) == 0 {
		return nil, errors.New("ssh: the host key and a private key are needed")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = 15 * time.Second
	}
	if cfg.MaxOutput <= 0 {
		cfg.MaxOutput = 1 << 20
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, failure.Device.Errorf("ssh: no connection to %s", cfg.Address).
			Advise("%s", cmp.Or(cfg.Advice.Unreached, "check that the container runs an sshd, that its port is exposed "+
				"and that the floating IP answers")).
			Because(err)
	}
	client, err := handshake(ctx, conn, cfg)
	if err != nil {
		return nil, err
	}
	t := &Transport{client: client, address: cfg.Address, output: cfg.MaxOutput, env: cfg.Env,
		stop: make(chan struct{}), gone: make(chan struct{})}
	go t.keepAlive(cfg.KeepAlive)
	return t, nil
}

func handshake(ctx context.Context, conn net.Conn, cfg Config) (*ssh.Client, error) {
	// x/crypto/ssh knows no context: closing the connection ends its waiting.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var refused error
	c, chans, reqs, err := ssh.NewClientConn(conn, cfg.Address, &ssh.ClientConfig{
		User: cfg.User,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(cfg.Signers...)},
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			refused = cfg.Hosts.Check(host, remote, key)
			return refused
		},
		HostKeyAlgorithms: cfg.Hosts.Algorithms(),
	})
	if err == nil {
		return ssh.NewClient(c, chans, reqs), nil
	}
	conn.Close()
	switch {
	case refused != nil:
		return nil, refused
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return nil, cfg.Hosts.None(err)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ssh: signing in at %s: %w", cfg.Address, ctx.Err())
	case strings.Contains(err.Error(), "Too many authentication failures"):
		return nil, failure.Device.
			Errorf("ssh: %s gave up before all %d keys were tried", cfg.Address, len(cfg.Signers)).
			Advise("%s", cmp.Or(cfg.Advice.Refused, "name the one that it takes")).
			Because(err)
	case strings.Contains(err.Error(), "unable to authenticate"):
		return nil, failure.Device.
			Errorf("ssh: %s refused user %s with key %s", cfg.Address, cfg.User, fingerprints(cfg.Signers)).
			Advise("%s", cmp.Or(cfg.Advice.Refused,
				"check that this public key is in the user's authorized_keys at the far end")).
			Because(err)
	}
	return nil, failure.Device.Errorf("ssh: signing in at %s", cfg.Address).Because(err)
}

func fingerprints(keys []ssh.Signer) string {
	var all []string
	for _, k := range keys {
		all = append(all, ssh.FingerprintSHA256(k.PublicKey()))
	}
	return words.List(all, ", ", 6)
}

func (t *Transport) keepAlive(every time.Duration) {
	defer close(t.gone)
	tick := time.NewTicker(every)
	defer tick.Stop()
	answer := make(chan error, 1)
	for waiting := 0; ; {
		select {
		case <-t.stop:
			return
		case err := <-answer:
			if err != nil {
				return // the connection is gone; whoever uses it is told
			}
			waiting = 0
		case <-tick.C:
			if waiting++; waiting > 3 {
				t.client.Close()
				return
			}
			if waiting == 1 {
				go func() {
					_, _, err := t.client.SendRequest("keepalive@openssh.com", true, nil)
					answer <- err
				}()
			}
		}
	}
}

// Properties implements transport.Transport.
func (t *Transport) Properties() transport.Properties {
	return transport.Properties{Name: "ssh", MaxOutput: t.output}
}

// Close implements transport.Transport.
func (t *Transport) Close() error {
	t.closing.Do(func() {
		close(t.stop)
		t.client.Close()
		<-t.gone
	})
	return nil
}
