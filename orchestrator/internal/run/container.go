package run

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// stayAlive is the container's main command. The agent cannot be it: CHI@Edge
// starts a main command that ends again and again, and the container's files do
// not survive that (zun/container/k8s/driver.py makes a Deployment).
var stayAlive = []string{"sleep", "infinity"}

// launch gets the container and opens the transport into it.
func (a *attempt) launch(ctx context.Context) (string, error) {
	a.Observe.Phase(PhaseContainer, a.Experiment.Container.Image)
	if other := a.elsewhere(); other != "" {
		a.Observe.Warn(other)
	}
	a.request = ContainerRequest{
		Name:          containerName(a.Store.ID, a.Store.Slot(), a.held.N),
		Image:         a.Experiment.Container.Image,
		Command:       stayAlive,
		ReservationID: a.lease.ReservationID,
		Transport:     a.Experiment.Container.Transport,
	}
	if a.held.Container.Name == a.request.Name { // asked for before
		a.alone(ctx, AContainer, a.request.Name, a.held.Container.ID)
	}
	if err := a.intend(aContainer, a.request.Name, a.request); err != nil {
		return "", err
	}
	c, err := a.Site.Launch(ctx, a.request, a.Observe.Say)
	if c.ID != "" {
		a.record(store.Entry{Kind: store.Done, What: aContainer, ID: c.ID, Data: raw(c)})
	}
	if err != nil {
		if c.ID == "" {
			a.record(store.Entry{Kind: store.Gone, What: aContainer, Text: "it was never made, or was removed again"})
		}
		return "", err
	}
	a.container = c
	a.alone(ctx, AContainer, c.Name, c.ID)
	a.noteFacts()
	a.Observe.Say("opening the transport")
	if a.tr, err = a.Site.Dial(ctx, c, a.request, a.Observe.Say); err != nil {
		return "", err
	}
	if a.arch, err = a.askArch(ctx); err != nil {
		return "", err
	}
	a.noteFacts()
	return fmt.Sprintf("%s, %s", a.tr.Properties().Name, a.arch), nil
}

// maxContainerName is what a DNS label holds.
const maxContainerName = 63

// containerName names the container of the n-th attempt, at the device of this slot
// if the run has several. Of an id that leaves no room for that, the experiment's
// name in its middle gives way: time and letters stay.
func containerName(runID string, slot, n int) string {
	end := attemptName("", n)
	if slot > 0 {
		end = fmt.Sprintf("-d%d%s", slot, end)
	}
	id := strings.ToLower(runID)
	if over := len(id) + len(end) - maxContainerName; over > 0 {
		letters := max(strings.LastIndexByte(id, '-'), over)
		id = strings.TrimRight(id[:letters-over], "-") + id[letters:]
	}
	return id + end
}

// askArch asks the container what processor it runs on, in Go's words. It is the
// first command in a container that has just started, so a few answers may
// fail; the question is harmless to repeat.
func (a *attempt) askArch(ctx context.Context) (string, error) {
	var out transport.Exit
	for try := 1; ; try++ {
		var err error
		if out, err = a.tr.Exec(ctx, transport.Command{Args: []string{"uname", "-m"}}); err == nil {
			break
		}
		if try == 5 || ctx.Err() != nil {
			return "", failure.Device.Errorf("the container runs, but does not say what processor it has").
				Advise("see whether the site has trouble; then `%s`", a.Commands.Resume()).
				Because(err)
		}
		if err := wait.For(ctx, time.Duration(try)*time.Second); err != nil {
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
