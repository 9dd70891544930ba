// Package cli is the command line: one type per noun, and the one place where
// the concrete types meet. stdout carries the answer and nothing else (with
// `-f json`, one JSON document); progress, warnings and errors go to stderr.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/seal"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// app is what all commands share. The commands about one noun are the methods of
// that noun's own type, such as [leaseVerbs], which holds the app.
type app struct {
	version  string
	program  string // as the user called it
	out, err io.Writer
	// cleanup outlives the command's context: the first signal ends the command's,
	// the second ends this one.
	cleanup context.Context
	warned  map[string]bool // the warnings that were printed at the sign-in
	// deviceArch is the architecture of the emulator's devices, or that a machine of
	// the user's own has told; empty: the site's.
	deviceArch string
	quiet      bool        // no progress
	showing    string      // --progress
	system     string      // of several that are measured side by side
	answerTo   *answerFile // what --output names; nil: stdout

	work *seal.Before // how the run was that this process works in; nil: in none
}

// Main runs one command line and returns the exit code (see exitCodes).
func Main(version string, args []string, in io.Reader, out, errw io.Writer) int {
	ctx, cleanup, done := signals(errw)
	defer done()
	a := &app{version: version, program: args[0], out: out, err: errw, cleanup: cleanup, warned: map[string]bool{}}
	root := a.root()
	root.Reader, root.Writer, root.ErrWriter = in, out, errw
	err := root.RunContext(ctx, interspersed(root, args))
	return a.explain(errors.Join(err, byConvention{a}.putOutput()))
}

// runsDir is where runs lie unless --runs or CHEXP_RUNS says otherwise.
const runsDir = "runs"

func (a *app) root() *cli.App {
	root := &cli.App{
		Name:    "chexp",
		Usage:   "from one YAML file to measured latencies on a reserved device, and back",
		Version: a.version,
		Description: "A first look, on this machine alone:\n   chexp rehearse experiments/quickstart.yaml\n\n" +
			"`chexp help topics` lists pages about variables and paths, signing in, and times.\n\nExit codes:\n" +
			exitCodes,
		EnableBashCompletion:   true,
		UseShortOptionHandling: true,
		ExitErrHandler:         func(*cli.Context, error) {}, // the library would exit by itself
		OnUsageError:           usageError,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "runs", Value: runsDir, EnvVars: []string{"CHEXP_RUNS"},
				Usage: "directory that holds the runs"},
			&cli.StringFlag{Name: "os-cloud", EnvVars: []string{"OS_CLOUD"},
				Usage: "entry of clouds.yaml to sign in with"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Destination: &a.quiet,
				Usage: "show no progress on stderr; warnings and errors stay"},
		},
		Commands: []*cli.Command{
			initVerb{a}.initCommand(), runVerbs{a}.runCommand(), runVerbs{a}.rehearseCommand(), runVerbs{a}.replayCommand(),
			experimentVerbs{a}.experimentCommand(),
			resultsVerbs{a}.resultsCommand(), leaseVerbs{a}.leaseCommand(), deviceVerbs{a}.deviceCommand(),
			modelVerbs{a}.modelCommand(), doctorVerb{a}.doctorCommand(), emulatorVerb{a}.emulatorCommand(),
			gcVerb{a}.gcCommand(), gcVerb{a}.releaserCommand(),
			a.versionCommand(), byConvention{a}.completionCommand(), byConvention{a}.manCommand(),
			byConvention{a}.helpCommand(),
		},
		Before: func(c *cli.Context) error {
			if offers(c.Args().Slice()) {
				a.offer(c)
				offerMade(a)
			}
			return nil
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return noCommand(c, "")
			}
			return cli.ShowAppHelp(c)
		},
	}
	byConvention{a}.agree(root.Commands, "")
	return root
}

// exitCodes is the documented table; the numbers are failure.Kind's.
const exitCodes = `   0    all went well
   1    unexpected error
   2    bad arguments or experiment file; nothing was created
   3    the run is complete, but a trial failed or was interrupted (or the lease ended before the last trial)
   4    could not sign in, or the credential may not do this
   5    no device is free
   6    the cloud failed: lease in ERROR, container in Error, image not pulled, something not given back
   7    the device failed: transfer, agent, container vanished
   8    this machine's disk: full, not writable, or a run's files are damaged
   9    another chexp uses the run, or it can't be resumed
   130  interrupted; what had begun has been given back, a booking for later stays`

// unread reports whether an error is only that nobody reads stdout any more, as
// behind `| head`, or on a terminal that was closed.
func unread(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && p.Path == os.Stdout.Name() &&
		(errors.Is(p, syscall.EPIPE) || errors.Is(p, syscall.EIO))
}

