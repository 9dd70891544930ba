package tryout

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// run runs the agent once: without a network where that can be had.
func (a Agent) run(ctx context.Context, request []byte, out, words *bytes.Buffer) error {
	err := a.start(ctx, request, out, words, true)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil { // no namespaces for everybody here
		words.Reset()
		err = a.start(ctx, request, out, words, false)
	}
	return err
}

func (a Agent) start(ctx context.Context, request []byte, out, words *bytes.Buffer, apart bool) error {
	cmd := exec.CommandContext(ctx, a.Path, "try")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), out, words
	cmd.WaitDelay = 2 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if apart {
		own := func(id int) []syscall.SysProcIDMap {
			return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
		}
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = own(os.Getuid()), own(os.Getgid())
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}

// crashed reports whether the process died of what it did itself.
func crashed(e *exec.ExitError) bool {
	s, ok := e.Sys().(syscall.WaitStatus)
	if !ok || !s.Signaled() {
		return false
	}
	switch s.Signal() {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL:
		return true
	}
	return false
}
