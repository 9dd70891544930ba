package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// OriginsFile holds an [Origin] a line.
const OriginsFile = "origins.jsonl"

// Origin says which attempt a result came from. It is written before the result
// is, by the program that fetched it: the device has no say in it. One without a
// result at home is of a partial one that was replaced, or of a killed fetch.
type Origin struct {
	Time      time.Time `json:"time"`
	Trial     string    `json:"trial"`
	SHA256    string    `json:"sha256"` // of the result's file
	Partial   bool      `json:"partial,omitempty"`
	Attempt   int       `json:"attempt"`             // counts from 1; 0: not known
	Container string    `json:"container,omitempty"` // its id; empty for a directory that a user named
}

// Origins are those of results, by the SHA-256 of the result's file.
type Origins map[string]Origin

// ReadOrigins reads lines of origins. The first of a result counts: it was
// brought home once. A line that is damaged, or torn by a full disk, says nothing:
// its result comes from nobody knows where.
func ReadOrigins(data []byte) Origins {
	all := Origins{}
	for line := range bytes.Lines(data) {
		var o Origin
		if json.Unmarshal(line, &o) != nil {
			continue
		}
		if _, ok := all[o.SHA256]; !ok {
			all[o.SHA256] = o
		}
	}
	return all
}

// Origins reads where the run's results came from. It is empty for a run from
// before that was kept.
func (r *Run) Origins() (Origins, error) {
	data, err := r.Read(OriginsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Origins{}, nil
	}
	if err != nil {
		return nil, Explain(err)
	}
	return ReadOrigins(data), nil
}

// noteOrigin writes down where a result comes from that is about to be kept. A line
// end stands before it as well, so that it is no part of a torn line.
func noteOrigin(r *Run, known Origins, from Origin, res *trial.Result, data []byte) error {
	from.Trial, from.SHA256, from.Partial = res.TrialID, files.Sum(data), res.Partial != nil
	if _, ok := known[from.SHA256]; ok {
		return nil
	}
	if from.Time.IsZero() {
		from.Time = now()
	}
	line, err := json.Marshal(from)
	if err != nil {
		return err
	}
	known[from.SHA256] = from
	return r.Append(OriginsFile, append(append([]byte{'\n'}, line...), '\n'))
}

// Brought is a result at home and where it came from.
type Brought struct {
	*trial.Result
	From Origin // its zero: nothing is known
}
