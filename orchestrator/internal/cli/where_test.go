//go:build !windows

package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// interruptedAtResult interrupts as Ctrl-C does when the agent has told of so many
// finished trials.
func interruptedAtResult(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := signalled(ts, syscall.SIGINT, args[1:], func() bool {
		events, _ := filepath.Glob(ts.MkAbs("runs/*/events.jsonl"))
		for _, e := range events {
			if data, _ := os.ReadFile(e); strings.Count(string(data), `"trial_finished"`) >= want {
				return true
			}
		}
		return false
	})
	if code != 130 {
		ts.Fatalf("exit code %d, want 130:\n%s", code, ts.ReadFile("stderr"))
	}
}

// takeBoard leases the board that the run's first attempt had, so that the next one
// gets another. FIRST is its name from then on.
func takeBoard(ts *testscript.TestScript, neg bool, args []string) {
	found, _ := filepath.Glob(ts.MkAbs("runs/*/attempts/1.json"))
	if len(found) != 1 {
		ts.Fatalf("%d runs have a first attempt", len(found))
	}
	data, err := os.ReadFile(found[0])
	ts.Check(err)
	var facts struct {
		Lease struct{ Device struct{ Name string } }
	}
	ts.Check(json.Unmarshal(data, &facts))
	name := facts.Lease.Device.Name
	if code := execute(ts, []string{"chexp", "lease", "create", "--device", name, "--name", "taken"}); code != 0 {
		ts.Fatalf("%s cannot be leased: exit code %d", name, code)
	}
	ts.Setenv("FIRST", name)
}
