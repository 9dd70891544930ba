// Package journal is the record that the agent keeps of a trial while it measures
// it, so that an interruption costs no complete block. Each trial has one file,
// with a line for each process start and a line for each block. The agent resumes
// a trial from it ([Log], [trial.Result.Restarts]); where no agent can, the
// orchestrator makes a partial result from it ([Log.Partial]).
//
// A line is eight hexadecimal digits (the CRC-32C of what follows), a blank, one
// JSON document and a line feed. A file that was cut off, or whose last pages
// never reached the disk, is read up to its first broken line. The sum finds
// accidents, not lies: a result made from a device's journal must be checked like
// any other.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
)

// Schema of a journal, in its first line.
const Schema = "chexp.journal/v1"

// line is one of the two.
type line struct {
	Begun *Begun `json:"begun,omitempty"`
	Block *Block `json:"block,omitempty"`
}

// Begun is a process start whose trial is about to get its first block.
type Begun struct {
	Schema string `json:"schema"`
	// Result is the trial's so far: all but what its blocks tell.
	Result *trial.Result `json:"result"`
	// Rounds is how many blocks the trial is to have, before any for the precision.
	Rounds int `json:"rounds"`
}

// Block is a block with its latencies.
type Block struct {
	trial.Block
	LatenciesNS []int64              `json:"latencies_ns"`
	Peak        trial.Reading[int64] `json:"peak_memory_bytes"`
	// Took is the time for which the trial had the device for it.
	Took time.Duration `json:"took_ns"`
}

// Log is a journal that was read.
type Log struct {
	Begun  []Begun // at least one
	Blocks []Block
	Bytes  int // of the file that count; what lies behind them is no whole line
}

var table = crc32.MakeTable(crc32.Castagnoli)

// Line makes the line of a process start.
func (b Begun) Line() ([]byte, error) {
	b.Schema = Schema
	return encode(line{Begun: &b})
}

// Line makes the line of a block.
func (b Block) Line() ([]byte, error) { return encode(line{Block: &b}) }

func encode(l line) ([]byte, error) {
	doc, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(doc, table), doc), nil
}

// Read reads a journal up to its first line that is not whole. The error says
// that there is nothing to be had from it.
func Read(data []byte) (*Log, error) {
	log := &Log{}
	for {
		raw, _, found := bytes.Cut(data[log.Bytes:], []byte{'\n'})
		if !found {
			break
		}
		l, ok := decode(raw)
		if !ok || !log.take(l) {
			break
		}
		log.Bytes += len(raw) + 1
	}
	if len(log.Begun) == 0 {
		return nil, errors.New("it has no whole line, or is of another schema than " + Schema)
	}
	return log, nil
}

func decode(raw []byte) (l line, ok bool) {
	sum, doc, found := bytes.Cut(raw, []byte{' '})
	if !found || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(doc, table)) {
		return l, false
	}
	return l, json.Unmarshal(doc, &l) == nil
}

// take adds a line that makes sense after those before it.
func (log *Log) take(l line) bool {
	switch b := l.Block; {
	case l.Begun != nil && b == nil:
		r := l.Begun.Result
		if l.Begun.Schema != Schema || l.Begun.Rounds < 1 || r == nil || len(r.LatenciesNS)+len(r.Blocks) > 0 {
			return false
		}
		log.Begun = append(log.Begun, *l.Begun)
		return true
	case b == nil || l.Begun != nil || len(log.Begun) == 0,
		b.N != len(b.LatenciesNS) || b.N < 1 || b.Restarts != len(log.Begun)-1 || slices.Min(b.LatenciesNS) < 0:
		return false
	}
	log.Blocks = append(log.Blocks, *l.Block)
	return true
}

// Result is the trial's with all its blocks, not judged and without a summary.
func (log *Log) Result() *trial.Result {
	res := *log.Begun[0].Result
	res.LatenciesNS, res.Blocks = []int64{}, nil
	for _, b := range log.Begun[1:] {
		res.Restarts = append(res.Restarts, Restart(b.Result))
	}
	for _, b := range log.Blocks {
		b.First = len(res.LatenciesNS)
		res.Blocks = append(res.Blocks, b.Block)
		res.LatenciesNS = append(res.LatenciesNS, b.LatenciesNS...)
		res.PeakMemoryBytes = Peak(res.PeakMemoryBytes, b.Peak)
	}
	return &res
}

// Restart is what stays of a further process start.
func Restart(r *trial.Result) trial.Restart {
	return trial.Restart{Time: r.Start, WarmupNS: r.WarmupNS, WarmUp: r.WarmUp, SessionCreateNS: r.SessionCreateNS,
		FirstInferenceNS: r.FirstInferenceNS}
}

// Peak is the higher of two readings of the peak memory; one that cannot be read
// any more makes both unknown.
func Peak(before, now trial.Reading[int64]) trial.Reading[int64] {
	b, known := before.Get()
	if n, ok := now.Get(); !ok || !known || n > b {
		return now
	}
	return before
}

// Partial is the result of a trial that will not be resumed; why says what ended it.
func (log *Log) Partial(why string) (*trial.Result, error) {
	res := log.Result()
	asked := log.Begun[len(log.Begun)-1].Rounds
	if err := Settle(res, asked, why); err != nil {
		return nil, err
	}
	res.End = res.Start
	for _, b := range log.Begun[1:] {
		res.End = b.Result.Start
	}
	since := len(log.Blocks) - 1
	for ; since >= 0 && log.Blocks[since].Restarts == len(log.Begun)-1; since-- {
		res.End = res.End.Add(log.Blocks[since].Took) // at least
	}
	return res, nil
}

// Settle ends the result of a trial that was to have so many blocks (0: not
// known) in order: it is OK, marked as Partial, if its blocks carry a median
// with an interval, and else says why it counts as not measured.
func Settle(res *trial.Result, asked int, why string) error {
	p := &trial.Partial{Blocks: len(res.Blocks), Asked: asked, Why: why}
	if p.Blocks >= asked { // those for the precision are without number
		p.Asked = 0
	}
	return settle(res, p)
}

// LeaveOut ends the result of a trial that was not begun, as there is no time for it.
func LeaveOut(res *trial.Result, needs time.Duration, why string) error {
	return settle(res, &trial.Partial{Why: why, Needs: needs})
}

func settle(res *trial.Result, p *trial.Partial) error {
	res.Partial = p
	if short := validity.TooFew(res); short != "" {
		res.Outcome = trial.Failed
		res.Reasons = append([]trial.Reason{{Code: trial.ReasonStopped, Text: "not measured: " + short,
			Next: fmt.Sprintf("`chexp run --resume %s` measures it again", res.RunID)}}, res.Reasons...)
	}
	sample, err := stats.SampleOf(res)
	if err != nil {
		return err
	}
	res.Summary = sample.Summary(res.Batch)
	return nil
}
