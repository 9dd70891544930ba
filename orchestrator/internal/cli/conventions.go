package cli

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"chexp/experiments/failure"
	"chexp/experiments/words"

	"github.com/urfave/cli/v2"
)

// What every command has by convention: --output and --quiet, a version, shell
// completion, man pages, and the nearest word for one that is misspelt.

// byConvention is what all commands have, and the commands that are expected of any
// program.
type byConvention struct{ *app }

// answerFile is the file that --output names. The answer is written when the
// command has ended, so that a file of before stays whole until there is another.
type answerFile struct {
	path string
	bytes.Buffer
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the answer to this `FILE`"}
}

// takeOutput directs a command's answer to the file that --output names, and sees
// that it can be written before the command does anything.
func (a byConvention) takeOutput(c *cli.Context) error {
	path := c.String("output")
	_, absent := os.Lstat(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return failure.Usage.Errorf("--output %s cannot be written", path).
			Advise("give another file; nothing was created").Because(err)
	}
	f.Close()
	if absent != nil { // a command that fails leaves no empty answer
		os.Remove(path)
	}
	a.answerTo = &answerFile{path: path}
	a.out = a.answerTo
	return nil
}

// putOutput writes the answer where it belongs.
func (a byConvention) putOutput() error {
	if a.answerTo == nil || a.answerTo.Len() == 0 {
		return nil
	}
	if err := putFile(a.answerTo.path, a.answerTo.Bytes()); err != nil {
		return failure.Storage.Errorf("the answer cannot be written to %s", a.answerTo.path).Because(err)
	}
	return nil
}

// agree gives all commands what they have by convention.
func (a byConvention) agree(commands []*cli.Command, above string) {
	for _, c := range commands {
		name := above + c.Name
		c.OnUsageError, c.Before = usageError, checkFlags
		if lookup(c.Flags, "--format") != nil && lookup(c.Flags, "--output") == nil {
			c.Flags = append(c.Flags, outputFlag())
			c.Before = func(c *cli.Context) error {
				if err := checkFlags(c); err != nil || !c.IsSet("output") {
					return err
				}
				return a.takeOutput(c)
			}
		}
		if c.Action == nil {
			c.Action = func(c *cli.Context) error {
				if c.Args().Present() {
					return noCommand(c, name)
				}
				return cli.ShowSubcommandHelp(c)
			}
		}
		a.agree(c.Subcommands, name+" ")
	}
}

// noCommand is about a command that there is not; the nearest is named.
func noCommand(c *cli.Context, above string) error {
	asked := c.Args().First()
	among := c.Command.Subcommands
	what, list := fmt.Sprintf("`chexp %s` has no command %q", above, asked), fmt.Sprintf("`chexp %s --help`", above)
	if above == "" {
		what, list, among = fmt.Sprintf("there is no command %q", asked), "`chexp help`", c.App.Commands
	} else {
		above += " "
	}
	err := failure.Usage.Errorf("%s", what)
	var names []string
	for _, sub := range among {
		if !sub.Hidden {
			names = append(names, sub.Names()...)
		}
	}
	if near := words.Nearest(asked, names); near != "" {
		return err.Advise("perhaps `chexp %s%s`? %s lists them", above, near, list)
	}
	return err.Advise("%s lists them", list)
}

// nearest is the end of a sentence about a word that is none of those that there
// are: what may have been meant.
func nearest(asked string, among []string) string {
	among = slices.Compact(slices.Sorted(slices.Values(among)))
	if near := words.Nearest(asked, among); near != "" {
		return fmt.Sprintf("perhaps %s? There is: %s", words.Printable(near), listed(among))
	}
	return "there is: " + listed(among)
}

// listed names at most a dozen.
func listed(names []string) string {
	const most = 12
	if len(names) == 0 {
		return "nothing"
	}
	if n := len(names); n > most {
		return words.Printable(either(names[:most])) + fmt.Sprintf(", and %d more", n-most)
	}
	return words.Printable(either(names))
}

// versionFlag is the program's --version.
func init() {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	cli.VersionPrinter = func(c *cli.Context) { fmt.Fprintf(c.App.Writer, "chexp %s\n", c.App.Version) }
}
