package cli

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// longest is the longest that Chameleon allows, seven days
// [CIAB:kolla/defaults.yml].
const longest = 7 * 24 * time.Hour

const timeForms = "now, a full hour of UTC such as 14 (the next 14:00), or a date and time with a zone such as " +
	"2026-12-01T14:00-05:00 or 2026-12-01T19:00Z"

func (a leaseVerbs) leaseCreateCommand() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "reserve one device and wait until it is ready",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "machine", Usage: "any free device of this `TYPE`, such as raspberrypi5",
				Action: aName(longName)},
			&cli.StringFlag{Name: "device", Usage: "the device of this `NAME`, such as nyu-rpi5-01",
				Action: aName(longName)},
			&cli.StringFlag{Name: "uid", Usage: "the device with this `UID`", Action: aName(longName)},
			&cli.Float64Flag{Name: "hours", Usage: "how long at most; by default 2, at bare-metal sites 3; the end is the " +
				"last HH:55 within, there HH:50", Action: hours},
			&cli.BoolFlag{Name: "exact", Usage: "end after exactly --hours, not at HH:55 or HH:50"},
			&cli.StringFlag{Name: "at", Value: "now", Usage: "the start: next (the first time a device is free " +
				"so long), " + timeForms, Action: text(startTime)},
			&cli.StringFlag{Name: "experiment", Usage: "take device and name from this experiment `FILE`, and " +
				"compare the length with its plan"},
			systemFlag(),
			&cli.StringFlag{Name: "name", Usage: "default <experiment>_<user>", Action: aName(site.MaxLeaseName)},
			&cli.BoolFlag{Name: "wait", Usage: "wait for the start however far away it is (by default 15 minutes)"},
			&cli.BoolFlag{Name: "no-wait", Usage: "return as soon as the lease exists"},
			siteFlag(), formatFlag(),
		},
		Action: a.leaseCreate,
	}
}

// leaseWanted is what a person asks for; its Name is empty for the default.
type leaseWanted struct {
	run.LeaseRequest
	at         string
	next       bool // the first free time
	length     time.Duration
	exact      bool
	least      time.Duration // an end at HH:55 must leave at least so much
	experiment string        // for the default name
	file       string
	command    []string      // that carries the file out
	entry      string        // of clouds.yaml that the file names
	kind       spec.SiteKind // has the manners
}

// end is when a lease that starts then ends.
func (w leaseWanted) end(start time.Time) time.Time {
	end := site.EndOf(start, w.length, w.kind.Ends)
	switch {
	case w.exact && w.least == 0:
		return start.Add(w.length).Truncate(time.Minute) // --hours is the most
	case w.exact, end.Sub(start) < w.least:
		return run.EndAfter(start, w.length)
	}
	return end
}

// readLeaseFlags refuses everything that is wrong with the flags at once.
// When the lease begins and ends is up to the site's clock, see begin.
func readLeaseFlags(c *cli.Context) (leaseWanted, error) {
	w := leaseWanted{at: c.String("at"), exact: c.Bool("exact"), experiment: "chexp", file: c.String("experiment"),
		kind: siteNamedBy(c)}
	w.Name, w.MachineName, w.DeviceName, w.DeviceUID = c.String("name"), c.String("machine"), c.String("device"),
		c.String("uid")
	var problems []error
	if n := w.filters(); n > 1 || n == 0 && w.file == "" {
		problems = append(problems, errors.New("give exactly one of --machine, --device and --uid"))
	}
	if c.IsSet("system") && w.file == "" {
		problems = append(problems, errors.New(systemOfNothing))
	}
	if w.length = w.kind.Usual; c.IsSet("hours") {
		w.length = time.Duration(c.Float64("hours") * float64(time.Hour))
	}
	w.next = w.at == "next"
	if c.Bool("wait") && c.Bool("no-wait") {
		problems = append(problems, errors.New("--wait contradicts --no-wait"))
	}
	if err := errors.Join(problems...); err != nil {
		return w, failure.Usage.Wrap(err).Advise("`chexp lease create --help`; nothing was created")
	}
	return w, nil
}

// begin sets when the lease begins and ends; now is the site's.
func (w *leaseWanted) begin(now time.Time) error {
	if w.next {
		return nil
	}
	start, err := parseTime(w.at, now)
	switch {
	case err != nil:
		return failure.Usage.Errorf("--at %s", err.Error()).Advise("nothing was created")
	case start.IsZero():
		w.End = w.end(now)
	case start.Before(now.Truncate(time.Minute)):
		return failure.Usage.Errorf("--at %s has passed: it is %s at the site", clock.Both(start), clock.Both(now)).
			Advise("nothing was created")
	default:
		w.Start, w.End = start, w.end(start)
	}
	return nil
}

// hours is the rule of a lease's length.
func hours(_ *cli.Context, h float64) error {
	if !(h*60 >= 1 && h <= longest.Hours()) { // also no number at all
		return fmt.Errorf("is %v; it takes one minute (0.0167) to seven days (168), which is what Chameleon allows", h)
	}
	return nil
}

// aTime is the rule of a time, startTime that of a lease's start. Whether it has
// passed is for the site's clock to say.
func aTime(s string) error {
	_, err := parseTime(s, time.Now())
	return err
}

