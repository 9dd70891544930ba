package ownhost

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/transport"
)

// known is what this machine's known_hosts files say of the host.
type known struct {
	site      *Site
	check     ssh.HostKeyCallback
	want      []knownhosts.KnownKey
	authority bool // keys may be vouched for by another one (@cert-authority)
}

var systemFiles = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}

// maxKnown bounds a known_hosts file.
const maxKnown = 16 << 20

// known reads the files anew, as they may have changed.
func (s *Site) known() (*known, error) {
	system := s.opts.System
	if system == nil {
		system = systemFiles
	}
	k := &known{site: s}
	var names []string
	for _, name := range append([]string{s.knownFile(), s.knownFile() + "2"}, system...) {
		data, err := files.Read(name, maxKnown)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, failure.Auth.Errorf("the host key of %s cannot be checked", s.login()).Because(err)
		}
		k.authority = k.authority || bytes.Contains(data, []byte("@cert-authority"))
		names = append(names, name)
	}
	var err error
	if k.check, err = knownhosts.New(names...); err != nil {
		return nil, failure.Auth.Errorf("the host key of %s cannot be checked", s.login()).
			Advise("mend or remove the line that it names").Because(err)
	}
	// A key that nobody has tells which ones are known.
	probe, _ := ssh.NewPublicKey(make(ed25519.PublicKey, ed25519.PublicKeySize))
	var other *knownhosts.KeyError
	if errors.As(k.check(s.opts.Host.Address(), nowhere, probe), &other) {
		k.want = other.Want
	}
	return k, nil
}

var nowhere = &net.TCPAddr{IP: net.IPv4zero}

func (s *Site) knownFile() string { return filepath.Join(s.opts.Home, ".ssh", "known_hosts") }

// Algorithms implements sshexec.HostKeys.
func (k *known) Algorithms() (all []string) {
	if k.authority {
		all = []string{ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
			ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01}
	}
	for _, w := range k.want {
		for _, a := range algorithms(w.Key.Type()) {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	if len(k.want) == 0 {
		return nil
	}
	return all
}

// Check implements sshexec.HostKeys.
func (k *known) Check(host string, remote net.Addr, key ssh.PublicKey) error {
	s := k.site
	err := k.check(host, remote, key)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.shown = ssh.FingerprintSHA256(key)
		return nil
	}
	showed := fmt.Sprintf("it showed %s %s", key.Type(), ssh.FingerprintSHA256(key))
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return failure.Auth.Errorf("the host key of %s is revoked in %s:%d; nothing was sent", s.login(),
			revoked.Revoked.Filename, revoked.Revoked.Line).
			Advise("do not trust what answers there, unless who runs the machine says why").Because(errors.New(showed))
	case len(k.want) == 0:
		return failure.Auth.Errorf("the host key of %s is not known here, so nothing was sent: %s", s.login(), showed).
			Advise("hold that against what `ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub` prints on the machine itself; then "+
				"`%s` asks you once and keeps it; or `%s`, which asks nobody", shortType(key.Type()), s.shell("true"),
				s.keyscan())
	}
	var lines []string
	for _, w := range k.want {
		lines = append(lines, fmt.Sprintf("%s:%d has %s %s", w.Filename, w.Line, w.Key.Type(),
			ssh.FingerprintSHA256(w.Key)))
	}
	return k.changed(fmt.Errorf("%s; %s", showed, words.List(lines, ", ", 3)))
}

// None implements sshexec.HostKeys.
func (k *known) None(why error) error {
	return k.changed(fmt.Errorf("it has no key of the kinds that known_hosts has for it: %w", why))
}

func (k *known) changed(why error) error {
	s, forget := k.site, []string{"ssh-keygen", "-R", knownhosts.Normalize(k.site.opts.Host.Address())}
	return failure.Auth.Errorf("the host key of %s is not the known one; nothing was sent", s.login()).
		Advise("another machine may answer at this address. If it was set up anew, and you know that: `%s`, then `%s` asks "+
			"you about the new key", transport.Quote(forget), s.shell("true")).
		Because(why)
}

// shortType is what OpenSSH names the file of a host key by.
func shortType(keyType string) string {
	switch {
	case strings.HasPrefix(keyType, "ecdsa"):
		return "ecdsa"
	case keyType == ssh.KeyAlgoRSA:
		return "rsa"
	}
	return "ed25519"
}

// keyscan is the command that takes the machine's keys over unseen.
func (s *Site) keyscan() string {
	args := []string{"ssh-keyscan"}
	if p := s.opts.Host.Port; p != 0 {
		args = append(args, "-p", strconv.Itoa(p))
	}
	return transport.Quote(append(args, s.opts.Host.Name)) + " >> ~/.ssh/known_hosts"
}
