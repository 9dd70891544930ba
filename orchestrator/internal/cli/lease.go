package cli

import (
	"errors"
	"fmt"
	"os/user"
	"time"

	"chexp/orchestrator/internal/failure"
	"chexp/orchestrator/internal/run"

	"github.com/urfave/cli/v2"
)

func (a *app) leaseCommand() *cli.Command {
	return &cli.Command{
		Name:  "lease",
		Usage: "reserve a device by hand",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "reserve one device and wait until it is ready",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "machine", Usage: "any free device of this `TYPE`, such as raspberrypi5"},
					&cli.StringFlag{Name: "device", Usage: "the device of this `NAME`, such as nyu-rpi5-01"},
					&cli.StringFlag{Name: "uid", Usage: "the device with this `UID`"},
					&cli.Float64Flag{Name: "hours", Value: 2, Usage: "how long"},
					&cli.TimestampFlag{Name: "start", Layout: time.RFC3339, Usage: "when, such as 2026-12-01T14:00:00-05:00; default now"},
					&cli.StringFlag{Name: "name", Usage: "default chexp_<user>_<UTC time>"},
					&cli.BoolFlag{Name: "no-wait", Usage: "return as soon as the lease exists"},
					formatFlag(),
				},
				Action: a.leaseCreate,
			},
			{Name: "list", Usage: "list the project's leases, everybody's", Flags: []cli.Flag{formatFlag()}, Action: a.leaseList},
			{Name: "show", Usage: "show a lease", ArgsUsage: "ID|NAME", Flags: []cli.Flag{formatFlag()}, Action: a.leaseShow},
			{Name: "delete", Usage: "give a lease back; its containers go with it", ArgsUsage: "ID|NAME", Action: a.leaseDelete},
		},
	}
}

func (a *app) leaseCreate(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	req, err := leaseRequest(c, time.Now().UTC())
	if err != nil {
		return err
	}
	site, err := a.connectEdge(c)
	if err != nil {
		return err
	}
	l, err := site.Reserve(c.Context, req)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "  lease %s (%s) until %s, %s here\n", l.Name, l.ID, l.End.UTC().Format("2006-01-02 15:04 UTC"), l.End.Local().Format("15:04 MST"))
	if !c.Bool("no-wait") {
		obs := newProgress(a.err)
		obs.Phase(run.PhaseLease, "")
		if l, err = site.Await(c.Context, l.ID, obs.Say); err != nil {
			// A person asked for this lease and may want to look at it: it is
			// named, not deleted.
			return failure.New(failure.KindOf(err), "", "to give it back: chexp lease delete "+req.Name, err)
		}
		obs.PhaseEnd(run.PhaseLease, l.Device.Name)
	}
	return a.print(c, leaseRows([]run.Lease{l}, l))
}

// leaseRequest reads the flags of `lease create`, and refuses everything that
// is wrong with them at once.
func leaseRequest(c *cli.Context, now time.Time) (run.LeaseRequest, error) {
	req := run.LeaseRequest{Name: c.String("name"), MachineName: c.String("machine"), DeviceName: c.String("device"), DeviceUID: c.String("uid")}
	var problems []error
	given := 0
	for _, s := range []string{req.MachineName, req.DeviceName, req.DeviceUID} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		problems = append(problems, errors.New("give exactly one of --machine, --device and --uid"))
	}
	hours := time.Duration(c.Float64("hours") * float64(time.Hour))
	if hours < time.Minute || hours > 7*24*time.Hour {
		problems = append(problems, errors.New("--hours must be between one minute and seven days (168), which is what Chameleon allows"))
	}
	start := now
	if t := c.Timestamp("start"); t != nil {
		if t.Before(now.Truncate(time.Minute)) {
			problems = append(problems, fmt.Errorf("--start %s has passed", t.Format(time.RFC3339)))
		}
		req.Start, start = t.UTC(), t.UTC()
	}
	req.End = start.Add(hours).Truncate(time.Minute)
	if req.Name == "" {
		name := "user"
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
		req.Name = "chexp_" + name + "_" + now.Format("20060102t150405z")
	}
	if len(req.Name) > 80 {
		problems = append(problems, errors.New("--name is longer than the 80 characters that Blazar keeps"))
	}
	if err := errors.Join(problems...); err != nil {
		return req, failure.New(failure.Usage, "", "`chexp lease create --help`; nothing was created", err)
	}
	return req, nil
}

var leaseColumns = []string{"id", "name", "status", "device", "start (UTC)", "end (UTC)", "reservation"}

func leaseRow(x run.Lease) []string {
	return []string{x.ID, x.Name, x.Status, x.Device.Name, minute(x.Start), minute(x.End), x.ReservationID}
}

func leaseRows(leases []run.Lease, json any) list {
	l := list{columns: leaseColumns, json: json}
	for _, x := range leases {
		l.rows = append(l.rows, leaseRow(x))
	}
	return l
}

func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func (a *app) leaseList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	site, err := a.connectEdge(c)
	if err != nil {
		return err
	}
	leases, err := site.Leases(c.Context)
	if err != nil {
		return err
	}
	l := list{columns: append([]string{"mine"}, leaseColumns...), json: leases}
	for _, x := range leases {
		mine := ""
		if x.Mine {
			mine = "*"
		}
		l.rows = append(l.rows, append([]string{mine}, leaseRow(x.Lease)...))
	}
	return a.print(c, l)
}

func (a *app) leaseShow(c *cli.Context) error {
	name, err := argument(c, "a lease's id or name")
	if err != nil {
		return err
	}
	site, err := a.connectEdge(c)
	if err != nil {
		return err
	}
	l, err := site.ShowLease(c.Context, name)
	if err != nil {
		return err
	}
	return a.print(c, leaseRows([]run.Lease{l.Lease}, l))
}

func (a *app) leaseDelete(c *cli.Context) error {
	name, err := argument(c, "a lease's id or name")
	if err != nil {
		return err
	}
	site, err := a.connectEdge(c)
	if err != nil {
		return err
	}
	l, err := site.ShowLease(c.Context, name)
	if err != nil {
		return err
	}
	if err := site.DeleteLease(c.Context, l.ID); err != nil {
		return err
	}
	given := ""
	if left := time.Until(l.End); left > 0 && l.Status != "TERMINATED" {
		given = ", " + short(left) + " before its end"
	}
	fmt.Fprintf(a.err, "lease %s (%s) is deleted%s\n", l.Name, l.ID, given)
	return nil
}
