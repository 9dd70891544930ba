// Package sshexec is the Transport over SSH, for a container with an sshd
// behind a floating IP and for bare metal. The host key is pinned: whoever
// dials knows it already (from the console log, or because chexp put it there),
// so there is no first-use trust. The far end needs a POSIX login shell, tar
// and sha256sum; sftp is not used.
package sshexec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
)

// Config says where to and as whom.
type Config struct {
	Address string        // host:port
	User    string        // login name
	Signer  ssh.Signer    // the private key
	HostKey ssh.PublicKey // the key that the far end must prove it has
	Timeout time.Duration // for connecting and signing in; default 30 s
	// KeepAlive is the time between probes; after three without an answer the
	// connection is given up. Default 15 s. A device that lost its link would
	// otherwise hang a run until TCP gives up, which takes a quarter of an hour.
	KeepAlive time.Duration
	// MaxOutput bounds what Exec keeps; default 1 MiB.
	MaxOutput int
}

// Transport is one SSH connection.
type Transport struct {
	client  *ssh.Client
	address string
	output  int
	closing sync.Once
	stop    chan struct{} // closed by Close: ends keepalive
	gone    chan struct{} // closed when keepalive has ended
}

var _ transport.Transport = (*Transport)(nil)

// Dial connects once; it does not wait for an sshd that is not up yet.
func Dial(ctx context.Context, cfg Config) (*Transport, error) {
	if cfg.HostKey == nil || cfg.Signer == nil {
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
			Advise("check that the container runs an sshd, that its port is exposed " +
				"and that the floating IP answers").
			Because(err)
	}
	client, err := handshake(ctx, conn, cfg)
	if err != nil {
		return nil, err
	}
	t := &Transport{client: client, address: cfg.Address, output: cfg.MaxOutput,
		stop: make(chan struct{}), gone: make(chan struct{})}
	go t.keepAlive(cfg.KeepAlive)
	return t, nil
}

func handshake(ctx context.Context, conn net.Conn, cfg Config) (*ssh.Client, error) {
	// x/crypto/ssh knows no context: closing the connection ends its waiting.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var mismatch error
	c, chans, reqs, err := ssh.NewClientConn(conn, cfg.Address, &ssh.ClientConfig{
		User: cfg.User,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(cfg.Signer)},
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			err := ssh.FixedHostKey(cfg.HostKey)(host, remote, key)
			if err != nil {
				mismatch = fmt.Errorf("it showed %s %s, expected %s %s",
					key.Type(), ssh.FingerprintSHA256(key), cfg.HostKey.Type(), ssh.FingerprintSHA256(cfg.HostKey))
			}
			return err
		},
		HostKeyAlgorithms: algorithms(cfg.HostKey.Type()),
	})
	if err == nil {
		return ssh.NewClient(c, chans, reqs), nil
	}
	conn.Close()
	switch {
	case mismatch != nil:
		return nil, wrongHost(cfg.Address, mismatch)
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return nil, wrongHost(cfg.Address, fmt.Errorf("it has no %s key: %w", cfg.HostKey.Type(), err))
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ssh: signing in at %s: %w", cfg.Address, ctx.Err())
	case strings.Contains(err.Error(), "unable to authenticate"):
		return nil, failure.Device.
			Errorf("ssh: %s refused user %s with key %s",
				cfg.Address, cfg.User, ssh.FingerprintSHA256(cfg.Signer.PublicKey())).
			Advise("check that this public key is in the user's authorized_keys at the far end").
			Because(err)
	}
	return nil, failure.Device.Errorf("ssh: signing in at %s", cfg.Address).Because(err)
}

func wrongHost(address string, err error) error {
	return failure.Device.Errorf("ssh: the host key of %s is not the pinned one; nothing was sent", address).
		Advise("another machine answers at this address, or the container was made anew; start the run again, " +
			"and if it stays so, do not trust the address").
		Because(err)
}

// algorithms makes the server show the pinned kind of key: it may have several.
func algorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
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
