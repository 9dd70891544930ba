//go:build unix

package localexec

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a command the head of a process group, which ends with it.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
