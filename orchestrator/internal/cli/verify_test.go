package cli

import (
	"bytes"
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/compare/simulated"
	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/seal"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// sealedRun is a made-up run with a seal, in a directory whose name a shell takes apart unless it is quoted.
func sealedRun(t *testing.T) *store.Run {
	t.Helper()
	dir, err := simulated.Quiet(1, 1, 1).All()[0].Write(filepath.Join(t.TempDir(), "my runs"))
	if err != nil {
		t.Fatal(err)
	}
	s := &store.Run{ID: filepath.Base(dir), Dir: dir}
	before := seal.Begin(s)
	if err := s.Record(store.Entry{Kind: store.Ended, Phase: string(run.PhasePlan), Text: "local"}); err != nil {
		t.Fatal(err)
	}
	if err := before.Seal(time.Now()); err != nil {
		t.Fatal(err)
	}
	return s
}

// table is how a command is called whose format is the table.
func table() *cli.Context {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.String("format", "table", "")
	return cli.NewContext(nil, flags, nil)
}

// A run that a chexp has worked in and not sealed is neither given away nor counted as one that is as it was sealed.
func TestARunThatIsNotSealedAgain(t *testing.T) {
	s := sealedRun(t)
	var said bytes.Buffer
	a := &app{out: &said, err: &said}
	count := func() string {
		said.Reset()
		resultsVerbs{a}.sealedRuns(table(), []*store.Gathered{{RunID: s.ID, Dir: s.Dir}})
		return said.String()
	}
	if err := a.asSealed(table(), s, givenAway); err != nil || !strings.HasSuffix(count(), ": 1 of 1 run as sealed\n") {
		t.Fatalf("a sealed run: %v, %s", err, count())
	}
	if err := s.Record(store.Entry{Kind: store.Began, Phase: string(run.PhaseReport)}); err != nil {
		t.Fatal(err)
	}
	err := a.asSealed(table(), s, givenAway)
	if failure.KindOf(err) != failure.Storage || !strings.Contains(failure.NextOf(err), "run --resume '"+s.Dir+"'") {
		t.Errorf("to give it away: %v; %s", err, failure.NextOf(err))
	}
	if got := count(); !strings.Contains(got, ": 0 of 1 run as sealed; 1 not sealed since a chexp worked in them\n") {
		t.Errorf("counted as: %s", got)
	}
}
