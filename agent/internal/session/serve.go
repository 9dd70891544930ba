package session

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"chexp/experiments/trial"
)

// Serve runs one trial: it says when it is ready, and then gives each Turn that
// it reads its Block, until in ends. describe completes the first answer. A
// trial that failed has said why when Serve returns; an error is about in and out.
func Serve(req Request, in *json.Decoder, out io.Writer, open func() (Engine, error),
	describe func(*trial.Result)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m, res := begin(req, open)
	defer m.close()
	describe(res)
	if err := json.NewEncoder(out).Encode(Answer{Ready: res}); err != nil {
		return err
	}
	ok := res.Outcome == trial.OK
	*res = trial.Result{} // the collection before a block takes it
	for ok {
		var t Turn
		if err := in.Decode(&t); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the next turn on stdin: %w", err)
		}
		s := m.block(t)
		if err := writeBlock(out, s); err != nil {
			return err
		}
		ok = s.Failed == nil
	}
	return nil
}

// writeBlock is json.Encode for an Answer with a Block, with next to no memory:
// the encoder's would be part of the trial's peak.
func writeBlock(out io.Writer, s Stretch) error {
	latencies := s.LatenciesNS
	s.LatenciesNS = []int64{}
	head, err := json.Marshal(Answer{Block: &s})
	if err != nil {
		return err
	}
	before, after, found := strings.Cut(string(head), `"latencies_ns":[`)
	if !found {
		return errors.New("a block without latencies_ns")
	}
	w := bufio.NewWriterSize(out, 16<<10)
	w.WriteString(before + `"latencies_ns":[`)
	number := make([]byte, 0, 24)
	for i, ns := range latencies {
		if i > 0 {
			w.WriteByte(',')
		}
		number = strconv.AppendInt(number[:0], ns, 10)
		w.Write(number)
	}
	w.WriteString(after)
	w.WriteByte('\n')
	return w.Flush()
}

// Monotonic is CLOCK_MONOTONIC, in nanoseconds: the same clock in every process
// of the machine, which Go's own does not show.
func Monotonic() int64 {
	var ts syscall.Timespec
	const clockMonotonic = 1
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)),
		0); errno != 0 {
		return 0 // not on Linux
	}
	return ts.Nano()
}

// peakMemory reads VmHWM. getrusage is no substitute: its maximum survives exec
// and so starts at the size of the process that forked this one.
func peakMemory(path string) trial.Reading[int64] {
	data, err := os.ReadFile(path)
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return trial.Unread[int64](fmt.Sprintf("%s: VmHWM is %q", path, strings.TrimSpace(rest)))
			}
			return trial.Read(kib * 1024)
		}
	}
	return trial.Unread[int64](path + " has no VmHWM")
}
