// Package zunexec is the Transport over what Zun offers for a container on
// CHI@Edge: execute (one command, its output as text, at most 5 s) and
// put_archive and get_archive (one tar in one JSON message). All three are
// unreliable in ways that the HTTP status does not show:
//
//   - execute past its limit answers 200 without an exit code, and the process
//     goes on [ZUN:container/k8s/driver.py, conf/k8s.py execute_timeout];
//   - put_archive answers 200 when tar failed in the container, and 500 after
//     60 s when tar succeeded but waits for more (busybox tar always does, GNU
//     tar when the stream is not padded to 10,240 bytes);
//   - get_archive answers 200 and an empty tar for what is no directory.
//
// So an answer is only ever a hint here. Whatever goes up is cut into parts
// named after their SHA-256, each is looked at through execute until it is
// right, and only then put together; whatever comes down is compared with sums
// made at the far end. What may take long runs detached and is polled.
//
// The container needs sh, tar, sha256sum, dd and the usual small tools; Debian's
// and Alpine's images have them. Alpine's tar costs Zun's whole minute for each
// part, so images with GNU tar are much faster to fill.
package zunexec

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
	"unicode/utf8"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/transport"
)

// Zun is the part of Zun's client that this package uses. An error that has a
// method GetStatusCode() int (gophercloud's do) is told apart by it. The
// methods must be safe to call one after the other after an error.
type Zun interface {
	// Execute runs a command line, split like a shell's but without one.
	Execute(ctx context.Context, id, command string) (Result, error)
	// PutArchive unpacks a tar below path. It does not keep the tar.
	PutArchive(ctx context.Context, id, path string, tar []byte) error
	// GetArchive packs a directory.
	GetArchive(ctx context.Context, id, path string) ([]byte, error)
}

// Result is Zun's answer to execute.
type Result struct {
	Output   string
	ExitCode *int // nil: cut at the far end's limit, the process goes on; -1: no such binary
}

// Options are bounds; zero means the default.
type Options struct {
	// PartBytes is the largest piece sent or fetched in one call, default
	// 4 MiB. Chameleon's documentation says "a small file size" and no
	// number; a piece is halved, down to MinPart, when the site will not take it.
	PartBytes int
	MaxGet    int64         // largest directory that Get fetches, as a tar; default 2 GiB
	MaxOutput int           // bytes of output that Exec keeps; default 1 MiB
	MaxExec   time.Duration // the site's limit for execute, for Properties only; default 5 s
	Poll      time.Duration // first wait between two looks at something; grows; default 200 ms
}

// MinPart is the size below which a piece is not halved any more.
const MinPart = 256 << 10

// maxURL bounds the encoded command. It travels in the request line, which
// Apache cuts at 8,190 bytes; the address and the other parameters need the rest.
const maxURL = 7000

// Transport reaches into one container.
type Transport struct {
	zun  Zun
	id   string
	opts Options
	part int // bytes of a piece; halved when the site refuses one
}

var _ transport.Transport = (*Transport)(nil)

// New returns a Transport into the container; it calls nothing.
func New(z Zun, containerID string, opts Options) *Transport {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&opts.PartBytes, 4<<20)
	set(&opts.MaxOutput, 1<<20)
	if opts.MaxGet <= 0 {
		opts.MaxGet = 2 << 30
	}
	if opts.MaxExec <= 0 {
		opts.MaxExec = 5 * time.Second
	}
	if opts.Poll <= 0 {
		opts.Poll = 200 * time.Millisecond
	}
	// Pieces come down in whole blocks of dd.
	part := max(opts.PartBytes/MinPart, 1) * MinPart
	return &Transport{zun: z, id: containerID, opts: opts, part: part}
}

// Properties implements transport.Transport.
func (t *Transport) Properties() transport.Properties {
	return transport.Properties{Name: "zun", MaxExec: t.opts.MaxExec, MaxOutput: t.opts.MaxOutput}
}

