package cli

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
	"unicode"

	"chexp/experiments/spec"

	"github.com/urfave/cli/v2"
)

// Every flag's value is judged before a command does anything, so that exit code
// 2 always means that nothing was created. A flag carries its own rule (its
// Action), which says what is wrong with the value after the flag's name;
// [checkFlags] asks all of them, so that every problem is told at once.

// checkFlags runs before a command.
func checkFlags(c *cli.Context) error {
	var problems []string
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if rule, ok := f.(cli.ActionableFlag); ok && c.IsSet(name) {
			if err := rule.RunAction(c); err != nil {
				problems = append(problems, fmt.Sprintf("--%s %s", name, err))
			}
		}
	}
	return usage(problems, fmt.Sprintf("`%s --help`; nothing was created", c.Command.HelpName))
}

// text makes the rule of a flag that is text.
func text(rule func(string) error) func(*cli.Context, string) error {
	return func(_ *cli.Context, s string) error { return rule(s) }
}

// oneOf allows some words.
func oneOf(allowed ...string) func(*cli.Context, string) error {
	return text(func(s string) error {
		if slices.Contains(allowed, s) {
			return nil
		}
		return fmt.Errorf("is %q; it takes %s", s, either(allowed))
	})
}

// either is "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// aName allows what a service can have as a name: printable, in one line, not
// too long.
func aName(most int) func(*cli.Context, string) error {
	return text(func(s string) error {
		switch {
		case s == "": // an unset variable, most likely: what it was to name is not guessed
			return fmt.Errorf("is empty: give a name, or leave the flag out")
		case strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
			return fmt.Errorf("is %q: a name is printable text in one line, without blanks around it", s)
		case len(s) > most:
			return fmt.Errorf("is longer than %d characters", most)
		}
		return nil
	})
}

// longName bounds names that the services choose.
const longName = 255

// atLeast allows durations from least on.
func atLeast(least time.Duration) func(*cli.Context, time.Duration) error {
	return func(_ *cli.Context, d time.Duration) error {
		if d < least {
			return fmt.Errorf("is %s; it must be %s or more", d, least)
		}
		return nil
	}
}

// between allows whole numbers.
func between(least, most int) func(*cli.Context, int) error {
	return func(_ *cli.Context, n int) error {
		if n < least || n > most {
			return fmt.Errorf("is %d; it takes %d to %d", n, least, most)
		}
		return nil
	}
}

// loopback allows addresses of this machine alone.
func loopback(s string) error {
	host, _, err := net.SplitHostPort(s)
	if err != nil || !spec.Loopback(host) {
		return fmt.Errorf("is %q; it takes a loopback address with a port, such as 127.0.0.1:0", s)
	}
	return nil
}

// checkTimes refuses flags that leave nothing of the lease that the experiment
// asks for.
func checkTimes(c *cli.Context, e *spec.Experiment) error {
	lease := e.Lease.Duration
	if !e.SiteKind().Leases || lease <= 0 {
		return nil
	}
	var problems []string
	for _, name := range []string{"fetch-time", "pull-grace"} {
		if d := c.Duration(name); c.IsSet(name) && d >= lease {
			problems = append(problems, fmt.Sprintf("--%s is %s, and the lease lasts %s: nothing could be measured",
				name, d, lease))
		}
	}
	return usage(problems, "give a shorter time, or the lease a longer duration; nothing was created")
}
