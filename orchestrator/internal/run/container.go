package run

import (
	"context"
	"fmt"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
)

// stayAlive is the container's main command. The agent cannot be it: CHI@Edge
// starts a main command that ends again and again, and the container's files do
// not survive that (zun/container/k8s/driver.py makes a Deployment).
var stayAlive = []string{"sleep", "infinity"}

// launch gets the container and opens the transport into it.
func (a boarding) launch(ctx context.Context) (string, error) {
	image, transport := a.Experiment.RunsIn()
	a.Observe.Phase(PhaseContainer, image)
	if other := a.elsewhere(); other != "" {
		a.Observe.Warn(other)
	}
	if !a.held.Container.Open() {
		if err := a.undisturbed(ctx); err != nil {
			return "", err
		}
	}
	a.request = ContainerRequest{
		Name:          containerName(a.Store.ID, a.Store.Slot(), a.held.N),
		Image:         image,
		Command:       stayAlive,
		Follow:        trial.EventsFile,
		ReservationID: a.lease.ReservationID,
		Transport:     transport,
		FirstUse:      a.box() == AServer && !a.Experiment.Server.CloudInit,
	}
	back, err := a.comeBack(ctx)
	if err != nil {
		return "", err
	}
	if !back {
		if err := a.makeContainer(ctx); err != nil {
			return "", err
		}
	}
	a.noteFacts()
	a.Observe.Say("opening the transport")
	err = homing(a).through(ctx, func(ctx context.Context) error {
		tr, err := a.Site.Dial(ctx, a.container, a.request, a.Observe.Say)
		if err == nil {
			a.hangUp()
			a.tr = tr
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if err = a.identify(ctx); err != nil {
		return "", err
	}
	a.noteFacts()
	if err := a.onBoardOfItsOwn(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %s", a.tr.Properties().Name, a.arch), nil
}

// comeBack goes on in the container of an earlier process, if its agent was started
// there: what it has measured is on it, so an outage is waited out, and nothing that
// fails takes the container for one that was never made.
func (a boarding) comeBack(ctx context.Context) (back bool, err error) {
	if !a.held.Started || !a.held.Container.Open() {
		return false, nil
	}
	gone := false
	err = homing(a).bringHome(ctx, func(ctx context.Context) error {
		c, found, err := a.Site.FindContainer(ctx, a.held.Container.Name)
		if gone = err == nil && (!found || c.Over || c.ID != a.held.Container.ID); err == nil {
			a.container = c
		}
		return err
	})
	if err != nil || gone {
		return false, err
	}
	return true, nil
}

// makeContainer makes the attempt's container, or takes the one of its name.
func (a boarding) makeContainer(ctx context.Context) error {
	if a.held.Container.Name == a.request.Name { // asked for before
		a.alone(ctx, AContainer, a.request.Name, a.held.Container.ID)
	}
	if err := a.intend(aContainer, a.request.Name, a.request); err != nil {
		return err
	}
	c, err := a.launchInTime(ctx)
	if c.ID != "" {
		a.record(store.Entry{Kind: store.Done, What: aContainer, ID: c.ID, Data: raw(c)})
	}
	if err != nil {
		if c.ID == "" {
			a.record(store.Entry{Kind: store.Gone, What: aContainer, Text: "it was never made, or was removed again"})
		}
		return err
	}
	a.container = c
	a.alone(ctx, AContainer, c.Name, c.ID)
	return nil
}

// launchInTime waits for the container as long as its lease has time to measure in:
// one whose image cannot be pulled starts for ever.
func (a *attempt) launchInTime(ctx context.Context) (Container, error) {
	end, ok := a.deadline()
	if !ok {
		return a.Site.Launch(ctx, a.request, a.Observe.Say)
	}
	timed, cancel := context.WithTimeout(ctx, a.until(end))
	defer cancel()
	c, err := a.Site.Launch(timed, a.request, a.Observe.Say)
	if err != nil && timed.Err() != nil && ctx.Err() == nil {
		late := failure.Cloud.Errorf("the %s %s did not start before its lease ends, at %s", a.box(), a.request.Name,
			timeOfDay(a.lease.End)).Because(err)
		if a.box() == AServer {
			return c, late.Advise("a deployment takes 10 to 20 minutes, and so does booting: give the lease more time, " +
				"or name another node if it is always the same")
		}
		err = late.Advise("an image that cannot be pulled looks like this: `docker pull %s` must work from anywhere "+
			"without a login, and the image be for the device's processor; a large one takes longer: give the lease more time",
			a.request.Image)
	}
	return c, err
}

// AServer is what people call a run's container on a machine that is lent whole.
const AServer = "server"

// box is what people call it.
func (c *Config) box() string {
	if c.Run != nil && c.Experiment != nil && c.Experiment.SiteKind().Servers {
		return AServer
	}
	return aContainer
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
