package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"chexp/experiments/compare/simulated"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// What is written and printed at the end of a run reads every result once.
func TestResultsAreReadOnce(t *testing.T) {
	runs := t.TempDir()
	simulation := simulated.Quiet(1, 1, 1).All()[0]
	dir, err := simulation.Write(runs)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.At(runs).Open(filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "journal.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := s.Record(store.Entry{Kind: store.Ended, Phase: string(run.PhasePlan), Text: "local"}); err != nil {
		t.Fatal(err)
	}
	opened := opens(t, filepath.Join(dir, "results"))

	var out bytes.Buffer
	a := &app{out: &out, err: &out}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.String("format", "table", "")
	f, err := writeReports(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = a.answer(cli.NewContext(nil, flags, nil), &run.Run{Store: s, Plan: simulation.Plan}, f, true)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "sim-a") {
		t.Errorf("no table was printed: %s", out.String())
	}
	counts := opened()
	for _, trial := range simulation.Plan.Trials {
		if n := counts[trial.ID+".json"]; n != 1 {
			t.Errorf("the result of %s was opened %d times, want once", trial.ID, n)
		}
	}
}

// opens watches a directory; the function that it returns counts by name how often
// its files were opened since.
func opens(t *testing.T, dir string) func() map[string]int {
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if _, err := syscall.InotifyAddWatch(fd, dir, syscall.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	return func() map[string]int {
		counts := map[string]int{}
		buf := make([]byte, 1<<16)
		n, err := syscall.Read(fd, buf) // the events are there: the opens have returned
		if err != nil {
			t.Fatal(err)
		}
		for buf = buf[:n]; len(buf) >= syscall.SizeofInotifyEvent; {
			e := (*syscall.InotifyEvent)(unsafe.Pointer(&buf[0]))
			end := syscall.SizeofInotifyEvent + int(e.Len)
			counts[string(bytes.TrimRight(buf[syscall.SizeofInotifyEvent:end], "\x00"))]++
			buf = buf[end:]
		}
		return counts
	}
}