func startTime(s string) error {
	if s == "next" {
		return nil
	}
	if err := aTime(s); err != nil {
		return fmt.Errorf("%w; or next, the first time a device is free", err)
	}
	return nil
}

func (w leaseWanted) filters() (given int) {
	for _, s := range []string{w.MachineName, w.DeviceName, w.DeviceUID} {
		if s != "" {
			given++
		}
	}
	return given
}

// endFlag reads --until; zero when it is not given.
func endFlag(c *cli.Context, now time.Time) (time.Time, error) {
	if !c.IsSet("until") {
		return time.Time{}, nil
	}
	t, err := parseTime(c.String("until"), now)
	if err == nil && t.IsZero() {
		err = errors.New(`is "now": use chexp lease shorten --now`)
	}
	if err != nil {
		return t, failure.Usage.Errorf("--until %s", err.Error()).Advise("nothing was changed")
	}
	return t, nil
}

var hourOnly = regexp.MustCompile(`^([01]?[0-9]|2[0-3])(?::([0-5][0-9]))?Z?$`)

// parseTime reads a time as people give it; zero is now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return time.Time{}, nil
	}
	if m := hourOnly.FindStringSubmatch(s); m != nil {
		hour, _ := strconv.Atoi(m[1])
		minute, _ := strconv.Atoi(m[2]) // "" is 0
		u := now.UTC()
		t := time.Date(u.Year(), u.Month(), u.Day(), hour, minute, 0, 0, time.UTC)
		if t.Before(now) {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04Z07:00",
		"2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			if t.Second() != 0 {
				return t, fmt.Errorf("is %q, but leases start and end on a whole minute", s)
			}
			return t.UTC(), nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, clock.Here); err == nil {
			return t, fmt.Errorf("is %q, which has no zone: write %s if you mean UTC, %s for the clock here", s,
				strings.Replace(s, " ", "T", 1)+"Z", t.Format("2006-01-02T15:04Z07:00"))
		}
	}
	return time.Time{}, fmt.Errorf("is %q, but takes %s", s, timeForms)
}

// weighExperiment takes from the file what the flags leave open, and warns
// when the lease does not fit its plan.
func (a leaseVerbs) weighExperiment(c *cli.Context, w *leaseWanted) error {
	e, err := loadExperiment(c, w.file, "")
	if err != nil {
		return err
	}
	if !e.SiteKind().Leases {
		return failure.Usage.Errorf("%s is made for site %s, which has no leases", w.file, e.Site).
			Advise("nothing was created")
	}
	switch flag := c.String("site"); {
	case flag == "":
		if w.kind = e.SiteKind(); !c.IsSet("hours") {
			w.length = w.kind.Usual
		}
	case flag != e.Site:
		return failure.Usage.Errorf("%s is made for site %s, not for %s", w.file, e.Site, flag).
			Advise("nothing was created; leave --site out")
	}
	if n := e.Lease.Count(); n > 1 {
		return failure.Usage.Errorf("%s asks for %d devices, each under a reservation of its own", w.file, n).
			Advise("nothing was created; `%s` makes that lease itself",
				run.Commands{Program: a.program}.Line(runOf("run", w.file, e)...))
	}
	w.experiment, w.entry, w.command = e.Name, e.Cloud, runOf("run", w.file, e)
	if w.filters() == 0 {
		w.MachineName, w.DeviceName, w.DeviceUID = e.Lease.MachineName, e.Lease.Device, e.Lease.UID
	}
	p, err := prepare(c.Context, e, a.archOf(e), store.NewID(e.Name, time.Now()), a.progress().Say, nil)
	if err != nil {
		return err
	}
	_, most := spec.EstimateTime(p.plan)
	a.warnLength(w.length, most, aroundOf(w.kind))
	return nil
}

// aroundOf is what a run needs besides its trials, in round figures: a device
// to start, an image to arrive, files to go up and results to come home. A machine is
// deployed and boots, which takes up to 20 minutes each.
func aroundOf(kind spec.SiteKind) time.Duration {
	if kind.Servers {
		return 45 * time.Minute
	}
	return 15 * time.Minute
}

func (a leaseVerbs) warnLength(length, most, around time.Duration) {
	needs := most + around
	switch {
	case length < most:
		fmt.Fprintf(a.err, "! the plan may take %s, the lease lasts %s at most: trials that do not fit are left "+
			"for `%s`\n", clock.Span(most), clock.Span(length), run.Commands{Program: a.program}.Resume())
	case length > needs+30*time.Minute:
		fmt.Fprintf(a.err, "! the plan takes %s at most, and %s with all around it; %s is longer than it needs: "+
			"--hours %.1f would do\n",
			clock.Span(most), clock.Span(needs), clock.Span(length), math.Ceil(10*needs.Hours())/10)
	}
}

// unmannerly says that a lease is longer than is the custom; "" if it is not.
func unmannerly(length time.Duration, kind spec.SiteKind) string {
	if length <= kind.Usual {
		return ""
	}
	return fmt.Sprintf("%s in all on a device that others wait for; %s are the custom", clock.Span(length),
		map[time.Duration]string{2 * time.Hour: "two hours", 3 * time.Hour: "three hours"}[kind.Usual])
}