// explain prints an error for people and returns the exit code.
func (a *app) explain(err error) int {
	if err == nil {
		return 0
	}
	if unread(err) {
		return 128 + int(syscall.SIGPIPE)
	}
	kind := failure.KindOf(err)
	if errors.Is(err, context.Canceled) && kind == failure.Unexpected {
		kind = failure.Interrupted
	}
	fmt.Fprintf(a.err, "chexp: %s\n", words.Printable(err.Error()))
	said := map[string]bool{}
	for _, next := range failure.Advice(err) {
		if said[next] {
			continue
		}
		said[next] = true
		fmt.Fprintf(a.err, "  what to do: %s\n", words.Printable(a.typed(next)))
	}
	return int(kind)
}

// typed writes the commands in an advice as this program was called, such as
// bin/chexp: they work when pasted.
func (a *app) typed(advice string) string {
	return strings.ReplaceAll(advice, "`chexp ", "`"+run.Commands{Program: a.program}.Line()+" ")
}

var wrongFlag = regexp.MustCompile(`^invalid value (".*") for flag -(\S+): parse error$`)

func usageError(c *cli.Context, err error, _ bool) error {
	// The library's words for a wrong length of time are "parse error".
	if m := wrongFlag.FindStringSubmatch(err.Error()); m != nil {
		for _, f := range c.Command.Flags {
			if _, ok := f.(*cli.DurationFlag); ok && slices.Contains(f.Names(), m[2]) {
				return failure.Usage.Errorf("--%s is %s, which is no length of time, such as 90s, 30m or 2h", m[2], m[1]).
					Advise("`%s --help`; nothing was created", c.Command.HelpName)
			}
		}
	}
	return failure.Usage.Wrap(err).
		Advise("`chexp help` and `chexp COMMAND --help` show what there is; nothing was created")
}

// argument returns the only positional argument.
func argument(c *cli.Context, what string) (string, error) {
	if c.NArg() != 1 {
		return "", failure.Usage.Errorf("`%s` takes one argument, %s; it got %d", c.Command.HelpName, what, c.NArg()).
			Advise("`%s --help`", c.Command.HelpName)
	}
	return c.Args().First(), nil
}

func noArguments(c *cli.Context) error {
	if c.NArg() != 0 {
		return failure.Usage.Errorf("`%s` takes no argument; it got %q", c.Command.HelpName, c.Args().First()).
			Advise("`%s --help`", c.Command.HelpName)
	}
	return nil
}

// runs is the directory of the runs.
func (a *app) runs(c *cli.Context) *store.Root { return store.At(c.String("runs")) }

// open finds a run by its name; see [store.Root.Open].
func (a *app) open(c *cli.Context, name string) (*store.Run, error) {
	s, err := a.runs(c).Open(name)
	var f *failure.Error
	if errors.As(err, &f) && f.Next == "" {
		f.Advise("`%s` shows the runs", a.commands(c).Line("results", "list"))
	}
	return s, err
}

// commands writes command lines with the flags of the program that the user
// gave: what they lead to is found again by them only.
func (a *app) commands(c *cli.Context) run.Commands {
	lines := run.Commands{Program: a.program}
	if dir := c.String("runs"); dir != runsDir {
		lines.Flags = append(lines.Flags, "--runs", dir)
	}
	if cloud := c.String("os-cloud"); cloud != os.Getenv("OS_CLOUD") {
		lines.Flags = append(lines.Flags, "--os-cloud", cloud)
	}
	if c.String("site") != "" {
		lines.Site = siteWord(siteNamedBy(c))
	}
	return lines
}

// commandsFor is commands about a run. One that does not lie where --runs says
// is named by its directory.
func (a *app) commandsFor(c *cli.Context, s *store.Run) run.Commands {
	lines := a.commands(c)
	s = s.Whole()
	lines.Run = s.ID
	usual, err := filepath.Abs(filepath.Join(c.String("runs"), s.ID))
	if dir, err2 := filepath.Abs(s.Dir); err == nil && err2 == nil && dir != usual {
		lines.Run = dir
	}
	if entries, err := s.Entries(); err == nil {
		kind := siteOf(entries)
		lines.NoLeases, lines.Site = !kind.Leases, siteWord(kind)
	}
	return lines
}

// cacheDir is where downloads and generated models are kept.
func cacheDir() (string, error) {
	if dir := os.Getenv("CHEXP_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", failure.Storage.Errorf("there is no cache directory").
			Advise("set CHEXP_CACHE or HOME").Because(err)
	}
	return filepath.Join(dir, "chexp"), nil
}

// warn says what the user should know although it is no error.
func (a *app) warn(text string) { fmt.Fprintf(a.err, "! %s\n", words.Printable(text)) }
