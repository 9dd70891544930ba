//go:build !windows

package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// clockTo moves the emulator's clock to the time that stands in a file, and waits
// until the leases that are due have begun. Time goes forward only.
func clockTo(ts *testscript.TestScript, neg bool, args []string) {
	at, err := time.Parse("2006-01-02T15:04Z", strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	advance(ts, at.Sub(emulatorState(ts).Now)+time.Second)
	for deadline := time.Now().Add(20 * time.Second); strings.Contains(emulatorState(ts).statuses(), "PENDING"); {
		if time.Now().After(deadline) {
			ts.Fatalf("the leases have not begun within 20 s: %s", emulatorState(ts).statuses())
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

type stateOfEmulator struct {
	Now    time.Time
	Leases []struct{ Status string }
}

func (s stateOfEmulator) statuses() (all string) {
	for _, l := range s.Leases {
		all += l.Status + " "
	}
	return all
}

func emulatorState(ts *testscript.TestScript) (s stateOfEmulator) {
	resp, err := http.Get(control(ts) + "/state")
	ts.Check(err)
	defer resp.Body.Close()
	ts.Check(json.NewDecoder(resp.Body).Decode(&s))
	return s
}

func advance(ts *testscript.TestScript, by time.Duration) {
	resp, err := http.Post(control(ts)+"/clock", "application/json",
		strings.NewReader(fmt.Sprintf(`{"advance": %q}`, by)))
	ts.Check(err)
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		ts.Fatalf("the clock cannot be advanced by %s: %s", by, resp.Status)
	}
}

// stderrOf is what a command that was started by [signalled] has said so far.
// ReadFile takes this name for the standard error of exec.
func stderrOf(ts *testscript.TestScript) string {
	said, err := os.ReadFile(ts.MkAbs("stderr"))
	ts.Check(err)
	return string(said)
}

func says(ts *testscript.TestScript, text string) bool { return strings.Contains(stderrOf(ts), text) }

// interruptedSaying interrupts a command as Ctrl-C does when it has said a text,
// and wants exit code 130.
func interruptedSaying(ts *testscript.TestScript, neg bool, args []string) {
	interrupted(ts, args[1:], func() bool { return says(ts, args[0]) })
}

// freedWhile deletes the lease whose id stands in a file when a command says that it waits for a device; the
// command must then end well.
func freedWhile(ts *testscript.TestScript, neg bool, args []string) {
	waited := false
	code := signalled(ts, 0, args[1:], func() bool {
		if !says(ts, "waiting until") {
			return false
		}
		ts.Check(command(ts, []string{"chexp", "lease", "delete", strings.TrimSpace(ts.ReadFile(args[0]))}).Run())
		waited = true
		return true
	})
	if code != 0 || !waited {
		ts.Fatalf("exit code %d, waited: %v\n%s", code, waited, stderrOf(ts))
	}
}
