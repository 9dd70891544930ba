package sshexec_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
	"chexp/orchestrator/internal/transport/transporttest"
)

// server is a real sshd on loopback: one process for each connection, in
// inetd's way, so that no port has to be guessed.
type server struct {
	config   sshexec.Config
	log      *transport.Output
	mu       sync.Mutex
	stalled  bool // pass no more bytes on
	accepted []net.Conn
}

func start(t *testing.T) *server {
	t.Helper()
	const sshd = "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		t.Skip("no /usr/sbin/sshd on this machine (Debian: openssh-server)")
	}
	me, err := user.Current()
	if err != nil {
		t.Skip("who am I: ", err)
	}
	// sshd as root wants the directory that its package's service file makes.
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skip("sshd needs /run/sshd: ", err)
		}
	}
	dir := t.TempDir()
	host, user := newKey(t), newKey(t)
	write(t, dir+"/host", host.pem)
	write(t, dir+"/authorized", ssh.MarshalAuthorizedKey(user.signer.PublicKey()))
	write(t, dir+"/config", fmt.Appendf(nil,
		"HostKey %s/host\nAuthorizedKeysFile %s/authorized\nStrictModes no\nUsePAM no\n"+
			"PasswordAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\nUseDNS no\n", dir, dir))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{log: transport.NewOutput(1 << 16), config: sshexec.Config{Address: l.Addr().String(),
		User:   me.Username,
		Signer: user.signer, HostKey: host.signer.PublicKey(), Timeout: 20 * time.Second}}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		s.drop()
		serving.Wait()
		if t.Failed() {
			t.Logf("sshd says:\n%s", s.log.Bytes())
		}
	})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.accepted = append(s.accepted, c)
			s.mu.Unlock()
			serving.Go(func() { s.serve(c, sshd, dir+"/config") })
		}
	})
	return s
}

// serve passes bytes between the connection and one sshd -i.
func (s *server) serve(c net.Conn, sshd, config string) {
	defer c.Close()
	cmd := exec.Command(sshd, "-i", "-e", "-f", config)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	cmd.Stderr = s.log
	cmd.WaitDelay = time.Second
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		fmt.Fprintln(s.log, err)
		return
	}
	go func() {
		defer in.Close()
		_, _ = io.Copy(in, &gate{s, c})
	}()
	_, _ = io.Copy(c, out)
	_ = cmd.Wait()
}

// gate swallows what comes while the server is stalled.
type gate struct {
	s *server
	r io.Reader
}

func (g *gate) Read(p []byte) (int, error) {
	for {
		n, err := g.r.Read(p)
		g.s.mu.Lock()
		stalled := g.s.stalled
		g.s.mu.Unlock()
		if err != nil || !stalled {
			return n, err
		}
	}
}

func (s *server) stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = true
}

func (s *server) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.accepted {
		c.Close()
	}
}

type key struct {
	signer ssh.Signer
	pem    []byte
}

func newKey(t *testing.T) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return key{signer, pem.EncodeToMemory(block)}
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, cfg sshexec.Config) *sshexec.Transport {
	t.Helper()
	tr, err := sshexec.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func TestConformance(t *testing.T) {
	s := start(t)
	transporttest.Run(t, func(t *testing.T) (transport.Transport, string) {
		return dial(t, s.config), t.TempDir() + "/far/end"
	})
}

func TestHostKeyIsPinned(t *testing.T) {
	s := start(t)
	cfg := s.config
	cfg.HostKey = newKey(t).signer.PublicKey()
	_, err := sshexec.Dial(t.Context(), cfg)
	if err == nil || failure.KindOf(err) != failure.Device || failure.NextOf(err) == "" ||
		!strings.Contains(err.Error(), "host key of "+cfg.Address+" is not the pinned one") ||
		!strings.Contains(err.Error(), ssh.FingerprintSHA256(cfg.HostKey)) ||
		!strings.Contains(err.Error(), ssh.FingerprintSHA256(s.config.HostKey)) {
		t.Errorf("another host key: %v", err)
	}
}

func TestWrongUserKey(t *testing.T) {
	s := start(t)
	cfg := s.config
	cfg.Signer = newKey(t).signer
	_, err := sshexec.Dial(t.Context(), cfg)
	if err == nil || !strings.Contains(failure.NextOf(err), "authorized_keys") ||
		!strings.Contains(err.Error(), ssh.FingerprintSHA256(cfg.Signer.PublicKey())) {
		t.Errorf("a key that is not authorized: %v", err)
	}
}

func TestDialHonoursTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := newKey(t)
	_, err = sshexec.Dial(t.Context(), sshexec.Config{Address: l.Addr().String(), User: "u", Signer: k.signer,
		HostKey: k.signer.PublicKey(), Timeout: 100 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server: %v", err)
	}
}

// A lost connection leaves the outcome unknown; it is never an exit code.
func TestConnectionLost(t *testing.T) {
	s := start(t)
	tr := dial(t, s.config)
	flag := t.TempDir() + "/flag"
	done := make(chan error, 1)
	go func() {
		exit, err := tr.Exec(t.Context(), transport.Command{
			Args: []string{"sh", "-c", `: >"$1"; sleep 30`, "sh", flag},
		})
		if err == nil {
			err = fmt.Errorf("exit %d", exit.Code)
			done <- err
			return
		}
		done <- nil
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(flag); err == nil {
			break
		}
		select {
		case <-tick.C:
		case err := <-done:
			t.Fatalf("ended too early: %v", err)
		}
	}
	s.drop()
	if err := <-done; err != nil {
		t.Errorf("a command whose connection broke has an outcome: %v", err)
	}
}

// Without keepalive this test would never end.
func TestKeepAlive(t *testing.T) {
	s := start(t)
	s.config.KeepAlive = 20 * time.Millisecond
	tr := dial(t, s.config)
	s.stall()
	if exit, err := tr.Exec(t.Context(), transport.Command{Args: []string{"true"}}); err == nil {
		t.Errorf("a connection that passes nothing on: exit %d", exit.Code)
	}
}

func TestKilledCommand(t *testing.T) {
	tr := dial(t, start(t).config)
	exit, err := tr.Exec(t.Context(), transport.Command{Args: []string{"sh", "-c", "kill -KILL $$"}})
	if err != nil || exit.Code != 128+9 {
		t.Errorf("killed by signal 9: %d, %v; want 137", exit.Code, err)
	}
}
