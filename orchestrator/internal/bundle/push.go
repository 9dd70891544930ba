package bundle

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/transport"
)

// Pushed says what a push moved.
type Pushed struct {
	Sent    int64 // bytes of the files that were sent
	Skipped int64 // bytes of the files that were there already, with the right sum
}

// Push makes the device's directory dir hold the bundle. Files that are there with
// the right sum stay; the rest goes up as one tar, with SHA256SUMS at its end. When
// Push returns no error, the device has compared every file with its SHA-256.
//
// progress, which may be nil, is called with the bytes that have arrived and with
// the bytes that have to. They are equal only after everything was verified. (A
// Transport that verifies in parts counts whole parts.)
func (b *Bundle) Push(ctx context.Context, t transport.Transport, dir string,
	progress func(sent, total int64)) (Pushed, error) {
	var done Pushed
	have, err := present(ctx, t, dir, b.Files)
	if err != nil {
		return done, fmt.Errorf("asking what is in %s: %w", dir, err)
	}
	var send []File
	var total int64
	for _, f := range b.Files {
		if have[f.Path] == f.SHA256 {
			done.Skipped += f.Size
			continue
		}
		send = append(send, f)
		total += f.Size
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	progress(0, total)
	if len(send) > 0 {
		if err := put(ctx, t, dir, send, func(n int64) { progress(max(min(n, total-1), 0), total) }); err != nil {
			return Pushed{Skipped: done.Skipped},
				fmt.Errorf("pushing %d files (%d bytes) to %s: %w", len(send), total, dir, err)
		}
	}
	done.Sent = total
	if total > 0 {
		progress(total, total)
	}
	return done, nil
}

// outgoing is the tar stream on its way; what a Transport acknowledges becomes
// progress.
type outgoing struct {
	*io.PipeReader
	arrived func(int64)
}

// Acknowledge implements transport.Acknowledger. Headers are counted as if
// they were content, which makes half a percent for the smallest bundles.
func (o *outgoing) Acknowledge(n int64) { o.arrived(n) }

func put(ctx context.Context, t transport.Transport, dir string, list []File, arrived func(int64)) error {
	pr, pw := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pw.CloseWithError(writeTar(pw, list))
	}()
	err := t.Put(ctx, dir, &outgoing{pr, arrived})
	pr.Close()
	<-ended
	return err
}

func writeTar(w io.Writer, list []File) error {
	tw := tar.NewWriter(w)
	for _, f := range list {
		if err := writeFile(tw, f); err != nil {
			return err
		}
	}
	return tw.Close()
}

// writeFile notices a file that changed since Assemble: SHA256SUMS would be wrong.
func writeFile(tw *tar.Writer, f File) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	head := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.Size, Mode: int64(f.Mode.Perm())}
	if err := tw.WriteHeader(head); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(tw, h), io.LimitReader(in, f.Size))
	if err != nil {
		return err
	}
	// One more byte than announced shows that the file grew.
	more, _ := in.Read(make([]byte, 1))
	if n != f.Size || more > 0 || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return failure.Usage.Errorf("%s changed on this machine while it was sent", f.Path).
			Advise("let nothing write to it, and start again")
	}
	return nil
}

const (
	// askBytes bounds the names in one command: Zun carries it in a URL.
	askBytes = 2500
	// askWait bounds the wait for sums that take longer than Zun's execute waits.
	askWait = 5 * time.Minute
	// answerPause is between two looks for an answer that comes late.
	answerPause = 2 * time.Second
	// askTries and askPause bound how a lost answer is asked for again.
	askTries = 4
	askPause = time.Second
)

// present asks the device, in groups, which files it has, and returns their sums.
// A program that is not executable counts as absent.
func present(ctx context.Context, t transport.Transport, dir string, list []File) (map[string]string, error) {
	have := map[string]string{}
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+len(list[n].Path) < askBytes) {
			size += len(list[n].Path) + 1
			n++
		}
		if err := askAgain(ctx, t, dir, list[:n], have); err != nil {
			return nil, err
		}
		list = list[n:]
	}
	return have, nil
}

// askAgain repeats the question when its answer got lost; asking changes nothing.
func askAgain(ctx context.Context, t transport.Transport, dir string, list []File, have map[string]string) (err error) {
	for try := 1; ; try++ {
		err = ask(ctx, t, dir, list, have)
		if err == nil || try == askTries || ctx.Err() != nil || failure.KindOf(err) != failure.Unexpected {
			return err
		}
		if err := wait.For(ctx, askPause); err != nil {
			return err
		}
	}
}

// askScript writes the sums to a file and prints that. The sums of large files
// take longer than Zun waits for a command; the script then goes on, and the file
// has its answer later. $0 is the directory, $1 the name of the answer; the files
// follow, each after "x:" if it must be executable, else after "-:".
const askScript = `cd "$0" 2>/dev/null || exit 94
a=$1; shift
for f in "$@"; do
case $f in x:*) f=${f#x:}; [ -x "$f" ] || continue ;; *) f=${f#-:} ;; esac
[ -f "$f" ] && sha256sum "$f"
done >"$a.part" 2>/dev/null
mv "$a.part" "$a" && cat "$a" && rm -f "$a"`

const noDirectory = 94

func ask(ctx context.Context, t transport.Transport, dir string, list []File, have map[string]string) error {
	answer := ".chexp-have-" + strings.ToLower(rand.Text()[:8])
	args := []string{"sh", "-c", askScript, dir, answer}
	for _, f := range list {
		kind := "-:"
		if f.Mode&0o111 != 0 {
			kind = "x:"
		}
		args = append(args, kind+f.Path)
	}
	exit, err := t.Exec(ctx, transport.Command{Args: args})
	if errors.Is(err, transport.ErrStillRunning) {
		exit, err = await(ctx, t, path.Join(dir, answer))
	}
	switch {
	case err != nil:
		return err
	case exit.Code == noDirectory:
		return nil
	case exit.Code == -1:
		return failure.Device.Errorf("the container has no sh: %s", exit.Output).
			Advise("use an image with sh, tar and sha256sum, such as debian:bookworm-slim")
	case exit.Code != 0:
		return nil // unknown what is there, so everything is sent
	}
	for line := range strings.Lines(string(exit.Output)) {
		if one, err := files.ParseSums([]byte(line)); err == nil { // else it is noise of the image's shell
			maps.Copy(have, one)
		}
	}
	return nil
}

// await looks for the answer until it is complete.
func await(ctx context.Context, t transport.Transport, answer string) (transport.Exit, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askWait, fmt.Errorf("no answer within %v", askWait))
	defer cancel()
	for {
		exit, err := t.Exec(ctx,
			transport.Command{Args: []string{"sh", "-c", `[ -f "$0" ] || exit 95; cat "$0"`, answer}})
		if err == nil && exit.Code == 0 {
			// Small, hidden, and gone with the container: no failure if it stays.
			_, _ = t.Exec(ctx, transport.Command{Args: []string{"rm", "-f", answer}})
			return exit, nil
		}
		if err != nil && !errors.Is(err, transport.ErrStillRunning) {
			return transport.Exit{}, err
		}
		if wait.For(ctx, answerPause) != nil {
			return transport.Exit{}, context.Cause(ctx)
		}
	}
}
