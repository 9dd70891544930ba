//go:build !windows

package cli_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/openstack/container/v1/containers"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// webLease makes a lease of several boards as the web pages do, `web-lease NAME one|each
// N`: one reservation of N, or N of one each.
func webLease(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ctx := context.Background()
	c, err := chameleon.Connect(ctx, signin.Options{CloudsFile: ts.Getenv("OS_CLIENT_CONFIG_FILE"),
		Cloud: ts.Getenv("OS_CLOUD")})
	ts.Check(err)
	each, min := 1, n
	if args[1] == "each" {
		each, min = n, 1
	}
	opts := leases.CreateOpts{Name: args[0], EndDate: c.Now().Add(time.Hour)}
	for range each {
		opts.Reservations = append(opts.Reservations, leases.ReservationOpts{ResourceType: "device", Min: min, Max: min,
			ResourceProperties: leases.Properties(leases.Equal("machine_name", "raspberrypi5"))})
	}
	l, err := leases.Create(ctx, c.Reservation, opts).Extract()
	ts.Check(err)
	_, err = chameleon.NewLeaseClient(c).Await(ctx, l.ID, func(string) {})
	ts.Check(err)
}

// wedgedIn stops the emulator's zun-compute when the command begins a phase, and has an
// operator restart it when the command has told the user that this is needed; it wants
// the command to end well: `wedged-in PHASE CMD...`.
func wedgedIn(ts *testscript.TestScript, neg bool, args []string) {
	inPhase := journalSays(ts, args[0])
	code := signalled(ts, 0, args[1:], func() bool {
		if !inPhase() {
			return false
		}
		setFaults(ts, false, []string{`{"zun.compute=wedged": 1}`})
		return true
	}, func() bool {
		said, err := os.ReadFile(ts.MkAbs("stderr"))
		ts.Check(err)
		if !strings.Contains(string(said), "zun-compute") {
			return false
		}
		setFaults(ts, false, []string{`{"zun.compute=restart": 1}`})
		return true
	})
	if code != 0 {
		ts.Fatalf("exit code %d", code)
	}
}

// boards counts the boards that the runs here measured on: `boards N`.
func wantBoards(ts *testscript.TestScript, neg bool, args []string) {
	ids := map[string]bool{}
	found, _ := filepath.Glob(ts.MkAbs("runs/*/devices/*/attempts/*.json"))
	one, _ := filepath.Glob(ts.MkAbs("runs/*/attempts/*.json"))
	for _, f := range append(found, one...) {
		_, rest, ok := strings.Cut(ts.ReadFile(f), `"boot_id"`)
		if _, id, found := strings.Cut(rest, `"value": "`); ok && found {
			ids[id[:36]] = true
		}
	}
	if fmt.Sprint(len(ids)) != args[0] {
		ts.Fatalf("%d boards by their boot ids, want %s", len(ids), args[0])
	}
}

// deletedIn deletes the container of a run's device when the agent has started in it, as
// its owner does elsewhere, and wants an exit code: `deleted-in DEVICE N CMD...`.
func deletedIn(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	started := regexp.MustCompile(`"what":"agent","id":"([^"]*)".*"slots":\[` + args[0] + `\]`)
	code := signalled(ts, 0, args[2:], func() bool {
		journals, _ := filepath.Glob(ts.MkAbs("runs/*/journal.jsonl"))
		for _, j := range journals {
			if m := started.FindStringSubmatch(ts.ReadFile(j)); m != nil {
				ctx := context.Background()
				c, err := chameleon.Connect(ctx, signin.Options{CloudsFile: ts.Getenv("OS_CLIENT_CONFIG_FILE"),
					Cloud: ts.Getenv("OS_CLOUD")})
				ts.Check(err)
				zun, err := containers.NewContainerV1(c.Session.Provider, c.Session.Endpoints)
				ts.Check(err)
				ts.Check(containers.Delete(ctx, zun, m[1], containers.DeleteOpts{Stop: true}).ExtractErr())
				return true
			}
		}
		return false
	})
	if code != want {
		ts.Fatalf("exit code %d, want %d:\n%s", code, want, ts.ReadFile("stderr"))
	}
}

// playedAgents puts agents that play, see playedAgent, in the place of the real ones:
// `played-agents SECONDS`.
func playedAgents(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	agent, err := playedAgent(seconds, 0)
	ts.Check(err)
	path := filepath.SplitList(ts.Getenv("PATH"))
	dir := ts.MkAbs("played")
	if path[0] == dir {
		path = path[1:]
	}
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(programs(path[0], dir, agent))
	ts.Setenv("PATH", dir+string(filepath.ListSeparator)+strings.Join(path, string(filepath.ListSeparator)))
}
