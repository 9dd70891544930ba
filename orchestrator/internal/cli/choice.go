package cli

import (
	"context"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// newLease is what --lease takes for a lease that is made although one of the
// user's own fits.
const newLease = "new"

// chooser decides by which lease a run comes by its device: by one of the
// user's own that exists, or by a new one.
type chooser struct {
	placer
	named    string        // the lease to use, [newLease], or "" for whichever fits
	fromFile bool          // the file names it: it need not exist
	wait     time.Duration // for a device to become free

	least, most time.Duration // of the plan
	tail        time.Duration // kept free at the end to bring the results home
	command     []string      // of chexp, that runs this experiment: "run", "x.yaml"
	note        func(string)  // a line that stays
	release     bool          // give the lease back at the end, whoever made it

	maker func(site.Lease) string // the run of this machine that made a lease and holds it; "": none

	tenants []site.Container // the user's containers,
	asked   bool             // once the site was asked for them

	early *run.Choice   // made before the run was
	until time.Time     // a device is waited for; zero: it is not known yet
	pause time.Duration // before it is looked for again
}

// choose is [run.Config].Choose.
func (c *chooser) choose(ctx context.Context, taken error) (run.Choice, error) {
	if early := c.early; early != nil && taken == nil {
		c.early = nil
		return *early, nil
	}
	c.asked = false
	all, err := c.cloud.Leases(ctx)
	if err != nil {
		return run.Choice{}, err
	}
	if c.named != "" && c.named != newLease {
		l, err := c.theNamed(ctx, all)
		if err != nil || l != nil {
			return run.Choice{Lease: l}, err
		}
	} else if !c.several {
		if l, err := c.whicheverFits(ctx, all); err != nil || l != nil {
			return run.Choice{Lease: l}, err
		}
	}
	if err := c.idleBeside(ctx, all); err != nil {
		return run.Choice{}, err
	}
	req, err := c.placeInTime(ctx, taken)
	return run.Choice{Request: req}, err
}

// theNamed is the lease that --lease or the file names, if it can be used; nil
// where the file's name is that of a lease to be made.
func (c *chooser) theNamed(ctx context.Context, all []site.Lease) (*run.Lease, error) {
	found := slices.DeleteFunc(slices.Clone(all), func(l site.Lease) bool {
		return l.ID != c.named && l.Name != c.named
	})
	own := slices.DeleteFunc(slices.Clone(found), func(l site.Lease) bool { return !l.Mine })
	live := slices.DeleteFunc(slices.Clone(own), func(l site.Lease) bool { return !l.State.Serves() })
	switch {
	case len(live) > 1:
		var ids []string
		for _, l := range live {
			ids = append(ids, fmt.Sprintf("`%s` (%s)", c.use(l.ID), clock.Window(l.Start, l.End)))
		}
		return nil, failure.Usage.Errorf("%d leases of yours are named %q", len(live), c.named).
			Advise("use the id of one: %s", strings.Join(ids, ", "))
	case len(live) == 0 && c.fromFile && (c.several || c.want.filters() > 0):
		return nil, nil
	case len(found) == 0:
		return nil, failure.Usage.Errorf("the project has no lease with the id or name %q", c.named).
			Advise("`%s` shows all; %s", c.lines.Line("lease", "list"), c.orNew())
	}
	l := found[0]
	switch {
	case len(live) > 0:
		l = live[0]
	case len(own) > 0:
		l = own[len(own)-1] // the list is by start
	}
	if err := c.refusal(l); err != nil {
		return nil, err
	}
	switch who, err := c.neighbour(ctx, l); {
	case err != nil:
		return nil, err
	case who != "":
		return nil, failure.Capacity.Errorf("the site has given the board of the lease %s to somebody else as well, and "+
			"two on one board disturb each other: %s", l.Name, who).Advise("%s", c.orNew())
	}
	if err := c.open(ctx, l, all); err != nil {
		return nil, err
	}
	c.warnTime(l)
	return &l.Lease, nil
}

// open refuses a lease that another run of the user's works in, or has made, and names what
// else of theirs is there.
func (c *chooser) open(ctx context.Context, l site.Lease, all []site.Lease) error {
	runs, others, err := c.inside(ctx, l, all)
	if err != nil {
		return err
	}
	if err := c.works(runs, l.Name); err != nil {
		return err.Advise("`%s` goes on with that run and gives the device back; or %s", err.Next, c.orNew())
	}
	if id := c.maker(l); id != "" {
		return failure.Usage.Errorf("run %s made the lease %s, and gives it back when it goes on or is ended, whoever "+
			"works there then", id, l.Name).
			Advise("`%s` goes on with that run, `%s` ends it; or %s", c.lines.Line("run", "--resume", id),
				c.lines.Line("gc", "--yes", id), c.orNew())
	}
	for _, k := range append(runs, others...) {
		if c.want.kind.Servers && k.certain && len(l.Boards) <= 1 {
			return failure.Usage.Errorf("server %s (%s) of yours is on the machine of the lease %s, which can have no "+
				"other", k.Name, k.ID, l.Name).
				Advise("delete it if nobody needs it (`openstack server delete %s`), or %s", k.ID, c.orNew())
		}
		c.warn(fmt.Sprintf("container %s (%s) of yours %s: it is left alone, and what it does disturbs what is "+
			"measured", k.Name, k.Image, k.where()))
	}
	return nil
}

// whicheverFits is the user's own lease that serves this run best and that
// nothing of theirs works in; nil if there is none, or they want a new one.
func (c *chooser) whicheverFits(ctx context.Context, all []site.Lease) (*run.Lease, error) {
	var best *site.Lease
	for _, l := range all {
		if !l.Mine || !l.State.Serves() || madeByRun.MatchString(l.Name) || c.refusal(l) != nil {
			continue
		}
		why, err := c.notByItself(ctx, l, all)
		if err != nil {
			return nil, err
		}
		switch {
		case why != "":
			c.warn(fmt.Sprintf("your lease %s has %s, %s. It is not used by itself, as %s: `%s` uses it", l.Name,
				l.Device.Name, clock.Window(l.Start, l.End), why, c.use(key(all, l))))
		case best == nil || l.End.After(best.End):
			best = &l
		}
	}
	switch {
	case best == nil:
		return nil, nil
	case c.named == newLease:
		c.warn(fmt.Sprintf("your lease %s has %s, idle until %s. Leases of one user beside each other are against "+
			"the site's rules: `%s` uses it", best.Name, best.Device.Name, clock.Both(best.End), c.use(key(all, *best))))
		return nil, nil
	}
	c.note(fmt.Sprintf("your lease %s is used: it has %s, idle until %s; --lease new makes another", best.Name,
		best.Device.Name, clock.Both(best.End)))
	return &best.Lease, nil
}

// notByItself is why a lease that could be used is used only by its name.
func (c *chooser) notByItself(ctx context.Context, l site.Lease, all []site.Lease) (string, error) {
	begin := site.Later(c.want.Start, c.cloud.Now())
	if l.State != run.LeaseActive && l.Start.After(begin.Add(time.Minute)) {
		return "it begins later", nil
	}
	if now := c.cloud.Now(); site.Later(l.Start, now).Add(time.Minute).Before(begin) {
		return "it begins before the start that is asked for, " + clock.Both(begin), nil
	}
	if wants := min(c.most, c.length()-c.tail) + c.tail; c.left(l) < wants {
		return fmt.Sprintf("the %s that it has left may be too short for the whole plan", clock.Span(c.left(l))), nil
	}
	if who, err := c.neighbour(ctx, l); who != "" || err != nil {
		return "its board is not its own (" + who + ")", err
	}
	runs, others, err := c.inside(ctx, l, all)
	for _, k := range append(runs, others...) {
		return fmt.Sprintf("container %s of yours %s", k.Name, k.where()), err
	}
	return "", err
}

// neighbour says who else has a board of the lease; "" if nobody, or if that cannot be
// read: the run looks once more before it makes anything.
func (c *chooser) neighbour(ctx context.Context, l site.Lease) (string, error) {
	others, err := c.cloud.Neighbours(ctx, l.ID)
	if err != nil {
		return "", ctx.Err()
	}
	var who []string
	for _, board := range slices.Sorted(maps.Keys(others)) {
		who = append(who, board+": "+others[board])
	}
	return strings.Join(who, "; "), nil
}

// refusal is why a lease cannot be used, nil if it can.
func (c *chooser) refusal(l site.Lease) error {
	label := fmt.Sprintf("lease %s (%s)", l.Name, l.ID)
	switch {
	case !l.Mine:
		return failure.Usage.Errorf("%s was made by another member of the project, and is left alone", label).
			Advise("ask %s; or %s", owner(l), c.orNew())
	case l.State == run.LeaseFailed:
		return failure.Cloud.Errorf("%s failed: its status is %s", label, l.Status).
			Advise("`%s`, then %s", c.lines.DeleteLease(l.ID), c.orNew())
	case !l.State.Serves(), c.left(l) == 0:
		return failure.Usage.Errorf("%s has ended (%s, at %s)", label, l.Status, clock.Both(l.End)).
			Advise("%s", c.orNew())
	case l.ReservationID == "":
		return failure.Usage.Errorf("%s has no reservation of a device", label).
			Advise("`%s` shows what it has; or %s", c.lines.Line("lease", "show", l.ID), c.orNew())
	case l.Device.Name != "" && c.fits(l) < c.needs():
		return failure.Usage.Errorf("%s has %s (%s), and the experiment asks for %s", label, l.DeviceNames(),
			l.Device.MachineName, c.wanted()).
			Advise("change lease: in the experiment, or %s", c.orNew())
	}
	needs := c.least + c.tail
	if left := c.left(l); left < needs {
		more := math.Ceil((c.most+aroundOf(c.want.kind)+c.tail-left).Hours()*10) / 10
		return failure.Usage.Errorf("%s ends at %s: of the %s that it has left, the plan takes at least %s and "+
			"bringing the results home %s (--fetch-time)", label, clock.Both(l.End), clock.Span(left),
			clock.Span(c.least), spec.FormatDuration(c.tail)).
			Advise("`%s` makes it long enough for all of the plan; or %s",
				c.lines.Line("lease", "extend", l.ID, "--hours", fmt.Sprintf("%.1f", more)), c.orNew())
	}
	return nil
}

// fits counts the devices of a lease that the experiment asks for.
func (c *chooser) fits(l site.Lease) (n int) {
	for _, d := range l.Devices {
		if c.want.Wants(d) {
			n++
		}
	}
	if len(l.Devices) == 0 && c.want.Wants(l.Device) {
		n = 1
	}
	return n
}

// needs is how many of its devices a lease must have; 0 where the experiment names none, or
// a resumed run may lack fewer than it asks for.
func (c *chooser) needs() int {
	switch {
	case c.want.Devices > 0 && !c.want.AllFree:
		return c.want.Devices
	case c.want.filters() > 0:
		return 1
	}
	return 0
}

// warnTime says that a lease may be too short for the whole plan.
func (c *chooser) warnTime(l site.Lease) {
	if left := c.left(l); left < c.most+c.tail {
		c.warn(fmt.Sprintf("the plan may take %s, and lease %s has %s left: trials that do not fit are left to be "+
			"resumed", clock.Span(c.most), l.Name, clock.Span(left)))
	}
}

// left is how much of a lease there is for this run.
func (c *chooser) left(l site.Lease) time.Duration { return site.Left(l.Lease, c.cloud.Now()) }

// length is how long a new lease would be.
func (c *chooser) length() time.Duration { return c.want.length }

func (c *chooser) wanted() string {
	switch w := c.want; {
	case len(w.Boards) > 0:
		return strings.Join(w.Boards, ", ")
	case w.AllFree:
		return fmt.Sprintf("up to %d %s", w.Devices, w.MachineName)
	case w.Devices > 0:
		return fmt.Sprintf("%d %s", w.Devices, w.MachineName)
	case w.DeviceName != "":
		return "device " + w.DeviceName
	case w.DeviceUID != "":
		return "the device with uid " + w.DeviceUID
	}
	return "a " + c.want.MachineName
}

// use is the command that runs the experiment in this lease.
func (c *chooser) use(lease string) string {
	return c.lines.Line(append(slices.Clone(c.command), "--lease", lease)...)
}

// orNew says how to run the experiment in a lease of its own.
func (c *chooser) orNew() string {
	if c.want.filters() == 0 && !c.several {
		return "add machine_name to the file's lease:, for a new one"
	}
	if c.fromFile {
		return "`" + c.use(newLease) + "` makes a new one"
	}
	return "`" + c.lines.Line(c.command...) + "` takes or makes another"
}

// key is what a lease can be named by: its name, unless it is not the only one, or
// one that flags do not take.
func key(all []site.Lease, l site.Lease) string {
	if l.Name == newLease || strings.HasPrefix(l.Name, "-") || aName(longName)(nil, l.Name) != nil {
		return l.ID
	}
	for _, other := range all {
		if other.Name == l.Name && other.ID != l.ID {
			return l.ID
		}
	}
	return l.Name
}

// madeByRun fits the names that runs give to their leases: the run's id, or a
// name of the user's and the id's last letters. Such a lease is deleted when its
// run ends, so no other run goes into it by itself.
var madeByRun = regexp.MustCompile(`(-[a-z]{4})(-[0-9]+)?$`)
