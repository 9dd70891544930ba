package run

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"chexp/orchestrator/internal/transport"
)

// Commands writes the command lines that an advice about a run consists of. They
// are quoted for a shell and work when pasted where chexp was called.
type Commands struct {
	Program string   // as the user called it, such as "bin/chexp"; "": chexp
	Run     string   // names the run: its id, or the path of its directory; "": RUN stands for it
	Flags   []string // of the program, which the user gave: "--runs", "my runs"
	// NoLeases says that the run's site has none: what it holds is given back by [Commands.End].
	NoLeases bool
	// Site is what the commands about leases and devices name with --site; "": nothing, as
	// it is the one that they are about by themselves.
	Site string
}

// Line writes one command line of chexp.
func (c Commands) Line(args ...string) string {
	if c.Site != "" && len(args) > 0 && slices.Contains([]string{"lease", "device", "doctor"}, args[0]) {
		args = slices.Concat(args, []string{"--site", c.Site})
	}
	return transport.Quote(slices.Concat([]string{cmp.Or(c.Program, "chexp")}, args, c.Flags))
}

// Resume is the command that goes on with the run, and gives back what it holds.
func (c Commands) Resume() string { return c.Line("run", "--resume", c.run()) }

// Anywhere are the commands as they work in whichever directory: dir is the run's own.
func (c Commands) Anywhere(dir string) Commands {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return c
	}
	c.Run = abs
	if strings.ContainsRune(c.Program, filepath.Separator) {
		if program, err := filepath.Abs(c.Program); err == nil {
			c.Program = program
		}
	}
	if i := slices.Index(c.Flags, "--runs"); i >= 0 && i+2 <= len(c.Flags) { // the path says it
		c.Flags = slices.Delete(slices.Clone(c.Flags), i, i+2)
	}
	return c
}

// End is the command that ends the run: what it has measured comes home, and what
// it holds is given back.
func (c Commands) End() string { return c.Line("gc", "--yes", c.run()) }

func (c Commands) run() string { return cmp.Or(c.Run, "RUN") }

// Fetch is the command that brings home what the device has, or what lies in
// the directory that flags name: "--from", dir.
func (c Commands) Fetch(flags ...string) string {
	return c.Line(append([]string{"results", "fetch", c.run()}, flags...)...)
}

// ofPart are the commands about what one device of a run with several has.
func (r *Run) ofPart() Commands {
	c := r.Commands
	if slot := r.Store.Slot(); slot > 0 {
		c.Run = fmt.Sprintf("%s/%d", c.run(), slot)
	}
	return c
}

// Show is the command that prints the run's results.
func (c Commands) Show() string { return c.Line("results", "show", c.run()) }

// DeleteLease is the command that gives a lease back by its name or id and, where there
// are none, what the run has instead.
func (c Commands) DeleteLease(lease string) string {
	if c.NoLeases {
		return c.End()
	}
	return c.Line("lease", "delete", lease)
}
