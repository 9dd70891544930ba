package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
)

// file is a journal of one process start after the other, each with so many blocks of
// four inferences.
func file(t testing.TB, starts ...int) []byte {
	t.Helper()
	var out []byte
	add := func(line []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, line...)
	}
	round := 0
	for s, blocks := range starts {
		begun := Begun{Rounds: 12, Result: &trial.Result{Schema: trial.ResultSchema, TrialID: "m.cpu.t1.b1.r1",
			Outcome: trial.OK, Batch: 1, WarmupNS: []int64{int64(s)},
			LatenciesNS: []int64{}, Start: time.Unix(int64(1000*s), 0).UTC(), PeakMemoryBytes: trial.Read[int64](5)}}
		add(begun.Line())
		for range blocks {
			round++
			add(Block{Block: trial.Block{Round: round, Turn: round, N: 4, Restarts: s, StartNS: int64(round)},
				LatenciesNS: []int64{int64(round), 20, 30, 40}, Peak: trial.Read(int64(round)), Took: time.Second}.Line())
		}
	}
	return out
}

// Whatever is cut off or damaged, the blocks before it are there, and nothing
// else is.
func TestReadUpToTheDamage(t *testing.T) {
	whole := file(t, 3, 2)
	ends := []int{}
	for i, b := range whole {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	for cut := range whole {
		want := 0
		for want < len(ends) && ends[want] <= cut {
			want++
		}
		for name, data := range map[string][]byte{
			"cut":   whole[:cut],
			"zeros": append(bytes.Clone(whole[:cut]), make([]byte, 100)...),
			"other": append(append(bytes.Clone(whole[:cut]), whole[cut]^1), whole[cut+1:]...),
		} {
			log, err := Read(data)
			if want == 0 {
				if err == nil {
					t.Fatalf("%s at %d of a first line: no error", name, cut)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s at %d: %v", name, cut, err)
			}
			if lines := len(log.Begun) + len(log.Blocks); lines != want || log.Bytes != ends[want-1] {
				t.Fatalf("%s at %d: %d lines in %d bytes, want %d in %d", name, cut, lines, log.Bytes, want, ends[want-1])
			}
		}
	}
}

func TestResultOfTwoStarts(t *testing.T) {
	log, err := Read(file(t, 3, 2))
	if err != nil {
		t.Fatal(err)
	}
	res, err := log.Partial("the device was lost")
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != trial.OK || res.Partial.String() != "stopped after 5 of 12 blocks: the device was lost" ||
		res.Summary.N != 20 {
		t.Errorf("%s, %v, %+v", res.Outcome, res.Partial, res.Summary)
	}
	var starts []int
	for _, b := range res.Blocks {
		starts = append(starts, b.Restarts)
	}
	if !slices.Equal(starts, []int{0, 0, 0, 1, 1}) || len(res.Restarts) != 1 || res.Restarts[0].WarmupNS[0] != 1 ||
		res.WarmupNS[0] != 0 {
		t.Errorf("blocks of starts %v, restarts %+v", starts, res.Restarts)
	}
	if peak, _ := res.PeakMemoryBytes.Get(); peak != 5 || !res.End.Equal(time.Unix(1002, 0)) {
		t.Errorf("peak %d, end %v", peak, res.End)
	}
	if again, _ := log.Partial("the device was lost"); fmt.Sprint(asJSON(t, again)) != asJSON(t, res) {
		t.Error("asked twice, it says two things")
	}
}

func TestTooFewBlocksAreNotMeasured(t *testing.T) {
	log, err := Read(file(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	res, err := log.Partial("interrupted")
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != trial.Failed || res.Reasons[0].Code != trial.ReasonStopped ||
		!strings.HasPrefix(res.Reasons[0].Text, "not measured: stopped after 2 of 12 blocks") {
		t.Errorf("%s %+v", res.Outcome, res.Reasons)
	}
	if len(res.LatenciesNS) != 8 {
		t.Errorf("%d latencies: what was measured is thrown away", len(res.LatenciesNS))
	}
}

// Lines with right sums that make no sense together end a journal too.
func TestContradictionsEndIt(t *testing.T) {
	whole := file(t, 1)
	for name, b := range map[string]Block{
		"another start": {Block: trial.Block{N: 1, Restarts: 1}, LatenciesNS: []int64{1}},
		"miscounted":    {Block: trial.Block{N: 2}, LatenciesNS: []int64{1}},
		"empty":         {},
		"negative":      {Block: trial.Block{N: 1}, LatenciesNS: []int64{-1}},
	} {
		line, err := b.Line()
		if err != nil {
			t.Fatal(err)
		}
		if log, err := Read(append(bytes.Clone(whole), line...)); err != nil || len(log.Blocks) != 1 ||
			log.Bytes != len(whole) {
			t.Errorf("%s: %+v, %v", name, log, err)
		}
		if log, err := Read(line); err == nil {
			t.Errorf("%s without a beginning: %+v", name, log)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(f, 2, 1))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		log, err := Read(data)
		if err != nil {
			return
		}
		if log.Bytes > len(data) {
			t.Fatal("more bytes than there are")
		}
		if _, err := log.Partial("x"); err != nil {
			t.Fatal(err)
		}
	})
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
