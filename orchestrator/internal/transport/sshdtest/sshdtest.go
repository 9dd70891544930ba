// Package sshdtest starts a real sshd on loopback, for tests.
package sshdtest

import (
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
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/orchestrator/internal/transport"
)

const program = "/usr/sbin/sshd"

// ErrAbsent is the cause of an error where this machine cannot run an sshd.
var ErrAbsent = errors.New("no sshd on this machine (Debian: openssh-server)")

// Key is a key pair.
type Key struct {
	Signer ssh.Signer
	PEM    []byte // the private half
}

// NewKey makes one.
func NewKey() (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return Key{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return Key{}, err
	}
	return Key{signer, pem.EncodeToMemory(block)}, nil
}

// Server is an sshd: one process for each connection, in inetd's way, so that no port
// has to be guessed.
type Server struct {
	Address string
	User    string // who may sign in, with Login
	Login   Key
	Host    Key
	Log     *transport.Output

	listener net.Listener
	serving  sync.WaitGroup
	mu       sync.Mutex
	stalled  bool // pass no more bytes on
	closed   bool // take no more connections
	accepted []net.Conn
}

// Start starts one whose files are in dir; more are lines of its configuration.
func Start(dir string, more ...string) (*Server, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("%w: who am I: %w", ErrAbsent, err)
	}
	// sshd as root wants the directory that its package's service file makes.
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
		}
	}
	host, err1 := NewKey()
	login, err2 := NewKey()
	config := fmt.Appendf(nil, "HostKey %s/host\nAuthorizedKeysFile %s/authorized\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\nUseDNS no\n", dir, dir)
	for _, line := range more {
		config = fmt.Appendln(config, line)
	}
	if err := errors.Join(err1, err2,
		os.WriteFile(filepath.Join(dir, "host"), host.PEM, 0o600),
		os.WriteFile(filepath.Join(dir, "authorized"), ssh.MarshalAuthorizedKey(login.Signer.PublicKey()), 0o600),
		os.WriteFile(filepath.Join(dir, "config"), config, 0o600)); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Address: l.Addr().String(), User: me.Username, Login: login, Host: host,
		Log: transport.NewOutput(1 << 16), listener: l}
	s.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.serving.Go(func() { s.serve(c, filepath.Join(dir, "config")) })
		}
	})
	return s, nil
}

// Close ends the server, and waits until it has.
func (s *Server) Close() {
	s.listener.Close()
	s.Drop()
	s.serving.Wait()
}

// serve passes bytes between the connection and one sshd -i.
func (s *Server) serve(c net.Conn, config string) {
	defer c.Close()
	s.mu.Lock()
	s.accepted = append(s.accepted, c)
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return
	}
	cmd := exec.Command(program, "-i", "-e", "-f", config)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	cmd.Stderr = s.Log
	cmd.WaitDelay = time.Second
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		fmt.Fprintln(s.Log, err)
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
	s *Server
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

// Stall has the server pass nothing on any more, of what has connected.
func (s *Server) Stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = true
}

// Away ends all connections, and those to come at once, while it is true: a machine
// whose network is cut.
func (s *Server) Away(is bool) {
	s.mu.Lock()
	s.closed = is
	s.mu.Unlock()
	if is {
		s.Drop()
	}
}

// Drop ends all connections.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.accepted {
		c.Close()
	}
	s.accepted = nil
}
