package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"

	"github.com/urfave/cli/v2"
)

// leaseVerbs are the commands about leases.
type leaseVerbs struct{ *app }

func (a leaseVerbs) leaseCommand() *cli.Command {
	one := "ID|NAME"
	until := &cli.StringFlag{Name: "until", Usage: "the new end, as a `TIME` like --at's of `chexp lease create`",
		Action: text(aTime)}
	return &cli.Command{
		Name:  "lease",
		Usage: "reserve a device by hand",
		Description: "Leases are made by the manners of the site's tutorials: short (two hours), from now or " +
			"from a full hour, and over at\n" +
			"HH:55 (at bare-metal sites HH:50), so that the next one can begin on the hour: the service counts the " +
			"minute in which two leases meet as taken by both.\n" +
			"Those of other members of the project are listed and never touched.",
		Subcommands: []*cli.Command{
			a.leaseCreateCommand(),
			{Name: "list", Usage: "list the project's leases, everybody's", Flags: []cli.Flag{siteFlag(), formatFlag()},
				Action: a.leaseList},
			{Name: "show", Usage: "show all that is known of a lease", ArgsUsage: one,
				Flags: []cli.Flag{siteFlag(), formatFlag()}, Action: a.leaseShow},
			{Name: "wait", Usage: "wait until a lease is active, counting down to its start", ArgsUsage: one,
				Flags: []cli.Flag{siteFlag(), formatFlag()}, Action: a.leaseWait},
			{
				Name: "extend", Usage: "move the end of a lease of yours later", ArgsUsage: one, Action: a.leaseExtend,
				Flags: []cli.Flag{&cli.Float64Flag{Name: "hours", Usage: "by how long", Action: hours}, until, siteFlag(),
					formatFlag()},
			},
			{
				Name: "shorten", Usage: "move the end of a lease of yours earlier", ArgsUsage: one,
				Action: a.leaseShorten,
				Flags: []cli.Flag{until, siteFlag(), &cli.BoolFlag{Name: "now", Usage: "end it at once, and keep its record"},
					&cli.BoolFlag{Name: "exact", Usage: "end it at --until, not at the last HH:55 or HH:50 before"}, formatFlag()},
			},
			{Name: "delete", Usage: "give a lease of yours back; its containers go with it", ArgsUsage: one,
				Flags: []cli.Flag{siteFlag()}, Action: a.leaseDelete},
		},
	}
}

func (a leaseVerbs) leaseCreate(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	want, err := readLeaseFlags(c)
	if err != nil {
		return err
	}
	if want.file != "" {
		if err := a.weighExperiment(c, &want); err != nil {
			return err
		}
	}
	cloud, err := connectCloudAt(a.app, c, want.kind.Name, want.entry)
	if err != nil {
		return err
	}
	if err := want.begin(cloud.Now()); err != nil {
		return err
	}
	if want.Name, err = leaseName(c.Context, cloud, want); err != nil {
		return err
	}
	p := placer{
		cloud: cloud, want: want, lines: a.commands(c),
		say:  func(text string) { fmt.Fprintf(a.err, "  %s\n", words.Printable(text)) },
		warn: a.warn, byHand: true,
	}
	req, err := p.place(c.Context)
	if err != nil {
		return err
	}
	made, known := a.note(c, req.Name, req.End, time.Until(cloud.Now())), true
	defer func() { made.over(known) }()
	l, err := cloud.Reserve(c.Context, req)
	if err != nil {
		return err
	}
	p.say(fmt.Sprintf("lease %s (%s): %s, %s", l.Name, l.ID, clock.Window(l.Start, l.End),
		clock.Span(l.End.Sub(l.Start))))
	if want.file != "" {
		p.say("to run it there: " + p.lines.Line(append(want.command, "--lease", l.Name)...))
	}
	if shown, err := cloud.ShowLease(c.Context, l.ID); err == nil && l.Device.Name == "" {
		l.Device = shown.Device // the answer to a creation does not say which
	}
	left := l.Start.Sub(cloud.Now())
	switch {
	case c.Context.Err() != nil:
		return a.interruptedNew(c, cloud, l)
	case c.Bool("no-wait"):
	case left > worthWaiting && !c.Bool("wait"):
		p.say(fmt.Sprintf("it starts in %s: `%s` counts down to it", clock.Span(left),
			p.lines.Line("lease", "wait", l.Name)))
	default:
		if l, err = a.awaitNew(c, cloud, l); err != nil {
			return err
		}
	}
	err = a.print(c, leaseRows([]site.Lease{{Lease: l}}, l))
	known = !unread(err)
	return err
}

