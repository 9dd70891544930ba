package run

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// stayAlive is the container's main command. A benchmark must not be it: on
// CHI@Edge a command that ends is started again for ever, and a container's
// files do not survive that [ZUN:zun/container/k8s/driver.py, a Deployment].
var stayAlive = []string{"sleep", "infinity"}

// launch gets the container and opens the transport into it.
func (x *execution) launch(ctx context.Context) (string, error) {
	x.Observe.Phase(PhaseContainer, x.Experiment.Container.Image)
	x.request = ContainerRequest{
		Name:          strings.ToLower(attemptName(x.Store.ID, x.state.Attempt)),
		Image:         x.Experiment.Container.Image,
		Command:       stayAlive,
		ReservationID: x.lease.ReservationID,
		Transport:     x.Experiment.Container.Transport,
	}
	if err := x.intend(aContainer, x.request.Name, x.request); err != nil {
		return "", err
	}
	c, err := x.Site.Launch(ctx, x.request, x.Observe.Say)
	if c.ID != "" {
		data, _ := json.Marshal(c)
		x.record(store.Entry{Kind: store.Done, What: aContainer, ID: c.ID, Data: data})
	}
	if err != nil {
		if c.ID == "" {
			x.record(store.Entry{Kind: store.Gone, What: aContainer, Text: "it was never made, or was removed again"})
		}
		return "", err
	}
	x.container = c
	x.writeSite()
	x.Observe.Say("opening the transport")
	if x.tr, err = x.Site.Dial(ctx, c, x.request, x.Observe.Say); err != nil {
		return "", err
	}
	if x.arch, err = Arch(ctx, x.tr); err != nil {
		return "", err
	}
	x.writeSite()
	return fmt.Sprintf("%s, %s", x.tr.Properties().Name, x.arch), nil
}

// executor is the part of a transport that runs commands.
type executor interface {
	Exec(ctx context.Context, cmd command) (exit, error)
}

// Arch asks the container what processor it runs on, in Go's words. It is the
// first command in a container that has just started, so a few answers may
// fail; the question is harmless to repeat.
func Arch(ctx context.Context, tr executor) (string, error) {
	var out exit
	for try := 1; ; try++ {
		var err error
		if out, err = tr.Exec(ctx, command{Args: []string{"uname", "-m"}}); err == nil {
			break
		}
		if try == 5 || ctx.Err() != nil {
			return "", failure.Device.Errorf("the container runs, but does not say what processor it has").
				Advise("see whether the site has trouble; then `chexp run --resume`").Because(err)
		}
		if err := pause(ctx, time.Duration(try)*time.Second); err != nil {
			return "", err
		}
	}
	machine := strings.TrimSpace(string(out.Output))
	switch {
	case out.Code != 0:
		return "", failure.Device.
			Errorf("`uname -m` ended with code %d in the container: %.200q", out.Code, out.Output).
			Advise("the image needs sh, tar, sha256sum and uname, as every Debian or Ubuntu image has")
	case machine == "aarch64" || machine == "arm64":
		return "arm64", nil
	case machine == "x86_64":
		return "amd64", nil
	}
	return "", failure.Device.Errorf("there is no agent for a %.40q machine", machine).
		Advise("chexp has agents for aarch64 and x86_64")
}
