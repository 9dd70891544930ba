package ownhost

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"
	"chexp/orchestrator/internal/transport/sshexec"
)

func newKey(t *testing.T) (ssh.Signer, ed25519.PrivateKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, private
}

// writeKey writes a private key, with a passphrase unless that is empty.
func writeKey(t *testing.T, name string, key ed25519.PrivateKey, passphrase string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// machineHere is a Site whose machine is this one, with a home of its own; it records
// how it was dialled.
func machineHere(t *testing.T) (s *Site, far string, last *sshexec.Config) {
	t.Helper()
	home, far := t.TempDir(), t.TempDir()
	_, private := newKey(t)
	writeKey(t, home+"/.ssh/id_ed25519", private, "")
	s, err := New(Options{Host: spec.Host{Name: "board", Port: 2222}, Home: home, Me: "pi", System: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	last = new(sshexec.Config)
	t.Setenv("HOME", far)
	s.dial = func(_ context.Context, c sshexec.Config) (transport.Transport, error) {
		*last = c
		return localexec.New(far), nil
	}
	return s, far, last
}

func quiet(string) {}

func TestAWorkDirectory(t *testing.T) {
	s, far, last := machineHere(t)
	c, err := s.Launch(t.Context(), run.ContainerRequest{Name: "run-a"}, quiet)
	if err != nil || c.ID != far+"/.chexp/run-a" || c.Dir != c.ID+"/work" {
		t.Fatalf("%+v, %v", c, err)
	}
	again, err := s.Launch(t.Context(), run.ContainerRequest{Name: "run-a"}, quiet)
	if err != nil || again.ID != c.ID {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	found, ok, err := s.FindContainer(t.Context(), "run-a")
	if err != nil || !ok || found.ID != c.ID {
		t.Errorf("%+v, %t, %v", found, ok, err)
	}
	if _, ok, err := s.FindContainer(t.Context(), "run-b"); ok || err != nil {
		t.Errorf("another run's: %t, %v", ok, err)
	}
	if _, err := s.Dial(t.Context(), c, run.ContainerRequest{}, quiet); err != nil || len(last.Env) != 1 ||
		last.Env[0] != "CHEXP_AGENT_CACHE="+c.ID {
		t.Errorf("%v, %v", last.Env, err)
	}
	for range 2 {
		if err := s.Destroy(t.Context(), c.ID); err != nil {
			t.Errorf("removing: %v", err)
		}
	}
	if left, _ := os.ReadDir(far); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What works in the directory is ended, whatever it was started by; a second run is
// refused as long as it works.
func TestWhatStillRunsThere(t *testing.T) {
	s, _, _ := machineHere(t)
	c, err := s.Launch(t.Context(), run.ContainerRequest{Name: "run-a"}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	agent := exec.Command("sleep", "600")
	agent.Dir = c.Dir
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Launch(t.Context(), run.ContainerRequest{Name: "run-b"}, quiet)
	if failure.KindOf(err) != failure.Capacity || !strings.Contains(err.Error(), "busy: the run run-a measures on it") {
		t.Errorf("beside another run: %v", err)
	}
	if err := s.Destroy(t.Context(), c.ID); err != nil {
		t.Error(err)
	}
	if err := agent.Wait(); err == nil || agent.ProcessState.ExitCode() != -1 {
		t.Errorf("what worked there was not ended: %v", agent.ProcessState)
	}
}

// What chexp did not make it does not touch.
func TestForeignDirectories(t *testing.T) {
	s, far, _ := machineHere(t)
	dir := far + "/.chexp/run-a"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Launch(t.Context(), run.ContainerRequest{Name: "run-a"}, quiet); err == nil ||
		!strings.Contains(err.Error(), "chexp did not make it") {
		t.Errorf("launching: %v", err)
	}
	for _, id := range []string{dir, far, "/", "/.chexp/..", far + "/.chexp/x;reboot", "run-a", ""} {
		if err := s.Destroy(t.Context(), id); err == nil {
			t.Errorf("%q was removed", id)
		}
	}
	if err := errors.Join(os.Remove(dir), os.Symlink(far, dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), dir); err == nil {
		t.Error("a link was followed")
	}
}

func TestWhatAMachineIs(t *testing.T) {
	s, _, _ := machineHere(t)
	good := machine{system: "Linux", name: "aarch64", arch: "arm64", home: "/home/pi", cores: 4, free: 1 << 20}
	for _, c := range []struct {
		change func(*machine)
		want   string
	}{
		{func(*machine) {}, ""},
		{func(m *machine) { m.system = "Darwin" }, "Darwin on aarch64"},
		{func(m *machine) { m.name, m.arch = "armv7l", "" }, "no agent"},
		{func(m *machine) { m.free = 50 << 10 }, "has no room: 52.4 MB"},
		{func(m *machine) { m.lacks = []string{"tar"} }, "lacks tar"},
		{func(m *machine) { m.home = "/home/a b" }, "home directory"},
	} {
		m := good
		c.change(&m)
		err := m.fit(s)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", m, err, c.want)
		}
	}
	if why := good.busyWith(s); why != "" {
		t.Error(why)
	}
	busy := good
	busy.load = 3.2
	if why := busy.busyWith(s); !strings.Contains(why, "load is 3.20 on 4 cores") ||
		!strings.Contains(why, "ssh -p 2222 pi@board ") {
		t.Error(why)
	}
	if arch, err := s.Arch(t.Context()); err != nil || arch != "amd64" && arch != "arm64" {
		t.Errorf("this machine: %s, %v", arch, err)
	}
}

func knownAs(t *testing.T, s *Site, lines ...string) *known {
	t.Helper()
	if err := os.WriteFile(s.knownFile(), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := s.known()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKnownHosts(t *testing.T) {
	s, _, _ := machineHere(t)
	mine, _ := newKey(t)
	other, _ := newKey(t)
	key := mine.PublicKey()
	at := "[board]:2222"
	line := knownhosts.Line([]string{at}, key)
	hashed := knownhosts.HashHostname(at) + strings.TrimPrefix(line, at)
	for _, c := range []struct {
		name, want string
		lines      []string
	}{
		{"known", "", []string{line}},
		{"hashed", "", []string{hashed}},
		{"with others", "", []string{"# mine", knownhosts.Line([]string{"elsewhere"}, other.PublicKey()), line}},
		{"nothing", "is not known here, so nothing was sent: it showed ssh-ed25519 SHA256:", nil},
		{"on another port", "is not known here", []string{knownhosts.Line([]string{"board"}, key)}},
		{"changed", "is not the known one; nothing was sent: it showed ssh-ed25519 SHA256:",
			[]string{knownhosts.Line([]string{at}, other.PublicKey())}},
		{"revoked", "is revoked in", []string{line, "@revoked * " + strings.SplitN(line, " ", 2)[1]}},
	} {
		k := knownAs(t, s, c.lines...)
		err := k.Check("board:2222", nowhere, key)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) ||
			failure.KindOf(err) != failure.Auth || failure.NextOf(err) == "") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	k := knownAs(t, s, line)
	if got := k.Algorithms(); len(got) != 1 || got[0] != ssh.KeyAlgoED25519 {
		t.Errorf("a server with several keys is asked for %v", got)
	}
	if next := failure.NextOf(k.None(errors.New("no"))); !strings.Contains(next, "`ssh-keygen -R '[board]:2222'`") {
		t.Error(next)
	}
	if err := os.WriteFile(s.knownFile(), []byte("board ssh-ed25519 what\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.known(); err == nil || !strings.Contains(err.Error(), "known_hosts:1") {
		t.Errorf("a line that cannot be read: %v", err)
	}
}

// A key with a passphrase is taken from ssh-agent; without that it is named.
func TestKeys(t *testing.T) {
	s, _, last := machineHere(t)
	dir := s.opts.Home + "/.ssh"
	signer, private := newKey(t)
	writeKey(t, dir+"/board", private, "secret")
	if err := os.WriteFile(dir+"/board.pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.opts.Host.Key = "~/.ssh/board"
	if _, err := s.open(t.Context()); err == nil || !strings.Contains(err.Error(), "needs a passphrase") ||
		failure.NextOf(err) != "`ssh-add "+dir+"/board` asks for it once" {
		t.Errorf("without ssh-agent: %v, %s", err, failure.NextOf(err))
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	s.opts.Agent = filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", s.opts.Agent)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keys, c) }()
		}
	}()
	shown := func() (all []string) {
		if _, err := s.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, k := range last.Signers {
			all = append(all, ssh.FingerprintSHA256(k.PublicKey()))
		}
		return all
	}
	if got := shown(); len(got) != 1 || got[0] != ssh.FingerprintSHA256(signer.PublicKey()) {
		t.Errorf("the named one: %v", got)
	}
	s.opts.Host.Key = ""
	if got := shown(); len(got) != 2 || got[0] != ssh.FingerprintSHA256(signer.PublicKey()) {
		t.Errorf("ssh-agent's, then the usual file's: %v", got)
	}
	s.opts.Agent = ""
	if err := os.Remove(dir + "/id_ed25519"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.open(t.Context()); failure.KindOf(err) != failure.Auth ||
		!strings.Contains(failure.NextOf(err), "ssh-copy-id -p 2222 pi@board") {
		t.Errorf("no key at all: %v", err)
	}
}

// What a run's record says of its machine leads back to it.
func TestDescribedHost(t *testing.T) {
	s, _, _ := machineHere(t)
	s.opts.Host.Key = "~/.ssh/board"
	if got := DescribedHost(s.Describe()); got != s.opts.Host {
		t.Errorf("%+v, want %+v", got, s.opts.Host)
	}
	if got := DescribedHost(map[string]string{"host": "-oProxyCommand=x"}); got != (spec.Host{}) {
		t.Errorf("a record that was tampered with: %+v", got)
	}
}
