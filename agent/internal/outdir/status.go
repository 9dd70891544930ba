package outdir

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// ReadState returns the recorded state; found is false before the first start.
func ReadState(dir string) (s trial.State, found bool, err error) {
	raw, err := files.Read(filepath.Join(dir, trial.StateFile), maxLine)
	if errors.Is(err, os.ErrNotExist) {
		return trial.State{Schema: trial.EventSchema, Phase: trial.NotStarted}, false, nil
	}
	if err != nil {
		return s, false, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, false, fmt.Errorf("%s is damaged: %w", trial.StateFile, err)
	}
	return s, true, nil
}

// Status is the answer of `chexp-agent status`: the state as it really is, and
// the events after since, as many as fit into about maxBytes of JSON (at least
// one).
func Status(dir string, since int64, maxBytes int) (trial.StatusReply, error) {
	// The state is read first. The events that are read after it then include all
	// that led to it: a reader of "finished" misses none.
	state, err := current(dir)
	reply := trial.StatusReply{State: state}
	if err != nil {
		return reply, err
	}
	used := 1024 // for the state
	last, err := scanEvents(filepath.Join(dir, trial.EventsFile), func(e trial.Event, size int) {
		if e.Seq <= since || reply.More {
			return
		}
		if used += size + 1; used > maxBytes && len(reply.Events) > 0 {
			reply.More = true
			return
		}
		reply.Events = append(reply.Events, e)
	})
	reply.State.LastSeq = max(reply.State.LastSeq, last)
	return reply, err
}

// current is the recorded state, corrected by the lock.
func current(dir string) (trial.State, error) {
	held, err := Held(dir)
	if err != nil {
		return trial.State{}, err
	}
	s, _, err := ReadState(dir)
	if err != nil || s.Phase != trial.Running || held {
		return s, err
	}
	// Not held a moment ago; it may have ended properly in between.
	if again, _, err := ReadState(dir); err == nil && again.Phase != trial.Running {
		return again, nil
	}
	if held, err := Held(dir); err != nil || held {
		return s, err
	}
	s.Phase = trial.Dead
	if s.Text == "" {
		s.Text = "the agent's process is gone without a word; " + trial.LogFile + " has its last lines"
	}
	if why := full(dir); why != "" { // it could not even write that
		s.Text = why + "; " + s.Text
	}
	return s, nil
}

// maxLine bounds an event line, in bytes. The lines that this package writes are
// far shorter.
const maxLine = 1 << 20

// scanEvents calls f for every complete event line and returns the last sequence
// number. A last line without its end is being written, or was when the agent was
// killed: it does not count.
func scanEvents(path string, f func(e trial.Event, size int)) (last int64, err error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return last, fmt.Errorf("%s: %w", trial.EventsFile, err)
		}
		var e trial.Event
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return last, fmt.Errorf("%s after event %d: %w", trial.EventsFile, last, err)
		}
		last = e.Seq
		f(e, len(line))
	}
}
