package cli

import (
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"
)

// interspersed moves flags before positional arguments, so that `chexp run
// x.yaml --keep` means what people mean: urfave/cli v2 stops reading flags at
// the first positional argument.
func interspersed(root *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	out := args[:1:1]
	flags, commands := root.Flags, root.Commands
	rest := args[1:]
	for {
		var moved, positional []string
		moved, positional, rest = split(flags, rest, len(commands) > 0)
		out = append(out, moved...)
		if len(positional) == 0 || len(commands) == 0 {
			return append(append(out, positional...), rest...)
		}
		next := find(commands, positional[0])
		if next == nil {
			return append(append(out, positional...), rest...)
		}
		out = append(out, positional[0])
		flags, commands = next.Flags, next.Subcommands
	}
}

// split takes the flags and their values off args. With untilCommand it stops
// after the first positional argument, which names a command.
func split(flags []cli.Flag, args []string, untilCommand bool) (moved, positional, rest []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return moved, append(positional, args[i:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			if untilCommand {
				return moved, positional, args[i+1:]
			}
			continue
		}
		moved = append(moved, arg)
		if takesValue(flags, arg) && i+1 < len(args) {
			i++
			moved = append(moved, args[i])
		}
	}
	return moved, positional, nil
}

func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// printable makes text from elsewhere safe for a terminal: control characters,
// and with them escape sequences, become U+FFFD; newlines and tabs stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
