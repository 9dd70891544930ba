//go:build !windows

package cli_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"chexp/orchestrator/internal/transport/sshdtest"
)

// machines are the sshds of the sessions, by their directories.
var machines sync.Map

// ownHost starts a machine of one's own: a real sshd on loopback, whose home directory
// is far, with this session's key admitted and its host key in known_hosts. With a
// word it changes what is known: "known", "unknown" or "other-key".
func ownHost(ts *testscript.TestScript, neg bool, args []string) {
	home, dir := ts.MkAbs("home/.ssh"), ts.MkAbs("sshd")
	if len(args) == 0 {
		for _, d := range []string{home, dir, ts.MkAbs("far")} {
			ts.Check(os.MkdirAll(d, 0o700))
		}
		s, err := sshdtest.Start(dir, "SetEnv HOME="+ts.MkAbs("far"))
		if errors.Is(err, sshdtest.ErrAbsent) {
			ts.Fatalf("this machine cannot play the other one: %v", err)
		}
		ts.Check(err)
		machines.Store(dir, s)
		ts.Defer(s.Close)
		ts.Check(os.WriteFile(home+"/id_ed25519", s.Login.PEM, 0o600))
		ts.Setenv("HOME", ts.MkAbs("home"))
		ts.Setenv("SSH_AUTH_SOCK", "")
		_, port, err := net.SplitHostPort(s.Address)
		ts.Check(err)
		ts.Setenv("PORT", port)
		args = []string{"known"}
	}
	s := machine(ts)
	key := s.Host
	if args[0] == "other-key" {
		var err error
		key, err = sshdtest.NewKey()
		ts.Check(err)
	}
	known := knownhosts.Line([]string{knownhosts.Normalize(s.Address)}, key.Signer.PublicKey()) + "\n"
	if args[0] == "unknown" {
		known = ""
	}
	ts.Check(os.WriteFile(home+"/known_hosts", []byte(known), 0o600))
	ts.Setenv("FINGERPRINT", ssh.FingerprintSHA256(s.Host.Signer.PublicKey()))
}

func machine(ts *testscript.TestScript) *sshdtest.Server {
	s, ok := machines.Load(ts.MkAbs("sshd"))
	if !ok {
		ts.Fatalf("no machine was started: own-host comes first")
	}
	return s.(*sshdtest.Server)
}

// killedMeasuring kills chexp while the agent measures.
func killedMeasuring(ts *testscript.TestScript, neg bool, args []string) {
	signalled(ts, syscall.SIGKILL, args, func() bool {
		logs, _ := filepath.Glob(ts.MkAbs("far/.chexp/*/*/out/events.jsonl"))
		for _, log := range logs {
			if data, _ := os.ReadFile(log); bytes.Contains(data, []byte("trial_started")) {
				return true
			}
		}
		return false
	})
}

// cutIn kills the connections in a phase of a run, which goes on and ends well.
func cutIn(ts *testscript.TestScript, neg bool, args []string) {
	inPhase := journalSays(ts, args[0])
	code := signalled(ts, syscall.Signal(0), args[1:], func() bool {
		if !inPhase() {
			return false
		}
		machine(ts).Drop()
		return true
	})
	if code != 0 {
		ts.Fatalf("exit code %d:\n%s", code, ts.ReadFile("stderr"))
	}
}
