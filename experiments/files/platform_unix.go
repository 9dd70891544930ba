//go:build unix

package files

import (
	"os"
	"syscall"
)

// Flags for opening what others may have written, 0 where a system has none:
// NonBlock never waits, as opening a pipe would for a writer, and NoFollow opens no
// link.
const (
	NonBlock  = syscall.O_NONBLOCK
	NoFollow  = syscall.O_NOFOLLOW
	directory = syscall.O_DIRECTORY
)

// Lock makes the open file this process's alone, until it is closed. It waits for
// another that has it, or is an error at once.
func Lock(f *os.File, wait bool) error {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}
