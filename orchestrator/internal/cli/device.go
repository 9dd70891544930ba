package cli

import (
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
				formatFlag(),
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
	shown := []site.Device{}
	l := list{columns: []string{"name", "machine", "arch", "availability", "uid"}}
	for _, d := range devices {
		if want := c.String("machine"); want != "" && d.MachineName != want {
			continue
		}
		shown = append(shown, d)
		l.rows = append(l.rows, []string{d.Name, d.MachineName, d.Arch, availability(d), d.UID})
	}
	l.json = shown
	return a.print(c, l)
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
