package run

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/transport"
)

// whoAreYou asks a container for its processor and, in the same command, for the id
// that its board's kernel has had since it was started: containers on one board share
// it, and no other board has it. Its clock is read beside it.
const whoAreYou = `uname -m || exit; cat /proc/sys/kernel/random/boot_id 2>&1; date -u +%s 2>&1; exit 0`

var bootID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// ProvenBoot is a boot id as a file holds it, if it is one.
func (f Facts) ProvenBoot() string {
	if id, ok := f.BootID.Get(); ok && bootID.MatchString(id) {
		return id
	}
	return ""
}

// boarding is how an attempt makes sure on which board it is, and that nobody else is.
type boarding struct{ *attempt }

// identify asks the container what processor it runs on, in Go's words, and on which
// board. It is the first command in a container that has just started, so a few
// answers may fail; the question is harmless to repeat.
func (a boarding) identify(ctx context.Context) error {
	var out transport.Exit
	var asked, answered time.Time
	err := homing(a).through(ctx, func(ctx context.Context) (err error) {
		asked = a.Site.Now()
		defer func() { answered = a.Site.Now() }()
		out, err = a.tr.Exec(ctx, transport.Command{Args: []string{"sh", "-c", whoAreYou}})
		return err
	})
	if err != nil {
		return failure.Device.Errorf("the %s runs, but does not say what processor it has", a.box()).
			Advise("see whether the site has trouble; then `%s`", a.Commands.Resume()).
			Because(err)
	}
	machine, boot, _ := strings.Cut(strings.TrimSpace(string(out.Output)), "\n")
	boot, seconds, _ := strings.Cut(boot, "\n")
	a.clock = readClock(seconds, asked, answered)
	if a.held.Started { // by an earlier process, nobody knows how long before
		a.clock.Asked = time.Time{}
	}
	if boot = strings.TrimSpace(boot); bootID.MatchString(boot) {
		a.boot = trial.Read(boot)
	} else {
		a.boot = trial.Unread[string](words.Line(boot, words.MaxName))
	}
	switch machine = strings.TrimSpace(machine); {
	case out.Code != 0:
		return failure.Device.
			Errorf("`uname -m` ended with code %d in the %s: %.200q", out.Code, a.box(), out.Output).
			Advise("the image needs sh, tar, sha256sum and uname, as every Debian or Ubuntu image has")
	case machine == "aarch64" || machine == "arm64":
		a.arch = "arm64"
	case machine == "x86_64":
		a.arch = "amd64"
	default:
		return failure.Device.Errorf("there is no agent for a %.40q machine", machine).
			Advise("chexp has agents for aarch64 and x86_64")
	}
	return nil
}

// onBoardOfItsOwn gives the attempt's container up that is on the board of another
// device of the run, whatever the site says: two on one board disturb each other, and
// what they measure is one board's.
func (a boarding) onBoardOfItsOwn() error {
	if a.crowd == nil {
		return nil
	}
	id, ok := a.boot.Get()
	if !ok {
		a.unproven("its boot id cannot be read (" + a.boot.Unavailable + ")")
		return nil
	}
	if other := a.crowd.settle(id, a.attempt); other != "" {
		return failure.Capacity.Errorf("its container is on the board of %s: both have the boot id %s. It is given up, "+
			"as two on one board disturb each other", other, id).
			Advise("`%s` tries to get another board for it", a.Commands.Resume()).Because(errSameBoard)
	}
	return nil
}

// unproven says, now and in the attempt's facts, why nobody can say for certain which
// board measures.
func (a boarding) unproven(why string) {
	a.Observe.Warn("board not proven: " + why)
	if a.lease.Unproven == "" {
		a.lease.Unproven = why
		a.noteFacts()
	}
}

// settled is who has, or had, a board of the run.
type settled struct {
	slot int
	name string
}

// settle notes that the attempt's container is on the board with this boot id. It
// returns who of the run's other devices is there, or measured there; "" if nobody.
func (c *crowd) settle(id string, a *attempt) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by, ok := c.boots[id]; ok && by.slot != a.slot() {
		return by.name
	}
	c.boots[id] = settled{a.slot(), a.name()}
	return ""
}

// remember notes on which boards the devices of earlier processes measured.
func (c *crowd) remember(all []*attempt) {
	for _, a := range all {
		facts, err := ReadFacts(a.Store, a.held.N)
		if err != nil {
			continue // what is not known cannot be compared
		}
		brought, err := a.Store.Brought(a.Plan)
		if err != nil {
			continue
		}
		for _, b := range brought {
			if b.From.Attempt < 1 || b.From.Attempt > len(facts) {
				continue
			}
			if id := facts[b.From.Attempt-1].ProvenBoot(); id != "" {
				c.boots[id] = settled{a.slot(), cmp.Or(facts[b.From.Attempt-1].Lease.Device.Name, a.name())}
			}
		}
	}
}
