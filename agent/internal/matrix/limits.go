package matrix

import (
	"fmt"
	"io/fs"
	"regexp"

	"chexp/agent/internal/device/cgroup"
	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
)

// noThread is what is said where the kernel refuses another process or thread (EAGAIN
// of clone): by Go's runtime, by Go where it starts a process, by pthreads, and by
// ONNX Runtime, which prints the number.
var noThread = regexp.MustCompile(`failed to create new OS thread|pthread_create|[Rr]esource temporarily unavailable|` +
	`thread creation failed`)

// whyFailed names the limit that a failure is about, where its text does not: "resource
// temporarily unavailable" tells nobody that a container may have no more threads.
func whyFailed(why trial.Reason, root fs.FS) trial.Reason {
	if !noThread.MatchString(why.Text) {
		return why
	}
	who, next := "the device", "see `ulimit -u` and /proc/sys/kernel/threads-max there"
	if n, ok := cgroup.ProcessLimit(root).Get(); ok && n > 0 {
		who, next = "the container", "raise it"
		who += fmt.Sprintf(", whose pids limit is %d,", n)
	}
	return trial.Reason{Code: reason.ThreadsRefused,
		Text: fmt.Sprintf("%s allows no more processes and threads, and the trial needs more: %s", who, why.Text),
		Next: next + ", or ask for fewer threads"}
}
