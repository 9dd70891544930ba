//go:build linux

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// Spec describes one container.
type Spec struct {
	Name     string // host name
	Arch     string // "" for the host's
	Command  []string
	Env      map[string]string // added to PATH, HOME and HOSTNAME
	Dir      string            // working directory, made if missing; "" is /
	Board    world.Board
	Address  string            // IPv4 address inside; "" for none but loopback
	Files    map[string][]byte // read-only files by absolute path
	HostKeys bool              // make an SSH host key
	BootID   string            // the board's, which all containers on it share; "" is this machine's
}

// Container is one start of a container: when its main process ends, it is over.
type Container struct {
	host *Host
	spec Spec
	root string
	cmd  *exec.Cmd
	pid  int // of the main process, in this process's view
	main *os.Process
	env  []string
	logs *tail
	done chan struct{}
	exit int // valid when done is closed

	started time.Time

	once sync.Once
}

// searchPath is what Debian's images have.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// setupTime bounds how long bubblewrap may take on a busy machine.
const setupTime = 30 * time.Second

// Start copies the image and runs the command as process 1.
func (h *Host) Start(spec Spec) (*Container, error) {
	if spec.Arch == "" {
		spec.Arch = h.arch
	}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
	root, err := h.newRoot(spec.Arch)
	if err != nil {
		return nil, err
	}
	c := &Container{host: h, spec: spec, root: root, logs: &tail{max: 1 << 20}, done: make(chan struct{}),
		started: time.Now()}
	c.env = c.environment()
	if err := c.start(); err != nil {
		return nil, errors.Join(err, h.removeRoot(root), c.removeKernelFiles())
	}
	h.mu.Lock()
	h.live[c] = true
	closed := h.closed
	h.mu.Unlock()
	if closed {
		c.Remove()
		return nil, errors.New("the sandbox is closed")
	}
	return c, nil
}

func (c *Container) environment() []string {
	env := []string{"PATH=" + searchPath, "HOME=/root", "HOSTNAME=" + c.spec.Name}
	if c.spec.Board.QEMUName != "" {
		env = append(env, "QEMU_CPU="+c.spec.Board.QEMUName)
	}
	for k, v := range c.spec.Env {
		env = append(env, k+"="+v)
	}
	return env
}

func (c *Container) start() error {
	if err := c.furnish(); err != nil {
		return err
	}
	args, err := c.arguments()
	if err != nil {
		return err
	}
	infoR, infoW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer infoR.Close()
	cmd := c.host.inside(args...)
	cmd.ExtraFiles = []*os.File{infoW} // file descriptor 3
	cmd.Stdout, cmd.Stderr = c.logs, c.logs
	// Programs that inherit standard output may outlive the main process by an
	// instant; do not wait for them.
	cmd.WaitDelay = time.Second
	err = begin(cmd)
	infoW.Close()
	if err != nil {
		return err
	}
	c.cmd = cmd
	go c.wait()
	if err := c.awaitSetup(infoR); err != nil {
		c.kill()
		<-c.done
		return fmt.Errorf("bubblewrap made no container: %w: %s", err, c.logs)
	}
	return nil
}

// furnish writes into the fresh root what this container needs.
func (c *Container) furnish() error {
	fs, err := os.OpenRoot(c.host.reach(c.root))
	if err != nil {
		return err
	}
	defer fs.Close()
	if err := fs.MkdirAll("."+filepath.Clean("/"+c.spec.Dir), 0o755); err != nil {
		return fmt.Errorf("working directory %s: %w", c.spec.Dir, err)
	}
	if c.spec.HostKeys {
		if err := c.host.hostKey(c.root); err != nil {
			return err
		}
	}
	if err := hardware(c.host.reach(c.root), c.spec.Board); err != nil {
		return err
	}
	for path, data := range c.spec.Files {
		clean := "." + filepath.Clean("/"+path)
		if err := fs.MkdirAll(filepath.Dir(clean), 0o755); err != nil {
			return err
		}
		if err := fs.WriteFile(clean, data, 0o444); err != nil {
			return err
		}
	}
	return nil
}

