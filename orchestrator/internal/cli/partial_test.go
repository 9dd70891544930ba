//go:build !windows

package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// journals are the trials on the emulated device that are being measured, and how
// many blocks of each are on record.
func journals(ts *testscript.TestScript) map[string]int {
	out := map[string]int{}
	found, _ := filepath.Glob(ts.MkAbs("emulator/sandbox/containers/*/tmp/*/out/journal/*.jsonl"))
	for _, path := range found {
		data, _ := os.ReadFile(path)
		out[path] = bytes.Count(data, []byte(`{"block":`))
	}
	return out
}

// blocks reports whether two trials or more have so many blocks.
func blocks(ts *testscript.TestScript, n string) func() bool {
	want, err := strconv.Atoi(n)
	ts.Check(err)
	return func() bool {
		have := 0
		for _, blocks := range journals(ts) {
			if blocks < want {
				return false
			}
			have++
		}
		return have >= 2
	}
}

func interruptedAfter(ts *testscript.TestScript, neg bool, args []string) {
	if code := signalled(ts, syscall.SIGINT, args[1:], blocks(ts, args[0])); code != 130 {
		ts.Fatalf("exit code %d, want 130:\n%s", code, ts.ReadFile("stderr"))
	}
}

func awaitBlocks(ts *testscript.TestScript, neg bool, args []string) {
	ready := blocks(ts, args[0])
	for deadline := time.Now().Add(time.Minute); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("after a minute there are blocks of %v only", journals(ts))
		}
	}
}

// agentDiesAfter makes the device one that starts no agent any more: its plan is
// damaged.
func agentDiesAfter(ts *testscript.TestScript, neg bool, args []string) {
	ready := blocks(ts, args[0])
	code := signalled(ts, 0, args[1:], func() bool {
		if !ready() {
			return false
		}
		for path := range journals(ts) {
			dir := filepath.Dir(filepath.Dir(filepath.Dir(path)))
			ts.Check(os.WriteFile(filepath.Join(dir, "plan.json"), []byte("{}"), 0o644))
		}
		return killAgent(ts)
	})
	if code != 7 {
		ts.Fatalf("exit code %d, want 7:\n%s", code, ts.ReadFile("stderr"))
	}
}

// endsIn reserves, launches and pushes first, so that the time asked for is that of
// measuring. The lease is one of whole minutes: the site's clock goes to the last
// quarter of one, so that none of it passes in vain.
func endsIn(ts *testscript.TestScript, neg bool, args []string) {
	in, err := time.ParseDuration(args[0])
	ts.Check(err)
	advance(ts, time.Duration((105-emulatorState(ts).Now.Second())%60)*time.Second)
	if code := execute(ts, append(args[1:], "--until", "push", "exp.yaml")); code != 0 {
		ts.Fatalf("exit code %d, want 0", code)
	}
	var leases []struct {
		Mine bool
		End  time.Time
	}
	listed, err := command(ts, []string{"chexp", "lease", "list", "-f", "json"}).Output()
	ts.Check(err)
	ts.Check(json.Unmarshal(listed, &leases))
	for _, l := range leases {
		if !l.Mine {
			continue
		}
		// A time as long as the lease was asked for is refused.
		tail := min((l.End.Sub(emulatorState(ts).Now) - in).Round(time.Second), 2*time.Minute-time.Second)
		resume := append(args[1:], "--resume", "latest", "--fetch-time", tail.String())
		if code := execute(ts, resume); code != 3 {
			ts.Fatalf("exit code %d, want 3", code)
		}
		return
	}
	ts.Fatalf("the run has no lease: %s", listed)
}

func wantPartial(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	files, _ := filepath.Glob(ts.MkAbs("runs/*/partial/*.json"))
	n := 0
	for _, f := range files {
		var r struct {
			Outcome     string
			LatenciesNS []int64 `json:"latencies_ns"`
			Partial     struct {
				Blocks, Asked int
				Why           string
			}
		}
		data, err := os.ReadFile(f)
		ts.Check(err)
		ts.Check(json.Unmarshal(data, &r))
		if r.Outcome == "ok" && len(r.LatenciesNS) > 0 && r.Partial.Blocks >= 3 && r.Partial.Why != "" {
			n++
		}
	}
	if n != want {
		ts.Fatalf("%d partial results with latencies, want %d: %v", n, want, files)
	}
}
