//go:build unix

package zunexec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/zunexec"
)

// fake does what Zun was recorded to do, with real processes of this machine.
type fake struct {
	t     *testing.T
	limit time.Duration // of execute
	hang  time.Duration // how long put_archive waits for a tar that wants more, before its 500
	// tools, when not empty, comes first in PATH: another tar, another sh.
	tools string
	// fault, when not nil, may replace the answer to a call, or skip the call.
	fault func(call string, n int, size int) fault
	slow  sync.WaitGroup

	mu    sync.Mutex
	calls map[string]int
	puts  []int // sizes of the archives that were sent
	execs []string

	groups []int // of the commands that execute stopped waiting for
}

// fault is what goes wrong with one call.
type fault struct {
	err    error // what the caller sees
	before bool  // the call is not carried out
	damage bool  // what is moved loses its last file byte
}

// httpError is an error as an HTTP client has it.
type httpError int

func (e httpError) Error() string      { return fmt.Sprintf("HTTP status %d", int(e)) }
func (e httpError) GetStatusCode() int { return int(e) }

func newFake(t *testing.T) *fake {
	f := &fake{t: t, limit: 3 * time.Second, hang: time.Second, calls: map[string]int{}}
	t.Cleanup(func() {
		f.mu.Lock()
		for _, pid := range f.groups {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // the container is deleted
		}
		f.mu.Unlock()
		f.slow.Wait()
	})
	return f
}

func (f *fake) enter(ctx context.Context, call string, size int) (fault, error) {
	if err := ctx.Err(); err != nil {
		return fault{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[call]++
	if call == "put" {
		f.puts = append(f.puts, size)
	}
	if f.fault == nil {
		return fault{}, nil
	}
	return f.fault(call, f.calls[call], size), nil
}

// when is a fault under a condition.
func when(cond bool, fl fault) fault {
	if !cond {
		return fault{}
	}
	return fl
}

func (f *fake) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = "/" // the container's working directory
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if f.tools != "" {
		c.Env = append(os.Environ(), "PATH="+f.tools)
		if found, err := os.Stat(filepath.Join(f.tools, name)); err == nil && !found.IsDir() {
			c.Path, c.Err = filepath.Join(f.tools, name), nil
		} else if !strings.Contains(name, "/") {
			c.Err = exec.ErrNotFound
		}
	}
	return c
}

// Execute: text output, merged; past the limit the output so far and no code.
func (f *fake) Execute(ctx context.Context, _, line string) (zunexec.Result, error) {
	fl, err := f.enter(ctx, "exec", len(line))
	if err != nil || fl.before {
		return zunexec.Result{}, errors.Join(err, fl.err)
	}
	f.mu.Lock()
	f.execs = append(f.execs, line)
	f.mu.Unlock()
	args, err := split(line)
	if err != nil {
		return zunexec.Result{}, httpError(500)
	}
	out := transport.NewOutput(16 << 20)
	c := f.command(args[0], args[1:]...)
	c.Stdout, c.Stderr = out, out
	c.WaitDelay = 200 * time.Millisecond
	if err := c.Start(); err != nil {
		code := -1
		return zunexec.Result{Output: "Malformed command, or binary not found in container", ExitCode: &code}, fl.err
	}
	ended := make(chan int, 1)
	f.slow.Go(func() {
		_ = c.Wait()
		code := c.ProcessState.ExitCode()
		if code < 0 { // a container runtime says it so
			code = 128 + int(c.ProcessState.Sys().(syscall.WaitStatus).Signal())
		}
		ended <- code
	})
	timer := time.NewTimer(f.limit)
	defer timer.Stop()
	res := zunexec.Result{}
	select {
	case code := <-ended:
		res.ExitCode = &code
	case <-timer.C:
		f.goesOn(c.Process.Pid)
	case <-ctx.Done():
		f.goesOn(c.Process.Pid)
		return zunexec.Result{}, fmt.Errorf("request: %w", ctx.Err())
	}
	res.Output = strings.ToValidUTF8(string(out.Bytes()), "\ufffd")
	return res, fl.err
}

func (f *fake) goesOn(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups = append(f.groups, pid)
}

// PutArchive runs tar with an input that nobody closes; whether tar failed is not looked at.
func (f *fake) PutArchive(ctx context.Context, _, path string, archive []byte) error {
	fl, err := f.enter(ctx, "put", len(archive))
	if err != nil || fl.before {
		return errors.Join(err, fl.err)
	}
	archive = bytes.Clone(archive) // the caller's is free again once this returns
	if fl.damage {
		archive[512] ^= 1 // the first byte of content
	}
	c := f.command("tar", "xmf", "-", "-C", path)
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return httpError(500)
	}
	f.slow.Go(func() { _, _ = in.Write(archive) })
	ended := make(chan struct{})
	f.slow.Go(func() {
		_ = c.Wait()
		close(ended)
	})
	timer := time.NewTimer(f.hang)
	defer timer.Stop()
	select {
	case <-ended:
		return fl.err
	case <-timer.C:
		in.Close() // and now, too late for the caller, tar ends
		return httpError(500)
	case <-ctx.Done():
		in.Close()
		return fmt.Errorf("request: %w", ctx.Err())
	}
}

// GetArchive of what is no directory packs a file of that name in the working directory.
func (f *fake) GetArchive(ctx context.Context, _, path string) ([]byte, error) {
	fl, err := f.enter(ctx, "get", 0)
	if err != nil || fl.before {
		return nil, errors.Join(err, fl.err)
	}
	args := []string{"cf", "-", filepath.Base(path)}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		args = []string{"cf", "-", "-C", path, "."}
	}
	data, err := f.command("tar", args...).Output()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return nil, httpError(500)
	}
	if fl.damage {
		data[2*512+512] ^= 1 // "./" has one block, the file's header another
	}
	return data, fl.err
}

// split is POSIX mode of Python's shlex, with which Zun splits.
func split(s string) (words []string, err error) {
	var word strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("no closing quotation")
			}
			word.WriteString(s[i+1 : i+1+end])
			i, inWord = i+1+end, true
		case c == '"':
			inWord = true
			for i++; ; i++ {
				if i >= len(s) {
					return nil, errors.New("no closing quotation")
				}
				if s[i] == '"' {
					break
				}
				if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
					i++
				}
				word.WriteByte(s[i])
			}
		case c == '\\':
			if i++; i >= len(s) {
				return nil, errors.New("no escaped character")
			}
			word.WriteByte(s[i])
			inWord = true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("no command")
	}
	return words, nil
}
