package outdir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/trial"
)

const (
	stopFile     = trial.OutDir + "/stop"
	deadlineFile = trial.OutDir + "/deadline"
	// maxWhy bounds what a request to stop may say.
	maxWhy = 200
)

// RequestStop asks the supervisor to stop, for a reason that the results will
// name. A file and not a signal: it reaches the right process whatever the PID
// namespaces are.
func RequestStop(dir, why string) error {
	// Renamed into place: a request that is seen is whole.
	return files.Write(filepath.Join(dir, stopFile), []byte(why))
}

// StopRequested reports whether somebody asked, and why.
func StopRequested(dir string) (why string, asked bool) {
	f, err := files.Open(filepath.Join(dir, stopFile), files.NoLimit)
	if errors.Is(err, os.ErrNotExist) {
		return "", false
	}
	if err != nil {
		return "", true
	}
	defer f.Close()
	raw, _ := io.ReadAll(io.LimitReader(f, maxWhy))
	return strings.ToValidUTF8(string(raw), ""), true
}

// ClearStop forgets the request.
func ClearStop(dir string) error {
	err := os.Remove(filepath.Join(dir, stopFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// SetDeadline says for how long from now the run may go on; 0: for as long as it
// takes. now is CLOCK_MONOTONIC, the same in all processes since the machine was
// booted: the wall clock of a board that has just come up jumps when it gets the
// time. After another boot the deadline means nothing, and whoever starts the
// agent again sets it anew.
func SetDeadline(dir string, now int64, left time.Duration) error {
	path := filepath.Join(dir, deadlineFile)
	if left <= 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	return files.Write(path, fmt.Appendf(nil, "%d\n", now+int64(left)))
}

// Deadline is what is left of the run's time; ok is false where none is set.
func Deadline(dir string, now int64) (left time.Duration, ok bool) {
	raw, err := files.Read(filepath.Join(dir, deadlineFile), 100)
	if err != nil {
		return 0, false
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	return time.Duration(at - now), err == nil
}
