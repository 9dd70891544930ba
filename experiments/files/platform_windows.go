package files

import (
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// Flags for opening what others may have written, 0 where a system has none:
// NonBlock never waits, as opening a pipe would for a writer, and NoFollow opens no
// link.
const (
	NonBlock  = 0
	NoFollow  = 0
	directory = 0
)

// Lock makes the open file this process's alone, until it is closed. It waits for
// another that has it, or is an error at once.
func Lock(f *os.File, wait bool) error {
	how := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK)
	if !wait {
		how |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	return windows.LockFileEx(windows.Handle(f.Fd()), how, 0, math.MaxUint32, math.MaxUint32, &windows.Overlapped{})
}