// arguments is bubblewrap's command line.
func (c *Container) arguments() ([]string, error) {
	args := []string{"bwrap", "--bind", c.root, "/", "--proc", "/proc", "--dev", "/dev",
		"--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--hostname", c.spec.Name,
		"--die-with-parent", "--as-pid-1", "--info-fd", "3", "--chdir", filepath.Clean("/" + c.spec.Dir), "--clearenv"}
	for _, kv := range c.env {
		for i := range kv {
			if kv[i] == '=' {
				args = append(args, "--setenv", kv[:i], kv[i+1:])
				break
			}
		}
	}
	for path := range c.spec.Files {
		// A ConfigMap's file is mounted read-only.
		clean := filepath.Clean("/" + path)
		args = append(args, "--ro-bind", filepath.Join(c.root, clean), clean)
	}
	if c.spec.Board.Model != "" {
		info := c.root + ".cpuinfo"
		if err := os.WriteFile(info, []byte(cpuinfo(c.spec.Board)), 0o444); err != nil {
			return nil, err
		}
		args = append(args, "--ro-bind", info, "/proc/cpuinfo")
	}
	if c.spec.BootID != "" {
		boot := c.root + ".boot_id"
		if err := os.WriteFile(boot, []byte(c.spec.BootID+"\n"), 0o444); err != nil {
			return nil, err
		}
		args = append(args, "--ro-bind", boot, "/proc/sys/kernel/random/boot_id")
	}
	return append(append(args, "--"), c.spec.Command...), nil
}

// awaitSetup learns the main process's id and waits until it has its own root, so
// that an Exec right after Start does not land in a half-made container.
func (c *Container) awaitSetup(info *os.File) error {
	deadline := time.Now().Add(setupTime)
	info.SetReadDeadline(deadline)
	// bubblewrap tells the process's id as soon as there is one. The number itself is of the
	// holder's process namespace and means nothing here.
	var made struct {
		PID int `json:"child-pid"`
	}
	if err := json.NewDecoder(io.LimitReader(info, 1<<16)).Decode(&made); err != nil {
		return err
	}
	if err := c.findMain(); err != nil {
		if c.endsWithin(time.Second) {
			return nil // it ran and ended already; the exit code tells how
		}
		return err
	}
	want, err := os.Stat(c.host.reach(c.root))
	if err != nil {
		return err
	}
	for {
		have, err := os.Stat(fmt.Sprintf("/proc/%d/root", c.pid))
		if err == nil && os.SameFile(have, want) {
			break
		}
		if c.endsWithin(2 * time.Millisecond) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("it was not ready in time")
		}
	}
	if err := c.address(); err != nil && !c.endsWithin(time.Second) {
		return err
	}
	return nil
}

// endsWithin waits for the main process's end, and tells whether it came.
func (c *Container) endsWithin(d time.Duration) bool {
	select {
	case <-c.done:
		return true
	case <-time.After(d):
		return false
	}
}

// findMain finds process 1 of the container: the only child of bubblewrap, which is nsenter's.
func (c *Container) findMain() error {
	pid := c.cmd.Process.Pid
	for range 2 {
		child, err := onlyChild(pid)
		if err != nil {
			return err
		}
		pid = child
	}
	main, err := os.FindProcess(pid) // a handle: the number may be another's later
	c.pid, c.main = pid, main
	return err
}

// onlyChild returns the first child of a process.
func onlyChild(parent int) (int, error) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// The name in parentheses may contain anything; state and parent come behind it.
		_, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("process %d has no child", parent)
}

func (c *Container) wait() {
	err := c.cmd.Wait()
	c.exit = exitCode(c.cmd, err)
	close(c.done)
}

// exitCode is the shell's: 128 plus the signal's number for a process that was killed.
func exitCode(cmd *exec.Cmd, _ error) int {
	ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// Done is closed when the main process has ended.
func (c *Container) Done() <-chan struct{} { return c.done }

// ExitCode is the main process's, once Done is closed.
func (c *Container) ExitCode() int {
	<-c.done
	return c.exit
}

// Logs returns what the main process printed, at most its last MiB.
func (c *Container) Logs() string { return c.logs.String() }

// kill ends process 1, and with it all others, or what was to become it: nsenter, bubblewrap and
// its child are one process group until the container's program runs.
func (c *Container) kill() {
	if c.main != nil {
		c.main.Kill()
	}
	select {
	case <-c.done: // the group's number may be another's by now
	default:
		syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// Remove kills all processes and removes the root file system.
func (c *Container) Remove() error {
	var err error
	c.once.Do(func() {
		c.kill()
		<-c.done
		c.host.mu.Lock()
		delete(c.host.live, c)
		c.host.mu.Unlock()
		err = errors.Join(c.removeKernelFiles(), c.host.removeRoot(c.root))
	})
	return err
}

// removeKernelFiles removes what stood in for files of the board's kernel.
func (c *Container) removeKernelFiles() error {
	return errors.Join(os.RemoveAll(c.root+".cpuinfo"), os.RemoveAll(c.root+".boot_id"))
}

// tail keeps the end of what is written to it.
type tail struct {
	max int
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
