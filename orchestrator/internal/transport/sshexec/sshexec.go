package sshexec

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/tarstream"
)

// Exit codes of our own scripts, above what tar and sh use.
const (
	exitNoDirectory = 94
	exitBadSums     = 93
)

// launcher runs a command unchanged, with stdout and stderr merged in the order
// in which they came. sshd runs everything through the login shell, which ends
// with 127 for a missing program, as a program itself may. So the launcher looks
// for the program first, and prints $0, a word that nobody can guess, when there
// is none.
const launcher = `exec 2>&1; m=$0; p=
case $1 in
*/*) p=$1 ;;
*) IFS=:; for d in $PATH; do if [ -f "$d/$1" ] && [ -x "$d/$1" ]; then p=$d/$1; break; fi; done; unset IFS ;;
esac
if [ -f "$p" ] && [ -x "$p" ]; then shift; exec "$p" "$@"; fi
printf %s "$m"; exit 127`

// Exec implements transport.Transport.
func (t *Transport) Exec(ctx context.Context, cmd transport.Command) (transport.Exit, error) {
	if err := transport.CheckCommand(cmd); err != nil {
		return transport.Exit{}, err
	}
	marker := "chexp-no-such-program-" + rand.Text()
	out := transport.NewOutput(t.output)
	args := append([]string{"sh", "-c", launcher, marker}, cmd.Args...)
	if len(t.env) > 0 {
		args = slices.Concat([]string{"env"}, t.env, args)
	}
	code, err := t.session(ctx, args, nil, out)
	if err != nil {
		return transport.Exit{}, fmt.Errorf("ssh: running %s: outcome unknown: %w", cmd.Args[0], err)
	}
	if code == 127 && string(out.Bytes()) == marker {
		return transport.Exit{Code: -1, Output: []byte(cmd.Args[0] + ": not found at the far end")}, nil
	}
	return transport.Exit{Code: code, Output: out.Bytes()}, nil
}

// session runs one command line to its end. stdin may be nil. It does not wait
// for the far end once ctx has ended: sshd keeps a closed session open until
// its command ends, and refuses signals to root's commands. What is left of it
// here goes away then, or with the connection.
func (t *Transport) session(ctx context.Context, args []string, stdin io.Reader, out io.Writer) (int, error) {
	type outcome struct {
		code int
		err  error
	}
	ended := make(chan outcome, 1)
	go func() {
		s, err := t.open(ctx)
		if err != nil {
			ended <- outcome{0, err}
			return
		}
		defer s.Close()
		s.Stdin, s.Stdout, s.Stderr = stdin, out, out
		if err := s.Start(transport.Quote(args)); err != nil {
			ended <- outcome{0, err}
			return
		}
		defer s.closeWith(ctx)()
		code, err := exitCode(ctx, s.Wait())
		ended <- outcome{code, err}
	}()
	select {
	case o := <-ended:
		return o.code, cause(ctx, o.err)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// session is an ssh.Session that ends with a context.
type session struct{ *ssh.Session }

func (t *Transport) open(ctx context.Context) (session, error) {
	if err := ctx.Err(); err != nil {
		return session{}, err
	}
	s, err := t.client.NewSession()
	if err != nil {
		return session{}, cause(ctx, err)
	}
	return session{s}, nil
}

// closeWith ends the session when ctx ends. The command at the far end then loses
// its pipes, and gets a signal where sshd passes one on.
func (s session) closeWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		_ = s.Signal(ssh.SIGKILL)
		s.Close()
	})
}

// giveUp bounds the wait for a far end that was told to stop.
const giveUp = 5 * time.Second

// watch closes the whole connection when the far end does not react to the end
// of ctx: a dead link must not hold Ctrl-C up.
func (t *Transport) watch(ctx context.Context) (stop func()) {
	over := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(giveUp)
		defer timer.Stop()
		select {
		case <-over:
		case <-timer.C:
			t.client.Close()
		}
	})
	return sync.OnceFunc(func() { cancel(); close(over) })
}

// waitFor waits for a tar that has just lost its input.
func (s session) waitFor(limit time.Duration) {
	ended := make(chan struct{})
	go func() {
		_ = s.Wait()
		close(ended)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// exitCode reads what Wait returned. Without an exit status the outcome is
// unknown: the connection broke, or the server does not say.
func exitCode(ctx context.Context, err error) (int, error) {
	var ended *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
		return 0, nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &missing):
		return 0, fmt.Errorf("the connection ended without an exit status: %w", err)
	case !errors.As(err, &ended):
		return 0, err
	case ended.Signal() != "":
		if n, ok := signals[ended.Signal()]; ok {
			return 128 + n, nil // as a shell says it
		}
		return 0, fmt.Errorf("the command was ended by signal %s", ended.Signal())
	}
	return ended.ExitStatus(), nil
}

// signals are the names of RFC 4254, 6.10, with Linux's numbers.
var signals = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9,
	"USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15}