// awaitNew waits for a lease that was just made.
func (a leaseVerbs) awaitNew(c *cli.Context, cloud site.Cloud, l run.Lease) (run.Lease, error) {
	got, err := a.await(c, cloud, l)
	if err == nil || c.Context.Err() == nil {
		return got, err
	}
	return got, a.interruptedNew(c, cloud, l)
}

// interruptedNew is Ctrl-C after a lease was made: one that has begun is given back, as by
// that of a run; a booking stays.
func (a leaseVerbs) interruptedNew(c *cli.Context, cloud site.Cloud, l run.Lease) error {
	if l.Start.Sub(cloud.Now()) > time.Minute {
		return failure.Interrupted.Errorf("interrupted; the lease %s stays booked, %s", l.Name,
			clock.Window(l.Start, l.End)).
			Advise("`%s` waits for it; `%s` gives it up", a.commands(c).Line("lease", "wait", l.ID),
				a.commands(c).DeleteLease(l.ID))
	}
	ctx, cancel := context.WithTimeout(a.cleanup, run.DefaultPatience().Cleanup)
	defer cancel()
	if err := cloud.Release(ctx, l.ID); err != nil {
		return failure.Cloud.Errorf("interrupted, and the lease %s could not be given back", l.Name).
			Advise("type: %s", a.commands(c).DeleteLease(l.ID)).Because(err)
	}
	return failure.Interrupted.Errorf("interrupted: the lease %s, which had begun, is given back", l.Name).
		Advise("--no-wait makes a lease and returns")
}

// worthWaiting is how far away a start may be for `lease create` to wait for
// it without being asked to.
const worthWaiting = 15 * time.Minute

// await shows the countdown and the server's words until the lease is active.
// A person asked for it and may want to look at it: on failure it is named,
// not deleted.
func (a leaseVerbs) await(c *cli.Context, cloud site.Cloud, l run.Lease) (run.Lease, error) {
	obs := a.progress()
	obs.Phase(run.PhaseLease, "")
	got, err := cloud.Await(c.Context, l.ID, obs.Say)
	if err != nil {
		return got, failure.KindOf(err).Wrap(err).Advise("to give it back: %s", a.commands(c).DeleteLease(l.ID))
	}
	obs.PhaseEnd(run.PhaseLease, got.Device.Name)
	return got, nil
}

func (a leaseVerbs) leaseWait(c *cli.Context) error {
	cloud, l, err := a.theLease(c, site.Cloud.ShowLease)
	if err != nil {
		return err
	}
	got, err := a.await(c, cloud, l.Lease)
	if err != nil && c.Context.Err() != nil {
		return failure.Interrupted.Errorf("interrupted; the lease %s stays yours, %s", l.Name, clock.Window(l.Start, l.End)).
			Advise("`%s` waits on; `%s` gives it up", a.commands(c).Line("lease", "wait", l.ID),
				a.commands(c).DeleteLease(l.ID))
	}
	if err != nil {
		return err
	}
	return a.print(c, leaseRows([]site.Lease{{Lease: got, Devices: l.Devices}}, got))
}

// findLease is a method of site.Cloud that finds a lease by its id or name.
type findLease = func(cloud site.Cloud, ctx context.Context, idOrName string) (site.Lease, error)

// theLease signs in and finds the lease that the only argument names.
func (a leaseVerbs) theLease(c *cli.Context, find findLease) (site.Cloud, site.Lease, error) {
	name, err := argument(c, "a lease's id or name")
	if err != nil {
		return nil, site.Lease{}, err
	}
	cloud, err := a.connectCloud(c)
	if err != nil {
		return nil, site.Lease{}, err
	}
	l, err := find(cloud, c.Context, name)
	if err == nil || failure.KindOf(err) == failure.Usage {
		heardOf(name)
	}
	return cloud, l, err
}

// leaseToChange finds the lease, and the end that --until gives it by the site's clock. A wrong
// word there is refused before anybody is asked.
func (a leaseVerbs) leaseToChange(c *cli.Context) (cloud site.Cloud, l site.Lease, end time.Time, err error) {
	if _, err = endFlag(c, time.Now()); err == nil {
		cloud, l, err = a.theLease(c, site.Cloud.OwnLease)
	}
	if err == nil {
		end, err = endFlag(c, cloud.Now())
	}
	return cloud, l, end, err
}

