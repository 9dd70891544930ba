//go:build linux

// Package sandbox runs the emulator's containers: real processes with a root file
// system of their own, in Linux namespaces, made by bubblewrap and entered by nsenter.
// Where QEMU's user-mode emulator is installed the processes are arm64 like those on a
// Raspberry Pi; else they have this machine's architecture, and Note says why.
//
// What is real: file systems, processes, signals, exit codes, pipes, sockets, /bin/sh, tar.
// What is not: speed, the kernel (this machine's), the number of processors that the
// scheduler gives, temperature and clock files (absent), and there is no way out of a
// container's network. It is no security boundary for hostile images.
package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Unavailable says why there can be no containers here; "" where there can.
const Unavailable = ""

// Host is the machine under the containers. It holds one process, the holder, whose user, mount
// and process namespaces all containers share. The holder is process 1 of its namespace: when it
// ends, the kernel kills everything in it. It ends when its standard input does, which happens on
// Close and, whatever this process was doing, when this process dies. So no child needs a
// parent-death signal, which would leave a gap until each child has asked for it.
type Host struct {
	dir    string // state: unpacked images, containers' root file systems
	images string
	arch   string
	note   string
	root   bool // this process is root: full user mapping, network reachable
	log    *slog.Logger
	holder *exec.Cmd
	alive  io.Closer // the write end of the holder's standard input; no other process has it

	noLayers atomic.Bool // root file systems have to be copied

	unpack sync.Mutex
	mu     sync.Mutex
	live   map[*Container]bool
	closed bool
}

// tools must be on the machine.
var tools = []string{"bwrap", "nsenter", "tar", "cp", "mount", "umount"}

// NewHost prepares the machine. dir is this sandbox's alone. arch is "arm64", "amd64" or "" for arm64 where that
// works; images holds debian-<arch>.tar. An error says what is missing and how to get it.
func NewHost(dir, images, arch string, log *slog.Logger) (*Host, error) {
	for _, t := range tools {
		if _, err := exec.LookPath(t); err != nil {
			return nil, fmt.Errorf("the emulator's containers need %s, which is not installed (apt-get install "+
				"bubblewrap util-linux mount tar coreutils)", t)
		}
	}
	h := &Host{dir: dir, images: images, log: log, root: os.Geteuid() == 0, live: map[*Container]bool{}}
	if err := h.start(); err != nil {
		h.Close()
		return nil, err
	}
	if err := h.chooseArch(arch); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Arch is the architecture of the containers, in Go's words.
func (h *Host) Arch() string { return h.arch }

// Note says why Arch is not arm64; "" when it is.
func (h *Host) Note() string { return h.note }

// Limits says what does not work because this process is not root; "" for root.
func (h *Host) Limits() string {
	if h.root {
		return ""
	}
	return "not root: a container has the user id 0 only, so its sshd cannot drop privileges and floating IPs carry " +
		"no traffic"
}

func (h *Host) chooseArch(want string) error {
	native := runtime.GOARCH
	try := []string{want}
	if want == "" {
		try = []string{"arm64"}
		if native != "arm64" {
			try = append(try, native)
		}
	}
	var why error
	for _, arch := range try {
		err := h.works(arch)
		if err == nil {
			h.arch = arch
			if arch != "arm64" {
				h.note = "the boards are " + arch + ", not arm64"
				if why != nil {
					h.note += ": " + why.Error()
				} else {
					h.note += ", as asked"
				}
			}
			return nil
		}
		if why == nil {
			why = err
		} else {
			why = fmt.Errorf("%w; and %w", why, err)
		}
	}
	return fmt.Errorf("the emulator can start no container: %w", why)
}

// works runs one process of the architecture in a container of its own.
func (h *Host) works(arch string) error {
	image := filepath.Join(h.images, "debian-"+arch+".tar")
	if _, err := os.Stat(image); err != nil {
		return fmt.Errorf("there is no image %s (make images)", image)
	}
	if arch != runtime.GOARCH {
		if arch != "arm64" {
			return fmt.Errorf("only arm64 can be emulated, not %s", arch)
		}
		if err := h.registerQEMU(); err != nil {
			return err
		}
	}
	c, err := h.Start(Spec{Name: "probe", Arch: arch, Command: []string{"uname", "-m"}})
	if err != nil {
		return fmt.Errorf("%s: %w", arch, err)
	}
	defer c.Remove()
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%s: a first process did not end within 30 s", arch)
	}
	got := strings.TrimSpace(c.Logs())
	if machine := map[string]string{"arm64": "aarch64", "amd64": "x86_64"}[arch]; got != machine {
		return fmt.Errorf("%s: a first process said %q instead of %q", arch, got, machine)
	}
	return nil
}

// start makes the holder. It reports "ready", then waits for its standard input to end. It has a
// /proc of its own process namespace, because bubblewrap looks its child up there. It ignores
// SIGCHLD, so that the kernel reaps the orphans that become its children.
func (h *Host) start() error {
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", "mount -t proc proc /proc 2>&1 && trap '' CHLD && echo ready && exec cat "+
		">/dev/null")
	uid, gid := os.Geteuid(), os.Getegid()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
	}
	if h.root {
		// sshd switches to a user of its own, so more than root must exist.
		all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = all, all
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := begin(cmd); err != nil {
		return fmt.Errorf("cannot make a user namespace for the emulator's containers: %w (see "+
			"/proc/sys/user/max_user_namespaces and kernel.unprivileged_userns_clone)", err)
	}
	h.holder, h.alive = cmd, in
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		return fmt.Errorf("the process that holds the containers' namespaces did not start: %s %v",
			strings.TrimSpace(line), err)
	}
	// A predecessor that was killed left its files.
	return errors.Join(removeTree(h, filepath.Join(h.dir, "containers")), removeTree(h, filepath.Join(h.dir, "images")))
}

// begin starts a command in a session of its own: a Ctrl-C at the terminal is meant for the
// client, whose cleaning up needs the containers alive.
func begin(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	return cmd.Start()
}

// inside makes a command that runs in the holder's user, mount and process namespaces. nsenter
// itself stays outside and ends as its child does, with the same exit code.
func (h *Host) inside(args ...string) *exec.Cmd {
	pid := fmt.Sprint(h.holder.Process.Pid)
	return exec.Command("nsenter", append([]string{"-t", pid, "-U", "-m", "-p", "--preserve-credentials", "--"},
		args...)...)
}

// run runs a command in the holder's namespaces to its end.
func (h *Host) run(stdin io.Reader, args ...string) error {
	cmd := h.inside(args...)
	var out strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &out
	if err := begin(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(out.String()))
	}
	return nil
}

// Close kills every container and removes all state.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	var all []*Container
	for c := range h.live {
		all = append(all, c)
	}
	h.mu.Unlock()
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Remove())
	}
	if h.holder != nil {
		errs = append(errs, removeTree(h, filepath.Join(h.dir, "images")))
		h.alive.Close()
		h.holder.Process.Kill()
		h.holder.Wait()
	}
	return errors.Join(errs...)
}