// Put implements transport.Transport: one stream into tar, then the sums into
// sha256sum -c.
func (t *Transport) Put(ctx context.Context, dir string, stream io.Reader) error {
	if err := transport.CheckPath(dir); err != nil {
		return err
	}
	sums, err := t.send(ctx, dir, stream)
	if err != nil {
		return fmt.Errorf("ssh: putting files into %s: %w", dir, err)
	}
	if len(sums.Files) == 0 {
		return nil
	}
	// Only the lines that are not OK come back, and few of them.
	const script = `cd "$0" || exit 94
o=$(sha256sum -c - 2>&1) && exit 0
printf "%s\n" "$o" | grep -v ": OK$" | head -n 5; exit 93`
	out := transport.NewOutput(4096)
	code, err := t.session(ctx, []string{"sh", "-c", script, dir}, strings.NewReader(sums.Text()), out)
	switch {
	case err != nil:
		return fmt.Errorf("ssh: checking the files in %s: %w", dir, err)
	case code == exitBadSums:
		return failure.Device.
			Errorf("ssh: files in %s differ from what was sent: %s", dir, transport.Said(out.Bytes())).
			Advise("check the device's disk (df) and try again")
	case code != 0:
		return fmt.Errorf("ssh: checking the files in %s: exit %d: %s", dir, code, transport.Said(out.Bytes()))
	}
	return nil
}

func (t *Transport) send(ctx context.Context, dir string, stream io.Reader) (*tarstream.Sums, error) {
	defer t.watch(ctx)()
	s, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out := transport.NewOutput(4096)
	s.Stdout, s.Stderr = out, out
	in, err := s.StdinPipe()
	if err != nil {
		return nil, err
	}
	// o: the files belong to the user that signed in. p: they have the stream's
	// modes, whatever the umask. m: they get the device's time, which is often
	// wrong: tar would complain about times in the future.
	script := `mkdir -p "$0" && exec tar xpmof - -C "$0"`
	if err := s.Start(transport.Quote([]string{"sh", "-c", script, dir})); err != nil {
		return nil, cause(ctx, err)
	}
	defer s.closeWith(ctx)()
	sums, err := tarstream.Copy(&acknowledged{w: in, to: stream}, stream)
	if err != nil && !errors.Is(err, io.EOF) {
		// Our stream broke, or the caller gave up: what tar says no longer
		// matters, but it should have ended before another Put may begin.
		in.Close()
		s.waitFor(giveUp)
		return nil, cause(ctx, err)
	}
	// Writing to a tar that has ended gives io.EOF; its exit says why.
	in.Close()
	code, werr := exitCode(ctx, s.Wait())
	switch {
	case werr != nil:
		return nil, werr
	case code != 0:
		return nil, failure.Device.Errorf("tar at the far end ended with %d: %s", code, transport.Said(out.Bytes())).
			Advise("check that the image has tar, that the directory may be written and that the disk is not full")
	case err != nil:
		return nil, err
	}
	return sums, nil
}

// acknowledged tells the reader of the stream how much went out. SSH holds at
// most its window (2 MiB) back.
type acknowledged struct {
	w  io.Writer
	to io.Reader
	n  int64
}

func (a *acknowledged) Write(p []byte) (int, error) {
	n, err := a.w.Write(p)
	a.n += int64(n)
	transport.Acknowledge(a.to, a.n)
	return n, err
}

// Get implements transport.Transport. What tar says at its end is part of the
// stream: a reader gets io.EOF only if tar ended well.
func (t *Transport) Get(ctx context.Context, dir string) (io.ReadCloser, error) {
	if err := transport.CheckPath(dir); err != nil {
		return nil, err
	}
	g := &getting{ctx: ctx, dir: dir, log: transport.NewOutput(4096), unwatch: t.watch(ctx)}
	if err := g.start(t); err != nil {
		g.Close()
		return nil, fmt.Errorf("ssh: getting %s: %w", dir, err)
	}
	return g, nil
}

func (g *getting) start(t *Transport) (err error) {
	s, err := t.open(g.ctx)
	if err != nil {
		return err
	}
	g.s = &s
	s.Stderr = g.log
	if g.out, err = s.StdoutPipe(); err != nil {
		return err
	}
	script := `[ -d "$0" ] || exit 94; LC_ALL=C exec tar cf - -C "$0" .`
	if err := s.Start(transport.Quote([]string{"sh", "-c", script, g.dir})); err != nil {
		return cause(g.ctx, err)
	}
	g.stop = s.closeWith(g.ctx)
	// The first block decides whether there is a directory at all.
	first := make([]byte, 512)
	n, err := io.ReadFull(g, first)
	g.head = first[:n]
	return err
}

type getting struct {
	ctx     context.Context
	s       *session
	dir     string
	out     io.Reader
	log     *transport.Output
	head    []byte // read already
	stop    func() bool
	unwatch func()
	ended   error // how the stream ended; nil while it goes on
}

func (g *getting) Read(p []byte) (int, error) {
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	if g.ended != nil {
		return 0, g.ended
	}
	n, err := g.out.Read(p)
	if err != nil {
		g.ended = g.end(err)
		err = g.ended
	}
	return n, err
}

func (g *getting) end(err error) error {
	if err != io.EOF {
		return cause(g.ctx, err)
	}
	code, err := exitCode(g.ctx, g.s.Wait())
	switch {
	case err != nil:
		return err
	case code == 0, code == 1 && tarstream.OnlyChanged(g.log.Bytes()):
		return io.EOF
	case code == exitNoDirectory:
		return fmt.Errorf("directory %s at the far end: %w", g.dir, fs.ErrNotExist)
	}
	return failure.Device.Errorf("tar at the far end ended with %d: %s", code, transport.Said(g.log.Bytes())).
		Advise("check that the image has tar and that the files may be read")
}

// Close ends the transfer, complete or not.
func (g *getting) Close() error {
	if g.stop != nil {
		g.stop()
	}
	if g.s != nil {
		g.s.Close() // io.EOF when the far end was faster
	}
	g.unwatch()
	return nil
}
