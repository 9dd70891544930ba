//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// ownSession starts a program that outlives the terminal and its signals.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// mine reports whether a file is this user's.
func mine(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Getuid()
}
