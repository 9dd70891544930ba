package cli

import (
	"context"
	"fmt"

	"chexp/experiments/spec"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/site/chiedge"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
	"chexp/orchestrator/internal/transport/zunexec"

	"github.com/urfave/cli/v2"
)

// connect signs in, with the transports that this program has.
func (a *app) connect(ctx context.Context, o chiedge.Options) (*chiedge.Site, error) {
	o.Transports = chiedge.Transports{
		Zun: func(z chiedge.Zun, containerID string) transport.Transport {
			return zunexec.New(zun{z}, containerID, zunexec.Options{})
		},
		SSH: func(ctx context.Context, to chiedge.SSHTarget) (transport.Transport, error) {
			return sshexec.Dial(ctx, sshexec.Config{Address: to.Address, User: to.User, Signer: to.Signer, HostKey: to.HostKey})
		},
	}
	if o.Notice == nil {
		o.Notice = func(text string) { fmt.Fprintf(a.err, "  %s\n", printable(text)) }
	}
	site, err := chiedge.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, w := range site.Warnings() {
		fmt.Fprintf(a.err, "! %s\n", printable(w))
		a.warned[w] = true
	}
	return site, nil
}

// cloudOptions is the cloud that the flags and the environment name.
func cloudOptions(c *cli.Context) chiedge.Options {
	return chiedge.Options{Cloud: c.String("os-cloud"), PullGrace: c.Duration("pull-grace")}
}

// connectEdge signs in to CHI@Edge as the flags and the environment say.
func (a *app) connectEdge(c *cli.Context) (*chiedge.Site, error) {
	o := cloudOptions(c)
	o.Region = spec.SiteEdge
	return a.connect(c.Context, o)
}

// zun gives zunexec what chiedge has, in its own words.
type zun struct{ chiedge.Zun }

func (z zun) Execute(ctx context.Context, id, command string) (zunexec.Result, error) {
	r, err := z.Zun.Execute(ctx, id, command)
	return zunexec.Result(r), err
}

func (a *app) deviceCommand() *cli.Command {
	return &cli.Command{
		Name:  "device",
		Usage: "see which devices there are",
		Subcommands: []*cli.Command{{
			Name: "list", Usage: "list the devices and when each is free",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "machine", Usage: "only devices of this `TYPE`, such as raspberrypi5"},
				formatFlag(),
			},
			Action: a.deviceList,
		}, a.calendarCommand()},
	}
}

func (a *app) deviceList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	site, err := a.connectEdge(c)
	if err != nil {
		return err
	}
	devices, err := site.Devices(c.Context)
	if err != nil {
		return err
	}
	shown := []chiedge.DeviceInfo{}
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

func availability(d chiedge.DeviceInfo) string {
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
