package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// interspersed moves flags before positional arguments, and those of the
// program before the command, so that `chexp run x.yaml --keep --runs DIR`
// means what people mean: urfave/cli v2 stops reading flags at the first
// positional argument and knows the program's only before the command.
func interspersed(root *cli.App, args []string) []string {
	if len(args) < 2 || args[len(args)-1] == completing {
		return args
	}
	var global, out []string
	flags, commands := root.Flags, root.Commands
	rest := args[1:]
	for {
		var positional []string
		global, out, positional, rest = split(root.Flags, flags, rest, len(commands) > 0, global, out)
		out = append(out, positional...)
		if len(positional) == 0 || len(commands) == 0 {
			break
		}
		next := find(commands, positional[0])
		if next == nil {
			break
		}
		flags, commands = next.Flags, next.Subcommands
	}
	return append(append(append(args[:1:1], global...), out...), rest...)
}

// split takes the flags and their values off args. With untilCommand it stops
// after the first positional argument, which names a command.
func split(
	program, flags []cli.Flag, args []string, untilCommand bool, global, own []string,
) (g, o, positional, rest []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return global, own, append(positional, args[i:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			if untilCommand {
				return global, own, positional, args[i+1:]
			}
			continue
		}
		f, to := lookup(flags, arg), &own
		if f == nil {
			if f = lookup(program, arg); f != nil {
				to = &global
			}
		}
		*to = append(*to, arg)
		if takesValue(f, arg) && i+1 < len(args) {
			i++
			*to = append(*to, args[i])
		}
	}
	return global, own, positional, nil
}

func lookup(flags []cli.Flag, arg string) cli.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag, arg string) bool {
	_, isBool := f.(*cli.BoolFlag)
	return f != nil && !isBool && !strings.Contains(arg, "=")
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
