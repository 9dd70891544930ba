// Package tryout loads each model of an experiment once on this machine and runs
// it once, with the agent that also goes to devices, so that what cannot run is
// known before anything is reserved. It measures nothing.
//
// A model is somebody else's: the process that runs it has no network where the
// kernel allows that to everybody (a user namespace), writes no file, and is
// bounded in time and memory. What was found is kept under the hash of model,
// inputs and agent, so that a repeat costs nothing; what the bounds ended is tried
// again.
package tryout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/input"
	"chexp/experiments/trial"
)

// Limit is how long one model may take, with loading: MobileNetV2 takes 0.2 s, and
// a model that takes a minute on a laptop is for the device to judge.
const Limit = time.Minute

// Agent is the agent of this machine.
type Agent struct {
	Path     string
	Manifest trial.Manifest
	Cache    string // folder of what was found
	// Memory bounds each process; 0: nothing does.
	Memory int64
}

// Model is what is tried.
type Model struct {
	trial.Model
	File    string
	Packs   string         // folder of the values that the inputs name
	Batches []int          // of its trials
	Rows    map[string]int // outputs with the batch on this axis, as the model says
}

// Verdict is what was found. With neither Problem nor Unknown the model runs.
type Verdict struct {
	Problem string `json:"problem,omitempty"` // a clause: why the model cannot run
	Next    string `json:"next,omitempty"`
	Unknown string `json:"-"` // a clause: why it was not found out
}

// Try tries a model with the smallest batch that is more than one, since a batch of
// one hides a graph that fixes it; where that fails, with the smallest of all.
func (a Agent) Try(ctx context.Context, m Model) (Verdict, error) {
	kept := filepath.Join(a.Cache, a.key(m)+".json")
	if data, err := files.Read(kept, 1<<20); err == nil {
		var v Verdict
		if json.Unmarshal(data, &v) == nil {
			return v, nil
		}
	}
	v, err := a.find(ctx, m)
	if err != nil || v.Unknown != "" {
		return v, err
	}
	data, err := json.Marshal(v)
	if err == nil {
		err = os.MkdirAll(a.Cache, 0o755)
	}
	if err == nil {
		err = files.Write(kept, data)
	}
	if err != nil { // it was found out all the same
		v.Unknown = fmt.Sprintf("what was found cannot be kept: %v", err)
	}
	return v, nil
}

// key names everything that the verdict depends on.
func (a Agent) key(m Model) string {
	data, err := json.Marshal([]any{a.Manifest.SHA256, m.SHA256, m.Inputs, order(m.Batches), m.Rows})
	if err != nil {
		panic(err) // plain data
	}
	return files.Sum(data)
}

// order puts the batch to try first in front.
func order(batches []int) []int {
	sorted := slices.Sorted(slices.Values(batches))
	for _, b := range sorted {
		if b > 1 {
			return slices.Compact([]int{b, sorted[0]})
		}
	}
	return []int{1}
}

func (a Agent) find(ctx context.Context, m Model) (Verdict, error) {
	var first Verdict
	for i, batch := range order(m.Batches) {
		v, err := a.once(ctx, m, batch)
		switch {
		case err != nil || v.Unknown != "":
			return v, err
		case v.Problem == "" && i > 0:
			first.Problem = fmt.Sprintf("runs with batch %d, and with batch %d %s: its graph fixes the batch inside",
				batch, order(m.Batches)[0], first.Problem)
			first.Next = fmt.Sprintf("export it with a batch that is open, or write batches: [%d]", batch)
			return first, nil
		case v.Problem == "":
			return v, nil
		case i == 0:
			first = v
		}
	}
	return first, nil
}

// once runs the model in a process of its own.
func (a Agent) once(ctx context.Context, m Model, batch int) (v Verdict, err error) {
	file, err := filepath.Abs(m.File)
	if err != nil {
		return v, err
	}
	req, err := json.Marshal(trial.Try{ModelPath: file, Inputs: m.Inputs, Packs: m.Packs, Batch: batch, Seed: 1,
		MemoryBytes: a.Memory})
	if err != nil {
		return v, err
	}
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	var out, words bytes.Buffer
	err = a.run(limited, req, &out, &words)
	switch {
	case ctx.Err() != nil:
		return v, ctx.Err()
	case limited.Err() != nil:
		v.Unknown = fmt.Sprintf("it took longer than %v here", Limit)
		return v, nil
	}
	var tried trial.Tried
	if json.Unmarshal(out.Bytes(), &tried) != nil || tried.Outcome != trial.OK && len(tried.Reasons) == 0 {
		return died(err, words.String()), nil
	}
	if tried.Outcome == trial.OK {
		v.Problem = fixedInside(m, tried, batch)
		return v, nil
	}
	why := tried.Reasons[0]
	switch why.Code {
	case trial.ReasonModelInvalid, trial.ReasonInputUnsupported, trial.ReasonInferenceFailed:
		return Verdict{Problem: "fails: " + oneLine(why.Text), Next: why.Next}, nil
	}
	v.Unknown = oneLine(why.Text) // of this machine, such as its memory
	return v, nil
}

// died judges a process that did not answer. One that was killed, perhaps for its
// memory, says nothing of the device.
func died(err error, words string) Verdict {
	last := oneLine(words)
	if n := len(last); n > 400 {
		last = "…" + strings.ToValidUTF8(last[n-400:], "")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && crashed(exit) {
		return Verdict{Problem: fmt.Sprintf("makes ONNX Runtime crash (%v); its last words: %s", exit, last)}
	}
	return Verdict{Unknown: fmt.Sprintf("the process that ran it ended without an answer (%v): %s", err, last)}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// fixedInside compares the outputs that have the batch on an axis with the batch.
func fixedInside(m Model, tried trial.Tried, batch int) string {
	fixed, axis := input.Fixed(m.Inputs)
	if !axis || fixed > 0 || batch == 1 {
		return ""
	}
	for _, o := range tried.Outputs {
		if at, ok := m.Rows[o.Name]; ok && at < len(o.Shape) && o.Shape[at] != int64(batch) {
			return fmt.Sprintf("its output %q has the shape %v", o.Name, o.Shape)
		}
	}
	return ""
}
