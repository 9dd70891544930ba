// Package site says what a site is: a place where an experiment can run. Each
// site is a package below this one and gives a [Kind]; the command line has the
// list of them, and knows no site by name. What a site takes from an experiment
// file is a line of [spec.Sites], under the same name.
//
// A site that lends devices is a [Cloud], for the commands about leases and
// devices. The types here are what such sites have in common.
package site

import (
	"context"
	"slices"
	"time"

	"chexp/experiments/spec"
	"chexp/orchestrator/internal/run"
)

// Kind is a kind of site: its name, and how to reach one.
type Kind struct {
	Name       string // as in spec.Sites
	Rehearsals bool   // the emulator can stand in for it
	Connect    func(context.Context, Options) (run.Site, error)
}

// Options say how to reach a site. A site leaves alone what it has no use for.
type Options struct {
	CloudsFile string // a clouds.yaml; "" looks for one in the usual places
	Cloud      string // the entry in it; "" is OS_CLOUD, or the only entry there is

	Host spec.Host // the machine that the experiment names

	// Commands writes the command lines that advice consists of.
	Commands run.Commands

	CacheDir  string        // for work on this machine
	PullGrace time.Duration // how long an image may look impossible to pull; 0 is the site's own

	// Notice is told, in a sentence, before a request is sent again because
	// the service was away for a moment; nil: nobody is.
	Notice func(string)
}

// Registry lists the kinds of sites there are.
type Registry []Kind

// Named returns the kind of this name.
func (r Registry) Named(name string) (Kind, bool) {
	i := slices.IndexFunc(r, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return r[i], true
}
