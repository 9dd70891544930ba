package store

import (
	"os"
	"path/filepath"
)

// WantedFile, in the directory of a run or of one of its devices, asks the process
// that works on the run to bring home what is measured so far: only that one writes
// there.
const WantedFile = ".wanted"

// Want asks for that.
func Want(r *Run) error { return r.Replace(WantedFile, nil) }

// Wanted reports whether somebody has asked, and nobody has answered yet.
func Wanted(r *Run) bool {
	st, err := os.Lstat(filepath.Join(r.Dir, WantedFile))
	return err == nil && st.Mode().IsRegular()
}

// Served says that what was asked for is home, or is asked for no more.
func Served(r *Run) { _ = os.Remove(filepath.Join(r.Dir, WantedFile)) } // else it is brought once more
