package matrix

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/failure"
)

// Runner starts the processes that run trials.
type Runner struct {
	Args []string // command; the flag -result-fd is added
	Env  []string
	Dir  string
	// Named are the commands for the runtimes that a request may name.
	Named map[string]Command
}

const (
	// maxResult bounds one answer of a runner: 4 Mi latencies of 10 digits are
	// 46 MB.
	maxResult = 64 << 20
	// maxWords bounds what is kept of a runner's output: its last words.
	maxWords = 4 << 10
	// drain is how long a runner may take to end when it is told to, and how
	// long a dead runner's pipes may stay open (in the hands of a child that it left).
	drain = 2 * time.Second
)

// process is a started runner. Documents go to its standard input and come back,
// one a line, on the descriptor that -result-fd names.
type process struct {
	cmd       *exec.Cmd
	stdin     *os.File
	output    tail
	answers   chan []byte   // closed at the end of the pipe, or by an answer that is too long
	quit      chan struct{} // closed when nobody wants answers any more
	done      chan struct{} // closed when the process is gone
	err       error         // how it ended; valid once done is closed
	oomBefore int64
}

func (r Runner) start(flags ...string) (*process, error) {
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	result, out, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return nil, err
	}
	p := &process{
		stdin: stdin, answers: make(chan []byte, 1), quit: make(chan struct{}), done: make(chan struct{}),
		oomBefore: oomKills(),
	}
	p.cmd = exec.Command(r.Args[0], slices.Concat(r.Args[1:], []string{"-result-fd", "3"}, flags)...)
	p.cmd.Env, p.cmd.Dir = r.Env, r.Dir
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, &p.output, &p.output
	p.cmd.ExtraFiles = []*os.File{out}
	p.cmd.WaitDelay = drain
	// A group of its own, to kill whatever it starts; and death with this
	// process, so that a killed supervisor leaves nothing that measures.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	started := make(chan error)
	go func() {
		// Pdeathsig is about the thread that forked: it must live as long
		// as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		out.Close()
		started <- err
		if err == nil {
			p.wait(result)
		}
	}()
	if err := <-started; err != nil {
		result.Close()
		stdin.Close()
		return nil, err
	}
	return p, nil
}

func (p *process) wait(result *os.File) {
	go p.read(result)
	p.err = p.cmd.Wait()
	result.SetReadDeadline(time.Now().Add(drain))
	if errors.Is(p.err, exec.ErrWaitDelay) {
		p.err = nil // the runner itself ended well
	}
	close(p.done)
}

func (p *process) read(result *os.File) {
	defer result.Close()
	defer close(p.answers)
	lines := bufio.NewScanner(result)
	lines.Buffer(nil, maxResult)
	for lines.Scan() {
		select {
		case p.answers <- append([]byte(nil), lines.Bytes()...):
		case <-p.quit:
			return
		}
	}
}

// say writes one document.
func (p *process) say(document any, timeout time.Duration) error {
	line, err := json.Marshal(document)
	if err != nil {
		return err
	}
	p.stdin.SetWriteDeadline(time.Now().Add(timeout))
	_, err = p.stdin.Write(append(line, '\n'))
	return err
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process and its children, and waits for that.
func (p *process) kill() {
	p.release()
	if p.ended() {
		return // its id may be another's by now
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// end tells the process that there is no more to do; ended is false if it had
// to be killed.
func (p *process) end() (ended bool) {
	p.release()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		p.kill()
		return false
	}
}

func (p *process) release() {
	p.stdin.Close()
	select {
	case <-p.quit:
	default:
		close(p.quit)
	}
}

// why says how a process ended that should not have: by a signal, with an
// error, or without an answer.
func (p *process) why() *failure.Error {
	crashed := func(format string, args ...any) *failure.Error {
		return reason.Errorf(reason.RunnerCrashed, "the trial's process %s%s", fmt.Sprintf(format, args...), p.words())
	}
	if p.err == nil {
		return crashed("ended without an answer")
	}
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return crashed("was lost: %v", p.err)
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return crashed("ended with exit status %d", exit.ExitCode()).
			Advise("%s", foreignProcessor("/proc/cpuinfo", runtime.GOARCH))
	}
	killed := crashed("was killed by signal %d (%v)", int(status.Signal()), status.Signal())
	switch status.Signal() {
	case syscall.SIGKILL:
		if oomKills() > p.oomBefore {
			return reason.Errorf(reason.OutOfMemory,
				"the kernel killed the trial's process because the memory was full%s", p.words()).
				Advise("use a smaller model or batch, or a device with more memory")
		}
		return killed.Advise("if nobody killed it, the memory may have been full: the agent cannot see that here")
	case syscall.SIGILL:
		return killed.Advise("this ONNX Runtime uses instructions that the processor lacks")
	}
	return killed
}

// foreignProcessor advises where /proc/cpuinfo is of another processor than this
// program's, as qemu's user mode shows it: ONNX Runtime from 1.28 on reads it when it
// is loaded, and dies of an x86's. "" where it is not.
func foreignProcessor(cpuinfo, arch string) string {
	info, err := os.ReadFile(cpuinfo)
	if err != nil || arch != "arm64" || !bytes.Contains(info, []byte("vendor_id")) {
		return ""
	}
	return "an x86's /proc/cpuinfo is shown to this arm64 program, of which ONNX Runtime from 1.28 on dies when it is " +
		"loaded: bind that of an Arm board over it, or measure on one"
}

func (p *process) words() string {
	if words := p.output.String(); words != "" {
		return "; its last words: " + words
	}
	return ""
}

// oomKills counts the processes of this container (cgroup v2) or else of the
// machine that the kernel killed for memory; -1 if neither can be read.
func oomKills() int64 {
	for _, source := range []struct{ path, key string }{
		{"/sys/fs/cgroup/memory.events", "oom_kill "}, {"/proc/vmstat", "oom_kill "},
	} {
		data, err := os.ReadFile(source.path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, source.key); ok {
				if n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err == nil {
					return n
				}
			}
		}
	}
	return -1
}
