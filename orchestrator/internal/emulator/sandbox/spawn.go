package sandbox

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
)

// spawner starts all processes from one thread that lives as long as the sandbox.
// Linux sends a parent-death signal when the *thread* that forked ends, and Go ends
// threads as it likes (one per Dial here): without this, children would die early.
type spawner struct {
	work chan func()
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for {
			select {
			case f := <-s.work:
				f()
			case <-s.done:
				return
			}
		}
	}()
	return s
}

// start puts every process into a session of its own: a Ctrl-C at the terminal
// is meant for the client, whose cleaning up needs the containers alive.
func (s *spawner) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	result := make(chan error, 1)
	select {
	case s.work <- func() { result <- cmd.Start() }:
		return <-result
	case <-s.done:
		return errors.New("the sandbox is closed")
	}
}

func (s *spawner) stop() { close(s.done) }
