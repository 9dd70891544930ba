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
// name. The request is a file and no signal, because a file reaches the right
// process whatever the PID namespaces are.
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

// SetDeadline says how long the run may go on from now; 0 is no limit. now is
// CLOCK_MONOTONIC, which all processes share since the machine was booted. The
// wall clock will not do: on a board that has just come up it jumps when it gets
// the time. After another boot the deadline means nothing, and the next start sets
// it again.
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

// Deadline returns how much of the run's time is left; ok is false where there is
// no limit.
func Deadline(dir string, now int64) (left time.Duration, ok bool) {
	raw, err := files.Read(filepath.Join(dir, deadlineFile), 100)
	if err != nil {
		return 0, false
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	return time.Duration(at - now), err == nil
}
