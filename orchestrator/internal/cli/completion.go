package cli

import (
	_ "embed"
	"fmt"
	"slices"

	"chexp/experiments/failure"

	"github.com/urfave/cli/v2"
)

// completing is the last argument by which a shell asks for words.
const completing = "--generate-bash-completion"

//go:embed help/completion.bash
var completionBash string

//go:embed help/completion.zsh
var completionZsh string

//go:embed help/completion.ps1
var completionPowerShell string

var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a byConvention) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the completion of a shell: " + either(shells), ArgsUsage: "SHELL",
		Description: "bash:        source <(chexp completion bash), in ~/.bashrc to keep it\n" +
			"zsh:         chexp completion zsh >\"${fpath[1]}/_chexp\"\n" +
			"fish:        chexp completion fish >~/.config/fish/completions/chexp.fish\n" +
			"PowerShell:  chexp completion powershell | Out-String | Invoke-Expression, in $PROFILE to keep it",
		Action: func(c *cli.Context) error {
			shell, err := argument(c, either(shells))
			if err != nil {
				return err
			}
			text, err := completionOf(c.App, shell)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.out, text)
			return err
		},
	}
}

func completionOf(root *cli.App, shell string) (string, error) {
	switch shell {
	case "bash":
		return completionBash, nil
	case "zsh":
		return completionZsh, nil
	case "fish":
		return root.ToFishCompletion()
	case "powershell", "pwsh":
		return completionPowerShell, nil
	}
	return "", failure.Usage.Errorf("there is no completion for %q", shell).Advise("%s", nearest(shell, shells))
}

// manCommand prints the man page, which is made of all commands' help.
func (a byConvention) manCommand() *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "print chexp's man page: chexp man | man -l -",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			shown := *c.App
			shown.Commands = slices.DeleteFunc(slices.Clone(c.App.Commands), func(c *cli.Command) bool { return c.Hidden })
			page, err := shown.ToManWithSection(1)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.out, page)
			return err
		},
	}
}
