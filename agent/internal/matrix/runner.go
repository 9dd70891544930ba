package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// Runner starts the process that runs one trial.
type Runner struct {
	Args []string // command; the flag -result-fd is added
	Env  []string
	Dir  string
}

const (
	// defaultTimeout bounds a trial whose policy sets no limit.
	defaultTimeout = 30 * time.Minute
	// maxResult bounds what is read of a runner: 4 Mi latencies of 10 digits
	// are 46 MB.
	maxResult = 64 << 20
	// maxWords bounds what is kept of a runner's output: its last words.
	maxWords = 4 << 10
	// drain is how long a dead runner's pipes may stay open (in the hands of
	// a child that it left).
	drain = 2 * time.Second
)

// Run runs one trial to its end. Whatever the process does, there is a result,
// unless ctx ends: then the process is killed and the error is ctx's.
func (r Runner) Run(ctx context.Context, req session.Request) (*trial.Result, error) {
	timeout := req.Policy.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	oomBefore := oomKills()
	p, err := r.start(req)
	if err != nil {
		return failed(reason.RunnerMissing, "the trial's process did not start: "+err.Error(), ""), nil
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	timedOut := false
	select {
	case <-p.done:
	case <-timer.C:
		timedOut = true
		p.kill()
	case <-ctx.Done():
		p.kill()
		return nil, ctx.Err()
	}
	switch {
	case timedOut:
		return failed(reason.Timeout, fmt.Sprintf("the trial took longer than its limit of %v and was killed%s", timeout, p.words()),
			"raise the policy's timeout, or ask for fewer runs"), nil
	case p.err != nil:
		return p.crashed(oomKills() > oomBefore), nil
	}
	res, err := decode(p.answer)
	if err != nil {
		return failed(reason.RunnerCrashed, fmt.Sprintf("the trial's process answered nonsense: %v%s", err, p.words()), ""), nil
	}
	return res, nil
}

// process is a started runner. Its fields after done are valid once done is
// closed.
type process struct {
	cmd    *exec.Cmd
	output tail
	done   chan struct{}
	err    error
	answer []byte
}

// Ask starts a runner for something else than a trial: it gets one document on
// its standard input and the flags, and answers with one document. A process that does not is
// a Failure, whose reason says what happened to it; any other error is ctx's.
func (r Runner) Ask(ctx context.Context, request any, timeout time.Duration, flags ...string) ([]byte, error) {
	r.Args = append(r.Args[:len(r.Args):len(r.Args)], flags...)
	oomBefore := oomKills()
	p, err := r.start(request)
	if err != nil {
		return nil, &Failure{trial.Reason{Code: reason.RunnerMissing, Text: "the process did not start: " + err.Error()}}
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.kill()
		return nil, &Failure{trial.Reason{Code: reason.Timeout, Text: fmt.Sprintf("the process took longer than its limit of %v and was killed%s", timeout, p.words())}}
	case <-ctx.Done():
		p.kill()
		return nil, ctx.Err()
	}
	if p.err != nil {
		return nil, &Failure{p.crashed(oomKills() > oomBefore).Reasons[0]}
	}
	if len(p.answer) > maxResult {
		return nil, &Failure{trial.Reason{Code: reason.RunnerCrashed, Text: fmt.Sprintf("the process answered with more than %d bytes", maxResult)}}
	}
	return p.answer, nil
}

// Failure says what happened to a process that was asked and gave no answer.
type Failure struct{ trial.Reason }

func (f *Failure) Error() string { return f.Text }

func (r Runner) start(document any) (*process, error) {
	request, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{done: make(chan struct{})}
	p.cmd = exec.Command(r.Args[0], append(r.Args[1:len(r.Args):len(r.Args)], "-result-fd", "3")...)
	p.cmd.Env, p.cmd.Dir = r.Env, r.Dir
	p.cmd.Stdin = bytes.NewReader(request)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.ExtraFiles = []*os.File{write}
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
		write.Close()
		started <- err
		if err == nil {
			p.wait(read)
		}
	}()
	if err := <-started; err != nil {
		read.Close()
		return nil, err
	}
	return p, nil
}

func (p *process) wait(read *os.File) {
	answered := make(chan []byte, 1)
	go func() {
		answer, _ := io.ReadAll(io.LimitReader(read, maxResult+1))
		answered <- answer
	}()
	p.err = p.cmd.Wait()
	read.SetReadDeadline(time.Now().Add(drain))
	p.answer = <-answered
	read.Close()
	if errors.Is(p.err, exec.ErrWaitDelay) {
		p.err = nil // the runner itself ended well
	}
	close(p.done)
}

