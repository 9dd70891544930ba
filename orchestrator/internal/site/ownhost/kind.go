package ownhost

import (
	"context"
	"os"
	"os/user"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// Kind is a machine of one's own as the registry of sites has it.
var Kind = site.Kind{
	Name: "ssh",
	Connect: func(_ context.Context, o site.Options) (run.Site, error) {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, failure.Usage.Errorf("where ~/.ssh is cannot be told").Advise("set HOME").Because(err)
		}
		return New(Options{Host: o.Host, Home: home, Agent: os.Getenv("SSH_AUTH_SOCK"), Me: me()})
	},
}

// me is the user's name on this machine, as ssh takes it for the other; "": nobody knows.
func me() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
