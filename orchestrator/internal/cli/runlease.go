package cli

import (
	"errors"
	"fmt"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"

	"github.com/urfave/cli/v2"
)

// leaseChoiceFlags are those of `chexp run` about its lease.
func leaseChoiceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "lease", Usage: "use this lease of yours, an `ID|NAME`, and leave it at the end; " + newLease +
			" makes one even if an idle one of yours fits", Action: aName(longName)},
		&cli.BoolFlag{Name: "release", Usage: "give the lease back at the end also where the run did not make it, " +
			"or is interrupted while results are not home"},
		&cli.StringFlag{Name: "at", Usage: "book a lease and begin at this `TIME`: next (the first time a device is free " +
			"so long), " + timeForms, Action: text(startTime)},
		&cli.BoolFlag{Name: "exact", Usage: "end a new lease after exactly lease.duration, not at HH:55 or HH:50"},
		&cli.DurationFlag{Name: "wait", Usage: "wait up to `SO-LONG` for a device to become free, such as 2h",
			Action: atLeast(time.Second)},
	}
}

// chooseLease gives a run to a cloud its [chooser]. What can be refused, or chosen,
// is so before anything is made.
func (a runVerbs) chooseLease(c *cli.Context, cfg *run.Config, e *spec.Experiment, plan *trial.Plan, obs *progress,
	command ...string) error {
	cloud, ok := cfg.Site.(site.Cloud)
	if !ok || !e.SiteKind().Leases || cfg.Until == run.PhasePlan {
		return nil
	}
	if images, ok := cfg.Site.(site.Images); ok && c.String("resume") == "" {
		name, _ := e.RunsIn()
		if err := images.CheckImage(c.Context, name); err != nil {
			return err
		}
	}
	k := &chooser{
		named: c.String("lease"), tail: cfg.Patience.LeaseTail, command: command, wait: c.Duration("wait"),
		note:    func(text string) { obs.line("  %-10s %s", run.PhaseLease, text) },
		release: c.Bool("release"),
		maker:   func(l site.Lease) string { return makerOf(l, a.runs(c)) },
	}
	k.least, k.most = spec.EstimateTime(plan)
	if k.named == "" && e.Lease.Name != "" {
		k.named, k.fromFile = e.Lease.Name, true
	}
	var err error
	k.placer = placer{
		cloud: cloud, several: e.Lease.Count() > 1 || e.Lease.AllFree, lines: a.commands(c), say: obs.Say, warn: obs.Warn,
	}
	if k.want, err = runWants(c, e, min(k.most+aroundOf(e.SiteKind()), e.Lease.Duration), cloud.Now()); err != nil {
		return err
	}
	cfg.Choose, cfg.Release = k.choose, k.release
	cfg.Vacant = k.vacant
	if c.String("resume") != "" {
		return nil // it may have its lease, and want fewer devices than the file
	}
	if k.several {
		k.want.Devices, k.want.AllFree, k.want.Boards = e.Lease.Count(), e.Lease.AllFree, e.Lease.Boards
	}
	patience := k.wait
	k.wait = 0
	choice, err := k.choose(c.Context, nil)
	k.wait = patience
	if err == nil {
		k.early = &choice
		return nil
	}
	if _, some := k.whoHasIt(c.Context); patience == 0 || !some || failure.KindOf(err) != failure.Capacity {
		return err
	}
	return nil
}

// runWants is the lease that a run makes where it uses none: the file's, as the
// flags change it. It lasts at least so long, whatever the manners.
func runWants(c *cli.Context, e *spec.Experiment, least time.Duration, now time.Time) (leaseWanted, error) {
	w := leaseWanted{length: e.Lease.Duration, exact: c.Bool("exact"), least: least, next: e.Lease.Next,
		kind: e.SiteKind()}
	w.MachineName, w.DeviceName, w.DeviceUID = e.Lease.MachineName, e.Lease.Device, e.Lease.UID
	w.Start = e.Lease.Start
	if at := c.String("at"); at != "" {
		if w.next = at == "next"; !w.next {
			start, err := parseTime(at, now)
			if err == nil && !start.IsZero() && start.Before(now.Truncate(time.Minute)) {
				err = fmt.Errorf("is %s, which has passed", clock.Both(start))
			}
			if err != nil {
				return w, failure.Usage.Errorf("--at %s", err.Error()).Advise("nothing was created")
			}
			w.Start = start
		}
	}
	if w.next || !w.Start.After(now) {
		w.Start = time.Time{}
	}
	w.End = w.end(site.Later(w.Start, now))
	return w, nil
}

// checkLeaseFlags refuses flags that contradict each other or the file.
func checkLeaseFlags(c *cli.Context, e *spec.Experiment) error {
	given := func(name string) bool { return c.IsSet(name) }
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, name := range []string{"lease", "release", "at", "wait", "exact"} {
		if given(name) && !e.SiteKind().Leases {
			problem("--%s makes no sense with site %s, which has no leases", name, e.Site)
		}
	}
	named := given("lease") && c.String("lease") != newLease
	for _, name := range []string{"at", "wait", "exact"} {
		if named && given(name) {
			problem("--%s is about a lease to be made, --lease about one that exists", name)
		}
	}
	for _, two := range [][2]string{{"keep", "release"}, {"until", "release"}, {"detach", "release"},
		{"detach", "until"}} {
		if given(two[0]) && given(two[1]) {
			problem("--%s contradicts --%s: give one of them", two[1], two[0])
		}
	}
	if given("at") && given("wait") {
		problem("--wait waits for a device that is free now; --at next takes the first free time")
	}
	if e.Lease.Count() > 1 || e.Lease.AllFree {
		if c.String("at") == "next" || e.Lease.Next {
			problem("the first free time (next) is that of one device, and the experiment wants several: give a time")
		}
	}
	if err := errors.Join(problems...); err != nil {
		return failure.Usage.Wrap(err).Advise("`%s --help`; nothing was created", c.Command.HelpName)
	}
	return nil
}
