//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"

	"chexp/agent/internal/ort"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// tryOnce loads the model of the trial.Try on standard input, runs it once on the
// runtime's own kernels, and says how that went.
func tryOnce(library string, out io.Writer) error {
	var req trial.Try
	const most = 16 << 20
	if err := json.NewDecoder(io.LimitReader(os.Stdin, most)).Decode(&req); err != nil {
		return fmt.Errorf("the request on stdin: %w", err)
	}
	if err := confine(req.MemoryBytes); err != nil {
		return err
	}
	tried := trial.Tried{Outcome: trial.OK}
	lib, err := ort.Load(library)
	if err == nil {
		tried.Runtime = lib.Runtime()
		tried.Outputs, err = runOnce(lib, req)
	}
	if err != nil {
		tried.Outcome, tried.Reasons = trial.Failed, []trial.Reason{reason.Of(err, reason.RuntimeFailed)}
	}
	return json.NewEncoder(out).Encode(tried)
}

// confine bounds the process: it writes no file, leaves no core, ends by itself
// should nobody end it, and takes no more memory than that (0: any). The limit is
// of what is written to (RLIMIT_DATA), not of addresses: Go and the runtime's
// threads reserve far more than they use.
func confine(memory int64) error {
	const seconds = 300 // of one core; who asks gives up after a minute
	limits := map[int]uint64{
		syscall.RLIMIT_FSIZE: 0, syscall.RLIMIT_CORE: 0, syscall.RLIMIT_CPU: seconds,
	}
	if memory > 0 {
		limits[syscall.RLIMIT_DATA] = uint64(memory)
	}
	for what, n := range limits {
		if err := syscall.Setrlimit(what, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("the process's limit %d: %w", what, err)
		}
	}
	return nil
}

func runOnce(lib *ort.Library, req trial.Try) (list []trial.Output, err error) {
	s, err := lib.Open(req.ModelPath, ort.Options{Provider: trial.Provider{Name: provider.CPU}, Threads: 1,
		Batch: req.Batch, Inputs: req.Inputs, Packs: req.Packs})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	next, err := session.Values(s, req.Seed)
	if err != nil {
		return nil, err
	}
	if err = next(); err == nil {
		err = s.Prepare()
	}
	if err == nil {
		err = s.Run()
	}
	if err != nil {
		return nil, reason.Wrap(err, reason.InferenceFailed, "an inference failed")
	}
	for i := range s.Outputs() {
		tensors, err := s.Output(i)
		if err != nil {
			return nil, reason.Errorf(reason.InferenceFailed, "output %d cannot be read", i+1).Because(err)
		}
		const most = 100
		for _, t := range tensors[:min(len(tensors), most)] {
			list = append(list, trial.Output{Name: t.Name, Type: t.Type.String(), Shape: t.Dims})
		}
	}
	return list, nil
}
