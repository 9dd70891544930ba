package matrix

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"chexp/experiments/wait"
)

const (
	// ONNX Runtime's threads spin for some 10 to 50 ms after the last
	// inference before they sleep (measured with 1.27.0 and two threads); what
	// still runs after quietWithin will not stop by itself.
	quietWithin = time.Second
	quietLook   = time.Millisecond
)

// rest waits until no thread of the trial's process runs: one that spins would
// take a core from the next trial. What does not come to rest is told, once.
func (l *living) rest(ctx context.Context, r *record) error {
	for begin := time.Now(); running("/proc", l.process.cmd.Process.Pid); {
		if time.Since(begin) > quietWithin {
			if !l.restless {
				l.restless = true
				r.note("%s: threads of its process still run %v after its turn, and take time from the other trials",
					l.ID, quietWithin)
			}
			return r.err
		}
		if l.process.ended() {
			return nil
		}
		if err := wait.For(ctx, quietLook); err != nil {
			return err
		}
	}
	return nil
}

// running reports whether any thread of a process is on a processor or waits
// for one (state R in proc_pid_stat(5)). Without /proc nobody knows.
func running(proc string, pid int) bool {
	tasks := fmt.Sprintf("%s/%d/task", proc, pid)
	dir, err := os.Open(tasks)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		stat, err := os.ReadFile(tasks + "/" + name + "/stat")
		// The state comes after the name, which is in parentheses and may
		// hold any others.
		if at := bytes.LastIndexByte(stat, ')'); err == nil && at >= 0 && bytes.HasPrefix(stat[at+1:], []byte(" R")) {
			return true
		}
	}
	return false
}
