package cli

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/site/baremetal"
	"chexp/orchestrator/internal/site/chiedge"
	"chexp/orchestrator/internal/site/local"
	"chexp/orchestrator/internal/site/ownhost"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// sites are the places where an experiment can run. What each takes from the
// experiment's file stands in [spec.Sites].
var sites = site.Registry{chiedge.Kind, baremetal.UC, baremetal.TACC, local.Kind, ownhost.Kind}

// siteOptions is how to reach a site, as the flags and the environment say.
func (a *app) siteOptions(c *cli.Context) site.Options {
	return site.Options{
		Cloud: c.String("os-cloud"), PullGrace: c.Duration("pull-grace"), Commands: a.commands(c),
	}
}

// connect reaches the site of this name, and says what to beware of.
func (a *app) connect(ctx context.Context, name string, o site.Options) (run.Site, error) {
	kind, ok := sites.Named(name)
	if !ok {
		return nil, failure.Usage.Errorf("this chexp cannot reach the site %s", name).
			Advise("it may be too old for the run or the experiment")
	}
	var err error
	if o.CacheDir, err = cacheDir(); err != nil {
		return nil, err
	}
	if o.Notice == nil {
		o.Notice = func(text string) { fmt.Fprintf(a.err, "  %s\n", words.Printable(text)) }
	}
	s, err := kind.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	if cloud, ok := s.(site.Cloud); ok {
		for _, w := range cloud.Warnings() {
			a.warned[w] = true // a run says it once, too
			if kind := digits.ReplaceAllString(w, "0"); !a.warned[kind] {
				a.warned[kind] = true
				a.warn(w)
			}
		}
	}
	return s, nil
}

// digits are what differs between two tellings of a warning: by how many seconds a clock
// is off, or in how many minutes something ends.
var digits = regexp.MustCompile(`[0-9]+`)

// connectOwn is connect to the site of a run that goes on. It refuses an account in
// whose lists its lease and container cannot stand. The cloud of a rehearsal ended
// with it: there is nothing to confuse.
func (a *app) connectOwn(ctx context.Context, r *run.Run, o site.Options) (run.Site, error) {
	o.Commands, o.Host = r.Commands, r.Experiment.Host
	s, err := a.connect(ctx, r.Experiment.Site, o)
	if err != nil || isRehearsal(r.Store) {
		return s, err
	}
	if err := r.CheckOwner(s); err != nil {
		return s, err
	}
	if unknown := r.OwnerUnknown(s); unknown != "" {
		a.warn(unknown)
	}
	return s, nil
}

// lendingSites names the sites that lend devices, the default one first.
func lendingSites() (names []string) {
	for _, kind := range spec.Sites {
		if kind.Leases {
			names = append(names, kind.Name)
		}
	}
	return names
}

// siteFlag says which site's devices and leases a command is about.
func siteFlag() cli.Flag {
	return &cli.StringFlag{Name: "site", Usage: "of this `SITE`: " + strings.Join(lendingSites(), ", ") +
		"; by default the first", Action: oneOf(lendingSites()...)}
}

// siteWord is what commands about leases and devices name this site by: nothing, if they
// are about it by themselves.
func siteWord(kind spec.SiteKind) string {
	if !kind.Leases || kind.Name == lendingSites()[0] {
		return ""
	}
	return kind.Name
}

// siteNamedBy is the site that --site names.
func siteNamedBy(c *cli.Context) spec.SiteKind {
	kind, _ := spec.SiteNamed(cmp.Or(c.String("site"), lendingSites()[0]))
	return kind
}

// connectCloud signs in to the site whose devices and leases the command is about.
func (a *app) connectCloud(c *cli.Context) (site.Cloud, error) {
	return connectCloudAt(a, c, siteNamedBy(c).Name, "")
}

// connectCloudAt signs in to a site, with this entry of clouds.yaml; "": the user's.
func connectCloudAt(a *app, c *cli.Context, name, entry string) (site.Cloud, error) {
	o := a.siteOptions(c)
	o.Cloud = cmp.Or(entry, o.Cloud)
	s, err := a.connect(c.Context, name, o)
	if err != nil {
		return nil, err
	}
	cloud, ok := s.(site.Cloud)
	if !ok {
		return nil, failure.Unexpected.Errorf("site %s lends no devices", name)
	}
	return cloud, nil
}

// hostOf is the machine of a run, as its first attempt's facts tell it: for one whose
// experiment cannot be read any more.
func hostOf(s *store.Run) spec.Host {
	facts, err := run.ReadFacts(s, 1)
	if err != nil {
		return spec.Host{}
	}
	return ownhost.DescribedHost(facts[0].Site)
}

// archOf is the processor architecture to plan for. The container is asked
// before anything is pushed.
func (a *app) archOf(e *spec.Experiment) string {
	return cmp.Or(a.deviceArch, e.SiteKind().Arch, runtime.GOARCH)
}