// Close implements transport.Transport; there is no connection to close.
func (t *Transport) Close() error { return nil }

// Exec implements transport.Transport. It never repeats a command: after an
// error nobody knows whether it ran.
func (t *Transport) Exec(ctx context.Context, cmd transport.Command) (transport.Exit, error) {
	if err := transport.CheckCommand(cmd); err != nil {
		return transport.Exit{}, err
	}
	line := transport.Quote(cmd.Args)
	if !utf8.ValidString(line) {
		return transport.Exit{}, fmt.Errorf("zun: command %s is refused: its arguments are not UTF-8", cmd.Args[0])
	}
	if n := len(url.QueryEscape(line)); n > maxURL {
		return transport.Exit{}, fmt.Errorf("zun: command %s is refused: it takes %d bytes of an URL, "+
			"at most %d fit; put a script there and run that", cmd.Args[0], n, maxURL)
	}
	if err := ctx.Err(); err != nil {
		return transport.Exit{}, err
	}
	res, err := t.zun.Execute(ctx, t.id, line)
	if err != nil {
		return transport.Exit{}, fmt.Errorf("zun: running %s in container %s: outcome unknown: %w",
			cmd.Args[0], t.id, cause(ctx, err))
	}
	if res.ExitCode == nil {
		return transport.Exit{}, fmt.Errorf("zun: running %s in container %s: %w",
			cmd.Args[0], t.id, transport.ErrStillRunning)
	}
	out := res.Output[:min(len(res.Output), t.opts.MaxOutput)]
	return transport.Exit{Code: *res.ExitCode, Output: []byte(out)}, nil
}

// cause returns ctx's error if it has ended: some clients return it wrapped, some
// return another one.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// status is the HTTP status of a client's error, 0 when there was none.
func status(err error) int {
	var s interface{ GetStatusCode() int }
	if errors.As(err, &s) {
		return s.GetStatusCode()
	}
	return 0
}

// final reports whether asking again is useless because the request was
// understood and refused. 404 and 409 count as refusals: the container is gone,
// or does not run.
func final(err error) bool {
	s := status(err)
	return s >= 400 && s < 500 && s != 408 && s != 413 && s != 429
}

// tries bounds how often one call that may be repeated is repeated; with the
// default waits in between that spans a quarter of a minute.
const tries = 8

// short runs a script that is quick, bounded in its output and may be run any
// number of times. $0, $1, … are args. It is repeated when the answer got lost.
func (t *Transport) short(ctx context.Context, script string, args ...string) (transport.Exit, error) {
	var last error
	wait := t.backoff()
	for range tries {
		exit, err := t.Exec(ctx, transport.Command{Args: append([]string{"sh", "-c", script}, args...)})
		switch {
		case err == nil && exit.Code == -1:
			return exit, failure.Device.Errorf("container %s has no sh: %s", t.id, exit.Output).
				Advise("use an image with sh, tar and sha256sum, such as debian:bookworm-slim")
		case err == nil:
			return exit, nil
		case ctx.Err() != nil || final(err):
			return exit, err
		}
		last = err
		if err := wait.next(ctx); err != nil {
			return exit, err
		}
	}
	return transport.Exit{}, fmt.Errorf("given up after %d tries: %w", tries, last)
}

// patience is a wait that grows.
type patience struct{ now, most time.Duration }

// backoff is for repeating what failed.
func (t *Transport) backoff() *patience { return &patience{t.opts.Poll, 25 * t.opts.Poll} }

// polling is for looking at what goes on: gently, for a Zun worker serves one
// execute at a time.
func (t *Transport) polling() *patience { return &patience{t.opts.Poll, 10 * t.opts.Poll} }

func (p *patience) next(ctx context.Context) error {
	now := p.now
	p.now = min(p.now*2, p.most)
	return wait.For(ctx, now)
}
