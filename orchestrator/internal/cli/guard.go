package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// guard sees to it that a run's device is given back though its process dies. From
// its begin on, the run is in the index of this user's runs: the next chexp finds
// it there. From the first signal on, a releaser stands by, a process of its own in
// a session of its own, which ends the run when this process dies before it has:
// who signals first and kills half a second later, as notebooks do, kills the
// process and its group, and not the releaser.
type guard struct {
	verbs runVerbs
	run   *run.Run
	index store.Index
	stop  func() bool

	mu    sync.Mutex
	ended bool
	line  *os.File // to the releaser; nil: there is none
}

// working is the index of the runs that a process of this user works on.
func working() (store.Index, error) {
	dir, err := cacheDir()
	return store.IndexAt(filepath.Join(dir, "working")), err
}

// guard begins to watch over a run. One that holds no lease, or whose cloud ends
// with this process, needs no guard: nil.
func (a runVerbs) guard(c *cli.Context, cfg run.Config) *guard {
	if kind := cfg.Experiment.SiteKind(); !kind.Leases && !kind.Hosts || isRehearsal(cfg.Store) {
		return nil
	}
	g := &guard{verbs: a, run: cfg.Run}
	index, err := working()
	if err == nil {
		err = index.Add(cfg.Store)
	}
	if err != nil {
		a.warn("if this chexp is killed, the next one will not find its run by itself: " + err.Error())
	}
	g.index = index
	if !cfg.Keep && cfg.Until == "" {
		flags := []string{"--runs", c.String("runs")}
		if cloud := c.String("os-cloud"); cloud != "" {
			flags = append(flags, "--os-cloud", cloud)
		}
		g.stop = context.AfterFunc(c.Context, func() { g.standBy(flags) })
	}
	return g
}

// standBy starts the releaser.
func (g *guard) standBy(flags []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	line, err := startReleaser(g.verbs.program, flags, g.run.Store)
	if err != nil {
		g.verbs.warn("if this chexp is killed now, nothing is given back: no releaser could be started: " + err.Error())
		return
	}
	g.line = line
}

// over ends the watch of a run whose process has done what it could. What it holds
// on purpose, or what is booked for later, is no concern of the next chexp.
func (g *guard) over() {
	if g == nil {
		return
	}
	if g.stop != nil {
		g.stop()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended = true; g.line != nil {
		fmt.Fprintln(g.line, releaserOver)
		g.line.Close()
	}
	entries, err := g.run.Store.Entries()
	if err != nil {
		return
	}
	if h, held := run.Holds(entries); !held || h.Left != "" || h.Booked(time.Now()) {
		g.index.Drop(g.run.Store.ID)
	}
}

// releaserOver is what a process tells its releaser that has ended by itself.
const releaserOver = "over"

// startReleaser starts the releaser of a run. It ends the run when the returned pipe
// is closed before [releaserOver] was written to it, as it is by a process that dies.
func startReleaser(program string, flags []string, s *store.Run) (*os.File, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(s.Dir, "releaser.log"),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY|files.NoFollow, 0o644)
	if err != nil { // it works without, too
		if log, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
			return nil, err
		}
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: exe, Args: slices.Concat([]string{program}, flags, []string{"releaser", dir}),
		Stdin: r, Stdout: log, Stderr: log, SysProcAttr: ownSession(),
	}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	go func() { _ = cmd.Wait() }() // how it ended stands in its log
	return w, nil
}

// leftAtOnce says what stays of a run that was interrupted twice.
func leftAtOnce(r *run.Run, err error) error {
	entries, unread := r.Store.Entries()
	if unread != nil {
		return errors.Join(err, unread)
	}
	h, held := run.Holds(entries)
	if !held {
		return err
	}
	until := ""
	if !h.Ends.IsZero() {
		until = ", until " + clock.Both(h.Ends)
	}
	if r.Commands.NoLeases {
		return failure.Device.Errorf("interrupted twice, so this chexp leaves at once. What the run has made on %s stays "+
			"there", r.Experiment.Host.Name).
			Advise("`%s` goes on; `%s` brings home what is measured, and removes it", r.Commands.Resume(), r.Commands.End())
	}
	return failure.Cloud.Errorf("interrupted twice, so this chexp leaves at once. The lease %s stays yours%s, with what "+
		"is in it", either(h.Leases), until).
		Advise("`%s` goes on; `%s` brings home what is measured, and gives it back; `%s` gives it back with all that is "+
			"in it", r.Commands.Resume(), r.Commands.End(), r.Commands.DeleteLease(h.Leases[0]))
}

// offer says which runs of this user were cut off and still hold a lease, and what
// to type. What holds nothing any more is forgotten.
func (a *app) offer(c *cli.Context) {
	index, err := working()
	if err != nil {
		return
	}
	runs, _ := index.Runs() // what cannot be read now, gc tells of
	for _, s := range runs {
		entries, err := s.Entries()
		if err != nil || store.InUse(s) {
			continue
		}
		h, held := run.Holds(entries)
		if !held || h.Over(time.Now()) {
			index.Drop(s.ID)
			continue
		}
		until := ""
		if !h.Ends.IsZero() {
			until = " until " + clock.Both(h.Ends)
		}
		lease := "its lease"
		if names := either(h.Leases); names != s.ID {
			lease = "the lease " + words.Printable(names)
		}
		lines := a.commandsFor(c, s)
		if lines.NoLeases {
			lease = "a directory on " + words.Printable(hostOf(s).Name)
		}
		a.warn(fmt.Sprintf("run %s was cut off and holds %s%s: `%s` goes on with it; `%s` brings home what it has "+
			"measured, and gives it back", s.ID, lease, until, lines.Resume(), lines.End()))
	}
}

// offers reports whether a command line is one that runs that were cut off are
// offered before: not one that goes on with one, or ends it.
func offers(args []string) bool {
	return len(args) > 0 && !slices.Contains([]string{"gc", "releaser", "emulator", "version", "help", "h",
		"completion", "man"}, args[0]) &&
		!slices.ContainsFunc(args, func(s string) bool {
			flag, _, _ := strings.Cut(strings.TrimLeft(s, "-"), "=") // -resume is --resume
			return s != flag && slices.Contains([]string{"resume", "h", "help"}, flag)
		})
}
