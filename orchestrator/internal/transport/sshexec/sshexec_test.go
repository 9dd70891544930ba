package sshexec_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshdtest"
	"chexp/orchestrator/internal/transport/sshexec"
	"chexp/orchestrator/internal/transport/transporttest"
)

type server struct {
	*sshdtest.Server
	config sshexec.Config
}

func start(t *testing.T) *server {
	t.Helper()
	s, err := sshdtest.Start(t.TempDir())
	if errors.Is(err, sshdtest.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("sshd says:\n%s", s.Log.Bytes())
		}
	})
	return &server{s, sshexec.Config{Address: s.Address, User: s.User, Signers: []ssh.Signer{s.Login.Signer},
		HostKey: s.Host.Signer.PublicKey(), Timeout: 20 * time.Second}}
}

func newKey(t *testing.T) sshdtest.Key {
	t.Helper()
	k, err := sshdtest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
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
	cfg.HostKey = newKey(t).Signer.PublicKey()
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
	cfg.Signers = []ssh.Signer{newKey(t).Signer}
	_, err := sshexec.Dial(t.Context(), cfg)
	if err == nil || !strings.Contains(failure.NextOf(err), "authorized_keys") ||
		!strings.Contains(err.Error(), ssh.FingerprintSHA256(cfg.Signers[0].PublicKey())) {
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
	_, err = sshexec.Dial(t.Context(), sshexec.Config{Address: l.Addr().String(), User: "u",
		Signers: []ssh.Signer{k.Signer}, HostKey: k.Signer.PublicKey(), Timeout: 100 * time.Millisecond})
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
	s.Drop()
	if err := <-done; err != nil {
		t.Errorf("a command whose connection broke has an outcome: %v", err)
	}
}

// Without keepalive this test would never end.
func TestKeepAlive(t *testing.T) {
	s := start(t)
	s.config.KeepAlive = 20 * time.Millisecond
	tr := dial(t, s.config)
	s.Stall()
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
