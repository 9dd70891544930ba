package sshexec

import (
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
)

// HostKeys say which key the far end must prove it has.
type HostKeys interface {
	// Algorithms are those of the keys, so that a server with several shows one of
	// them; nil: any.
	Algorithms() []string
	// Check refuses a key. Its error is what whoever dials is told.
	Check(host string, remote net.Addr, key ssh.PublicKey) error
	// None is the error of a server that has no key of any of the algorithms.
	None(why error) error
}

// pinned is one key at an address.
type pinned struct {
	address string
	key     ssh.PublicKey
}

func (p pinned) Algorithms() []string { return AlgorithmsFor(p.key.Type()) }

func (p pinned) Check(host string, remote net.Addr, key ssh.PublicKey) error {
	if ssh.FixedHostKey(p.key)(host, remote, key) == nil {
		return nil
	}
	return p.wrong(fmt.Errorf("it showed %s %s, expected %s %s",
		key.Type(), ssh.FingerprintSHA256(key), p.key.Type(), ssh.FingerprintSHA256(p.key)))
}

func (p pinned) None(why error) error {
	return p.wrong(fmt.Errorf("it has no %s key: %w", p.key.Type(), why))
}

func (p pinned) wrong(why error) error {
	return failure.Device.Errorf("ssh: the host key of %s is not the pinned one; nothing was sent", p.address).
		Advise("another machine answers at this address, or the container was made anew; start the run again, " +
			"and if it stays so, do not trust the address").
		Because(why)
}

// AlgorithmsFor are those by which a key of a kind signs.
func AlgorithmsFor(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}
