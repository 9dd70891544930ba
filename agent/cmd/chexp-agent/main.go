package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"chexp/agent/internal/bundle"
	"chexp/agent/internal/outdir"
	"chexp/agent/internal/payload"
	"chexp/experiments/trial"
)

// version is stamped by the build: -ldflags "-X main.version=…".
var version = "dev"

// Exit codes.
const (
	exitOK = iota
	exitUnexpected
	exitUsage
	exitTrials
	exitBundle
)

const usage = `usage:
  chexp-agent start DIR [--for D]
  chexp-agent status DIR [--since N] [--max-bytes B]
  chexp-agent stop DIR [--wait D] [--why TEXT]
  chexp-agent run DIR
  chexp-agent infer
  chexp-agent try
  chexp-agent version [--json]
exit codes: 0 ok, 1 unexpected, 2 wrong arguments, 3 some trials failed (run), 4 the bundle is not what was pushed
`

func main() {
	code, err := dispatch(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chexp-agent:", outdir.Named(err))
	}
	os.Exit(code)
}

// usageError is an error about arguments.
type usageError struct{ error }

func dispatch(args []string, stdout io.Writer) (int, error) {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("chexp-agent "+verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var code int
	var err error
	switch verb {
	case "start":
		limit := flags.Duration("for", 0, "")
		err = withDir(flags, args, func(dir string) error { return start(dir, *limit, stdout) })
	case "status":
		since := flags.Int64("since", 0, "")
		maxBytes := flags.Int("max-bytes", 64<<10, "")
		err = withDir(flags, args, func(dir string) error { return printStatus(stdout, dir, *since, *maxBytes) })
	case "stop":
		wait := flags.Duration("wait", 4*time.Second, "")
		why := flags.String("why", "interrupted", "")
		err = withDir(flags, args, func(dir string) error { return stop(dir, *why, *wait, stdout) })
	case "run":
		err = withDir(flags, args, func(dir string) (err error) { code, err = runForeground(dir, stdout); return err })
	case superviseVerb:
		err = withDir(flags, args, superviseDetached)
	case "infer", "try":
		if _, err = parse(flags, args, 0); err == nil {
			err = runAs("-" + verb)
		}
	case "version":
		asJSON := flags.Bool("json", false, "")
		if _, err = parse(flags, args, 0); err == nil {
			err = printVersion(stdout, *asJSON)
		}
	case "help", "-h", "--help":
		_, err = io.WriteString(stdout, usage)
	default:
		err = usageError{fmt.Errorf("unknown verb %q\n%s", verb, usage)}
	}
	return exitCode(code, err), err
}

func exitCode(code int, err error) int {
	var badUsage usageError
	var badBundle *bundle.Error
	switch {
	case err == nil:
		return code
	case errors.As(err, &badUsage):
		return exitUsage
	case errors.As(err, &badBundle):
		return exitBundle
	default:
		return exitUnexpected
	}
}

// parse lets flags stand before and after the n positional arguments.
func parse(flags *flag.FlagSet, args []string, n int) ([]string, error) {
	var positional []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, usageError{fmt.Errorf("%w\n%s", err, usage)}
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		positional, args = append(positional, args[0]), args[1:]
	}
	if len(positional) != n {
		return nil, usageError{fmt.Errorf("%s takes %d argument(s), got %q\n%s", flags.Name(), n, positional, usage)}
	}
	return positional, nil
}

func withDir(flags *flag.FlagSet, args []string, f func(dir string) error) error {
	positional, err := parse(flags, args, 1)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(positional[0])
	if err != nil {
		return err
	}
	return f(dir)
}

func printStatus(w io.Writer, dir string, since int64, maxBytes int) error {
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	reply, err := outdir.Status(dir, since, maxBytes)
	if err != nil {
		return err
	}
	return reply.Write(w)
}

// printState prints the state without events: the answer of start and stop.
func printState(w io.Writer, dir string) error {
	reply, err := outdir.Status(dir, 0, 0)
	if err != nil {
		return err
	}
	reply.More = len(reply.Events) > 0
	reply.Events = nil
	return reply.Write(w)
}

// stop asks the supervisor to end and waits for it, for a bounded time.
func stop(dir, why string, wait time.Duration, stdout io.Writer) error {
	held, err := outdir.Held(dir)
	if err != nil {
		return err
	}
	if held {
		if err := outdir.RequestStop(dir, why); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(wait); held && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
		if held, err = outdir.Held(dir); err != nil {
			return err
		}
	}
	if err := printState(stdout, dir); err != nil {
		return err
	}
	if held {
		return fmt.Errorf("the run has not stopped within %v; it will, ask again", wait)
	}
	return nil
}

// versionInfo is what `version --json` prints.
type versionInfo struct {
	trial.Agent
	Runtime trial.Runtime `json:"runtime"`
	Payload string        `json:"payload"`
}

func printVersion(w io.Writer, asJSON bool) error {
	info := versionInfo{Agent: trial.Agent{Version: version, OS: runtime.GOOS, Arch: runtime.GOARCH}}
	self, err := payload.Self()
	if err != nil {
		return err
	}
	p, err := payload.Open(self)
	if err == nil {
		defer p.Close()
		info.Runtime, info.Payload = p.Header.Runtime, p.Header.ID
	} else if !errors.Is(err, payload.ErrNone) {
		return err
	}
	if asJSON {
		return json.NewEncoder(w).Encode(info)
	}
	_, err = fmt.Fprintf(w, "chexp-agent %s %s/%s, %s %s (%s)\n", info.Version, info.OS, info.Arch,
		info.Runtime.Name, info.Runtime.Version, strings.Join(info.Runtime.Providers, ", "))
	return err
}
