package cli

import (
	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/site"

	"github.com/urfave/cli/v2"
)

// deviceVerbs are the commands about devices.
type deviceVerbs struct{ *app }

func (a deviceVerbs) deviceCommand() *cli.Command {
	return &cli.Command{
		Name:  "device",
		Usage: "see which devices there are",
		Subcommands: []*cli.Command{{
			Name: "list", Usage: "list the devices and when each is free",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "machine", Usage: "only devices of this `TYPE`, such as raspberrypi5",
					Action: aName(longName)},
				siteFlag(), formatFlag(),
			},
			Action: a.deviceList,
		}, a.calendarCommand()},
	}
}

func (a deviceVerbs) deviceList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	cloud, err := a.connectCloud(c)
	if err != nil {
		return err
	}
	devices, err := cloud.Devices(c.Context)
	if err != nil {
		return err
	}
	if err := knownMachine(c, devices); err != nil {
		return err
	}
	shown := []site.Device{}
	l := list{columns: []string{"name", "machine", "arch", "availability", "uid"}}
	whole := siteNamedBy(c).Servers // machines differ by what is in them
	if whole {
		l.columns = append(l.columns, "model")
	}
	for _, d := range devices {
		if want := c.String("machine"); want != "" && d.MachineName != want {
			continue
		}
		shown = append(shown, d)
		row := []string{d.Name, d.MachineName, d.Arch, availability(d), d.UID}
		if whole {
			row = append(row, d.Model)
		}
		l.rows = append(l.rows, row)
	}
	l.json = shown
	return a.print(c, l)
}

// knownMachine refuses a --machine that no device of the site is.
func knownMachine(c *cli.Context, devices []site.Device) error {
	asked, all := c.String("machine"), []string{}
	for _, d := range devices {
		if d.MachineName == asked {
			return nil
		}
		all = append(all, d.MachineName)
	}
	if asked == "" {
		return nil
	}
	return failure.Usage.Errorf("no device here is a %q", asked).Advise("%s", nearest(asked, all))
}

func availability(d site.Device) string {
	switch {
	case !d.Reservable:
		return "out of service"
	case !d.Authorized:
		return "kept for other projects"
	case d.FreeNow && d.FreeUntil.IsZero():
		return "free"
	case d.FreeNow:
		return "free until " + clock.Both(d.FreeUntil)
	case d.NextFree.IsZero():
		return "taken"
	}
	return "taken until " + clock.Both(d.NextFree)
}
