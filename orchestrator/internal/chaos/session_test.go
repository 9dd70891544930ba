//go:build linux

package chaos

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// session is one case on its way: a directory, and the processes in it.
type session struct {
	*cloud
	scene
	dir   string
	lost  []string // measured, gone with its device, and neither home nor announced
	lapse []string // what went wrong
	said  []string // what is left and was announced, with the reason
	text  string   // all that was printed
	codes []int
	known map[string]bool // what was on a device when it was given back: run/trial

	answers int      // that went wrong
	struck  bool     // the signal reached it
	asked   []string // what another command than run asked for
}

// ended is how a process ended.
type ended struct {
	code   int
	out    string
	hung   bool // it had to be killed at the limit
	killed bool // by the case
	hit    bool // the signal reached it
	took   time.Duration
}

// experiment is the file of a case.
func (s scene) experiment() string {
	lease, image, via, trials := "30m", "debian:bookworm-slim", "zun", "{warmup: 2, min_runs: 20, min_time: 300ms, "+
		"max_time: 5s, timeout: 60s, block: 100ms}"
	if s.slow() {
		lease = "5m"
	}
	if s.way == "ssh" {
		image, via = "ghcr.io/chameleoncloud/edge_ssh_image:latest", "ssh"
	}
	if s.signals != "" {
		trials = "{warmup: 2, min_runs: 20, min_time: 1500ms, max_time: 5s, timeout: 60s, block: 100ms}"
	}
	where := fmt.Sprintf("site: CHI@Edge\nlease: {machine_name: raspberrypi5, duration: %s}\n"+
		"container: {image: %q, transport: %s}\n", lease, image, via)
	switch s.way {
	case "local":
		where = "site: local\n"
	case "servers":
		where = fmt.Sprintf("site: CHI@TACC\nlease: {node_type: compute_liqid, duration: %s}\n", lease)
	case "several":
		where = strings.Replace(where, "duration", "devices: 2, duration", 1)
	}
	return "apiVersion: chexp/v1\nname: chaos\n" + where +
		"models: [{name: tiny, builtin: tiny-cnn}]\nproviders: [cpu]\nthreads: [1, 2]\ntrials: " + trials + "\n"
}

func (s *session) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, "chexp"), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + filepath.Join(s.dir, "tmp"),
		"CHEXP_CACHE=" + filepath.Join(filepath.Dir(s.dir), "cache"), "OS_CLIENT_CONFIG_FILE=" + s.clouds(),
		"OS_CLOUD=chexp-emulator" + map[string]string{"oidc": "-oidc", "servers": "-tacc"}[s.way]}
	return cmd
}

// blow is what the case does to a process.
type blow struct {
	when  func() bool
	after time.Duration
	do    func(cmd *exec.Cmd, hangUp func()) (killed bool)
}

// execute runs one command to its end, or to the limit.
func (s *session) execute(limit time.Duration, b *blow, args ...string) ended {
	cmd := s.command(args...)
	read, write, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	write.Close()
	var said bytes.Buffer
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		said.ReadFrom(read)
	}()
	over := make(chan struct{})
	go func() { cmd.Wait(); close(over) }()
	hangUp := func() { read.SetReadDeadline(time.Now()); <-heard; read.Close() }
	e := ended{}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for alive := true; alive; {
		select {
		case <-over:
			alive = false
		case <-tick.C:
			if b != nil && b.when() {
				time.Sleep(b.after)
				e.hit, e.killed = true, b.do(cmd, hangUp)
				b = nil
			}
			if time.Since(begun) > limit {
				e.hung = true
				cmd.Process.Signal(syscall.SIGABRT) // Go's runtime says where it stands
				select {
				case <-over:
				case <-time.After(5 * time.Second):
					cmd.Process.Kill()
					<-over
				}
				alive = false
			}
		}
	}
	e.took = time.Since(begun)
	select {
	case <-heard:
	case <-time.After(time.Second): // a process that outlives it holds the pipe
		read.SetReadDeadline(time.Now())
		<-heard
	}
	read.Close()
	e.out, e.code = said.String(), cmd.ProcessState.ExitCode()
	s.text += fmt.Sprintf("$ chexp %s\n%s[exit %d after %.1f s]\n", strings.Join(args, " "), e.out, e.code,
		e.took.Seconds())
	s.codes = append(s.codes, e.code)
	return e
}

// group is a signal to the process and to all that it has started, as a terminal and
// timeout send them.
type group syscall.Signal

// signalling are the ways to end a process, each a list of signals and of pauses
// before them.
var signalling = map[string][]any{
	"INT":          {group(syscall.SIGINT)},
	"QUIT":         {group(syscall.SIGQUIT)},
	"TERM":         {syscall.SIGTERM},
	"HUP":          {syscall.SIGHUP},
	"PIPE":         {syscall.SIGPIPE},
	"QUIETPIPE":    {"hang up"},
	"TEE":          {"hang up", group(syscall.SIGINT)},
	"TERMINAL":     {"hang up", group(syscall.SIGHUP), syscall.SIGHUP},
	"INT-INT":      {syscall.SIGINT, 20 * time.Microsecond, syscall.SIGINT},
	"TIMEOUT":      {syscall.SIGTERM, 5 * time.Microsecond, group(syscall.SIGTERM), group(syscall.SIGCONT)},
	"INT-LATE-INT": {syscall.SIGINT, 1500 * time.Millisecond, syscall.SIGINT},
	"NOTEBOOK": {group(syscall.SIGINT), 200 * time.Millisecond, group(syscall.SIGHUP), 200 * time.Millisecond,
		group(syscall.SIGKILL)},
	"KILL": {syscall.SIGKILL},
}

// strike makes the blow of a way to end a process.
func strike(way string, when func() bool, after time.Duration) *blow {
	return &blow{when: when, after: after, do: func(cmd *exec.Cmd, hangUp func()) (killed bool) {
		for _, step := range signalling[way] {
			switch step := step.(type) {
			case time.Duration:
				time.Sleep(step)
			case string:
				hangUp()
			case syscall.Signal:
				cmd.Process.Signal(step)
				killed = killed || step == syscall.SIGKILL
			case group:
				syscall.Kill(-cmd.Process.Pid, syscall.Signal(step))
				killed = killed || step == group(syscall.SIGKILL)
			}
		}
		return killed
	}}
}

// inPhase reports whether the run's journal says that a phase has begun.
func (s *session) inPhase(phase string) func() bool {
	began := []byte(`"kind":"began","phase":"` + phase + `"`)
	return func() bool {
		if phase == "plan" {
			return true
		}
		for _, run := range s.runs() {
			if data, _ := os.ReadFile(filepath.Join(run, "journal.jsonl")); bytes.Contains(data, began) {
				return true
			}
		}
		return false
	}
}

// runs are the directories of the case's runs.
func (s *session) runs() []string {
	all, _ := filepath.Glob(filepath.Join(s.dir, "runs", "2*"))
	return all
}
