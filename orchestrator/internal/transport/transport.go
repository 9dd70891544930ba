// Package transport is how the orchestrator reaches into a container: put
// files, run a command, get files. There are several implementations (zunexec:
// Zun's execute and archives; sshexec: SSH; localexec: a directory of this
// machine), so the contract lives here and is tested once, by
// transporttest.Run, against every one of them.
package transport

import (
	"context"
	"io"
	"time"
)

// Transport moves files and runs commands. Paths are absolute slash paths at
// the far end without blanks, quotes or shell metacharacters (a Transport refuses
// others before it sends anything): Zun splits its command line like a shell.
//
// All methods honour ctx. Methods may be called from one goroutine at a time.
type Transport interface {
	// Put unpacks a tar stream below dir, which it creates. When it returns
	// nil, every regular file of the stream is there with the content that
	// was sent, checked by SHA-256 at the far end; modes are kept, owners and
	// times are not. Existing files are replaced, others left alone. After an
	// error the content of dir is unknown, and Put may be called again.
	Put(ctx context.Context, dir string, tar io.Reader) error

	// Get returns a directory as a tar stream with paths relative to dir. A
	// directory that does not exist is an error wrapping fs.ErrNotExist. The
	// stream is what the far end sent: hostile until checked.
	Get(ctx context.Context, dir string) (io.ReadCloser, error)

	// Exec runs one command and waits. No shell is involved; for one, say
	// "sh", "-c". A non-nil error means that the outcome is unknown: the
	// command may not have run, may be running still, or may have ended.
	// Exit is then meaningless. ErrStillRunning is the special case that the
	// far end stopped waiting (Zun does after 5 s).
	Exec(ctx context.Context, cmd Command) (Exit, error)

	// Properties says what this transport can carry.
	Properties() Properties

	// Close frees connections; it changes nothing at the far end.
	io.Closer
}

// Command is an argument vector; Args[0] is an absolute path or found in PATH.
type Command struct {
	Args []string
}

// Exit is the outcome of a command that ended.
type Exit struct {
	Code   int    // 0 … 255; -1 if the command could not be started (no such binary)
	Output []byte // stdout and stderr as they came, interleaved; at most Properties.MaxOutput
}

// Properties are limits, for callers to plan with.
type Properties struct {
	Name      string        // "zun", "ssh", "local"
	MaxExec   time.Duration // after this Exec may answer ErrStillRunning; 0: no limit
	MaxOutput int           // bytes of output that Exec keeps
}

// ErrStillRunning is returned (wrapped) by Exec when the far end gave up
// waiting: the command goes on, its exit code will never be known.
var ErrStillRunning = stillRunning{}

type stillRunning struct{}

func (stillRunning) Error() string {
	return "the command was still running when the far end stopped waiting"
}