// kill ends the process and its children, and waits for that.
func (p *process) kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// crashed is the result of a process that ended by a signal or with an error.
func (p *process) crashed(oom bool) *trial.Result {
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return failed(reason.RunnerCrashed, "the trial's process was lost: "+p.err.Error()+p.words(), "")
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return failed(reason.RunnerCrashed, fmt.Sprintf("the trial's process ended with exit status %d%s", exit.ExitCode(), p.words()), "")
	}
	if status.Signal() == syscall.SIGKILL && oom {
		return failed(reason.OutOfMemory, "the kernel killed the trial's process because the memory was full"+p.words(),
			"use a smaller model or batch, or a device with more memory")
	}
	next := ""
	switch status.Signal() {
	case syscall.SIGKILL:
		next = "if nobody killed it, the memory may have been full: the agent cannot see that here"
	case syscall.SIGILL:
		next = "this ONNX Runtime uses instructions that the processor lacks"
	}
	return failed(reason.RunnerCrashed, fmt.Sprintf("the trial's process was killed by signal %d (%v)%s", int(status.Signal()), status.Signal(), p.words()), next)
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

// decode checks what the runner says: it is a program that may have been
// corrupted by the code that it called.
func decode(answer []byte) (*trial.Result, error) {
	if len(answer) > maxResult {
		return nil, fmt.Errorf("more than %d bytes", maxResult)
	}
	res := &trial.Result{}
	d := json.NewDecoder(bytes.NewReader(answer))
	if err := d.Decode(res); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one document")
	}
	switch {
	case res.Outcome == trial.OK && len(res.LatenciesNS) == 0:
		return nil, errors.New("ok without a single inference")
	case res.Outcome != trial.OK && (res.Outcome != trial.Failed || len(res.Reasons) == 0):
		return nil, fmt.Errorf("outcome %q with %d reasons", res.Outcome, len(res.Reasons))
	}
	for _, list := range []*[]int64{&res.LatenciesNS, &res.WarmupNS} {
		if *list == nil {
			*list = []int64{} // an array in the result file too
		}
		for i, ns := range *list {
			if ns < 0 {
				return nil, fmt.Errorf("inference %d took %d ns", i+1, ns)
			}
		}
	}
	return res, nil
}

// failed is the result of a trial that told nothing itself.
func failed(code, text, next string) *trial.Result {
	why := "the trial's process did not say: " + code
	return &trial.Result{
		Outcome:          trial.Failed,
		Reasons:          []trial.Reason{{Code: code, Text: text, Next: next}},
		LatenciesNS:      []int64{},
		WarmupNS:         []int64{},
		SessionCreateNS:  trial.Unread[int64](why),
		FirstInferenceNS: trial.Unread[int64](why),
		PeakMemoryBytes:  trial.Unread[int64](why),
	}
}

// tail keeps the last bytes written to it, as printable text. The runner is a Go
// program, in which a crash of the C code that it calls ends with a report: the
// signal first, then the stacks of all threads. What counts is the beginning of
// that, so nothing is kept beyond it.
type tail struct {
	data []byte
	room int // bytes still to be taken, once a report has begun; 0: none has
}

// report is how Go begins its last words, at the start of a line.
var report = regexp.MustCompile(`(?m)^(SIG[A-Z]+: |fatal error: |panic: |runtime: )`)

const reportBytes = 700

// colour is how ONNX Runtime paints its messages.
var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func (t *tail) Write(p []byte) (int, error) {
	written := len(p)
	if t.room > 0 {
		n := min(len(p), t.room-1)
		t.data, t.room = append(t.data, p[:n]...), t.room-n
		return written, nil
	}
	t.data = append(t.data, p...)
	if at := report.FindIndex(t.data); at != nil {
		end := min(at[0]+reportBytes, len(t.data))
		t.data, t.room = t.data[:end], at[0]+reportBytes-end+1
	}
	if extra := len(t.data) - maxWords; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return written, nil
}

func (t *tail) String() string {
	plain := colour.ReplaceAllString(strings.ToValidUTF8(string(t.data), "?"), "")
	clean := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, plain)
	return strings.TrimSpace(clean)
}
