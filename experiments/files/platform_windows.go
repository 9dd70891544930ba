package files

import (
	"math"
	"os"
	"syscall"
	"unsafe"
)

// Flags for opening what others may have written, 0 where a system has none:
// NonBlock never waits, as opening a pipe would for a writer, and NoFollow opens no
// link.
const (
	NonBlock  = 0
	NoFollow  = 0
	directory = 0
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// Lock makes the open file this process's alone, until it is closed. It waits for
// another that has it, or is an error at once.
func Lock(f *os.File, wait bool) error {
	const immediately, exclusive = 1, 2
	how := uintptr(exclusive)
	if !wait {
		how |= immediately
	}
	all := uintptr(math.MaxUint32)
	if ok, _, err := lockFileEx.Call(f.Fd(), how, 0, all, all, uintptr(unsafe.Pointer(&syscall.Overlapped{}))); ok == 0 {
		return err
	}
	return nil
}
