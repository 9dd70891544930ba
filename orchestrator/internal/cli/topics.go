package cli

import (
	"embed"
	"fmt"
	"strings"

	"chexp/experiments/failure"

	"github.com/urfave/cli/v2"
)

//go:embed help/*.txt
var topicTexts embed.FS

// topics are the pages of help that belong to no command, with what they are about.
var topics = []struct{ name, about string }{
	{"environment", "every variable that chexp reads, and every path that it uses"},
	{"exit-codes", "what the numbers mean that chexp ends with"},
	{"sign-in", "where credentials are looked for, and which win"},
	{"times", "how times and lengths are written"},
}

func topicNames() (names []string) {
	for _, t := range topics {
		names = append(names, t.name)
	}
	return names
}

// topic is the text of one, false if there is no such.
func topic(name string) (string, bool) {
	switch name {
	case "topics":
		var b strings.Builder
		fmt.Fprintln(&b, "Pages of help besides those of the commands; `chexp help NAME` prints one:")
		for _, t := range topics {
			fmt.Fprintf(&b, "  %-12s %s\n", t.name, t.about)
		}
		return b.String(), true
	case "exit-codes":
		return "Exit codes\n\n" + exitCodes + "\n", true
	}
	text, err := topicTexts.ReadFile("help/" + name + ".txt")
	return string(text), err == nil
}

// helpCommand is the program's `help`: of commands, and of topics.
func (a byConvention) helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Aliases: []string{"h"}, ArgsUsage: "[COMMAND… | TOPIC]",
		Usage: "explain a command or a topic; `chexp help topics` lists those",
		Action: func(c *cli.Context) error {
			args := c.Args().Slice()
			if len(args) == 0 {
				return cli.ShowAppHelp(c)
			}
			if text, ok := topic(args[0]); ok && len(args) == 1 {
				_, err := fmt.Fprint(a.out, text)
				return err
			}
			return commandHelp(c, args)
		},
	}
}

// commandHelp prints the help of `chexp A B`.
func commandHelp(c *cli.Context, path []string) error {
	commands, above := c.App.Commands, ""
	for i, name := range path {
		next := find(commands, name)
		if next == nil {
			names := topicNames()
			for _, sub := range commands {
				if !sub.Hidden {
					names = append(names, sub.Name)
				}
			}
			if i > 0 {
				names = names[len(topics):]
			}
			return failure.Usage.Errorf("there is no command or topic %q", strings.Join(path[:i+1], " ")).
				Advise("%s", nearest(name, names))
		}
		commands, above = next.Subcommands, strings.TrimSpace(above+" "+name)
	}
	return c.App.RunContext(c.Context, append(append([]string{c.App.Name}, path...), "--help"))
}