func (a leaseVerbs) leaseExtend(c *cli.Context) error {
	by := time.Duration(c.Float64("hours") * float64(time.Hour))
	if (by > 0) == c.IsSet("until") || by < 0 {
		return failure.Usage.Errorf("give either --hours, more than 0, or --until").
			Advise("`chexp lease extend --help`; nothing was changed")
	}
	cloud, l, end, err := a.leaseToChange(c)
	if err != nil {
		return err
	}
	if by > 0 {
		end = l.End.Add(by)
	}
	if long := unmannerly(end.Sub(l.Start), siteNamedBy(c)); long != "" {
		fmt.Fprintf(a.err, "! %s\n", long)
	}
	changed, err := cloud.ExtendLease(c.Context, l, end)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "lease %s (%s) lasts until %s, %s longer\n", words.Printable(l.Name), l.ID,
		clock.Both(changed.End), clock.Span(changed.End.Sub(l.End)))
	return a.print(c, leaseRows([]site.Lease{changed}, changed))
}

func (a leaseVerbs) leaseShorten(c *cli.Context) error {
	if c.Bool("now") == c.IsSet("until") {
		return failure.Usage.Errorf("give either --until or --now").
			Advise("`chexp lease shorten --help`; nothing was changed")
	}
	if c.Bool("now") && c.Bool("exact") {
		return failure.Usage.Errorf("--exact is about --until, and --now ends the lease at once").
			Advise("leave it out; nothing was changed")
	}
	cloud, l, end, err := a.leaseToChange(c)
	if err != nil {
		return err
	}
	if now := cloud.Now(); end.After(now) && !c.Bool("exact") {
		start := site.Later(l.Start, now)
		end = site.EndOf(start, end.Sub(start), siteNamedBy(c).Ends)
	}
	var boards []string
	if c.Bool("now") {
		boards = boardsOf(c.Context, cloud, l.ID)
	}
	changed, err := cloud.ShortenLease(c.Context, l, end)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "lease %s (%s) ends at %s; %s given back\n", words.Printable(l.Name), l.ID,
		clock.Both(changed.End), clock.Span(l.End.Sub(changed.End)))
	a.tellUnmarked(c, cloud, boards)
	return a.print(c, leaseRows([]site.Lease{changed}, changed))
}

func (a leaseVerbs) leaseDelete(c *cli.Context) error {
	cloud, l, err := a.theLease(c, site.Cloud.OwnLease)
	if err != nil {
		return err
	}
	boards := boardsOf(c.Context, cloud, l.ID)
	if err := cloud.Release(c.Context, l.ID); err != nil {
		return err
	}
	given := "it was over"
	if left := site.Left(l.Lease, cloud.Now()); left > 0 {
		given = clock.Span(left) + " given back"
	}
	fmt.Fprintf(a.err, "lease %s (%s) is deleted; %s\n", words.Printable(l.Name), l.ID, given)
	a.tellUnmarked(c, cloud, boards)
	return nil
}

// boardsOf are the boards of a lease by name, before it ends. Who cannot be told in a few
// seconds is not waited for.
func boardsOf(ctx context.Context, cloud site.Cloud, leaseID string) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	all, err := cloud.Devices(ctx)
	if err != nil {
		return nil
	}
	for _, d := range all {
		if slices.ContainsFunc(d.Bookings, func(b site.Booking) bool { return b.LeaseID == leaseID }) {
			names = append(names, d.Name)
		}
	}
	return names
}

// tellUnmarked says what the end of a lease of these boards has done to others of the
// user's.
func (a leaseVerbs) tellUnmarked(c *cli.Context, cloud site.Cloud, boards []string) {
	ctx, cancel := context.WithTimeout(c.Context, 10*time.Second)
	defer cancel()
	for _, text := range cloud.Unmarked(ctx, boards) {
		a.warn(text)
	}
}

// leaseName is the one asked for, or <experiment>_<user>, with a number where
// the user has one of that name: after a lost answer a lease is looked for by
// its name, so it must be the user's only one.
func leaseName(ctx context.Context, cloud site.Cloud, want leaseWanted) (string, error) {
	name := want.Name
	if name == "" {
		name = cutName(want.experiment+"_"+plain(cloud.Describe()["user"]), site.MaxLeaseName-4)
	}
	base := name
	for n := 2; ; n++ {
		l, live, err := cloud.LiveLease(ctx, name)
		if err != nil || !live {
			return name, err
		}
		if want.Name != "" {
			return name, failure.Usage.Errorf("you have a lease named %s (%s, %s), %s", name, l.ID, l.Status,
				clock.Window(l.Start, l.End)).
				Advise("give another --name, or extend or delete that one; nothing was created")
		}
		if n > 99 {
			return name, errors.New("a hundred leases of one name")
		}
		name = fmt.Sprintf("%s_%d", base, n)
	}
}

// plain keeps of a user's name what is safe in a lease's: federated users'
// names are mail addresses.
func plain(user string) string {
	out := []rune(user)
	for i, r := range out {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-') {
			out[i] = '_'
		}
	}
	return string(out)
}

func cutName(s string, n int) string { return s[:min(len(s), n)] }
