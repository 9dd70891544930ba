package baremetal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
)

type open struct{ transport.Transport }

func entering(t *testing.T, dial func(context.Context, sshexec.Config) (transport.Transport, error)) *serverClient {
	c := newTestClient()
	c.dial = dial
	c.Pace.First, c.Pace.Most = time.Millisecond, time.Millisecond
	return &serverClient{catalogue: &catalogue{client: c}, keys: newKeyring(t.TempDir())}
}

// A server that boots is tried until it lets in; its host key is pinned from the first try,
// and one that shows another is told of when the time is over.
func TestSignIn(t *testing.T) {
	tries := 0
	var asked []sshexec.Config
	s := entering(t, func(_ context.Context, to sshexec.Config) (transport.Transport, error) {
		asked = append(asked, to)
		if tries++; tries < 3 {
			return nil, errors.New("connection refused")
		}
		return open{}, nil
	})
	k, err := s.keys.create("a", false)
	if err != nil {
		t.Fatal(err)
	}
	c := run.Container{Name: "a", Status: "ACTIVE"}
	tr, err := s.signIn(t.Context(), c, k, "192.0.2.1:22", time.Hour, func(string) {})
	if err != nil || tr == nil || tries != 3 {
		t.Fatalf("%v, %v after %d tries", tr, err, tries)
	}
	for _, to := range asked {
		if to.Hosts != nil || line(to.HostKey) != line(k.host) || to.User != "cc" || to.Address != "192.0.2.1:22" {
			t.Errorf("%+v", to)
		}
	}
	s = entering(t, func(context.Context, sshexec.Config) (transport.Transport, error) {
		return nil, errors.New("the host key of 192.0.2.1:22 is not the pinned one; nothing was sent")
	})
	_, err = s.signIn(t.Context(), c, k, "192.0.2.1:22", 0, func(string) {})
	if failure.KindOf(err) != failure.Device || !strings.Contains(err.Error(), "not the pinned one") ||
		!strings.Contains(strings.Join(failure.Advice(err), ""), "cloud-init") {
		t.Errorf("%v", err)
	}
}

// Where an image takes no host key the first one that is shown is believed, which is said,
// and no other afterwards.
func TestTheFirstKeyIsBelievedOnce(t *testing.T) {
	s := entering(t, func(_ context.Context, to sshexec.Config) (transport.Transport, error) {
		other, _, err := newKey()
		if err != nil {
			t.Fatal(err)
		}
		return open{}, to.Hosts.Check("", nil, other.PublicKey())
	})
	k, err := s.keys.create("a", true)
	if err != nil || k.userData() != nil {
		t.Fatalf("%v, user data %q", err, k.userData())
	}
	var said []string
	if _, err := s.signIn(t.Context(), run.Container{Name: "a"}, k, "192.0.2.1:22", time.Hour,
		func(text string) { said = append(said, text) }); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "is believed as it is the first") {
		t.Errorf("said %q", said)
	}
	again, err := s.keys.find("a")
	if err != nil || again.host == nil || !strings.Contains(said[0], "ssh-ed25519") {
		t.Errorf("%v, %v: the key is not kept", again, err)
	}
	for _, odd := range []string{"../a", "", "A"} {
		if _, err := s.keys.find(odd); err == nil {
			t.Errorf("%q is read", odd)
		}
	}
}
