package chiedge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/container/v1/containers"
)

// errVanished is the status Deleted on a container nobody deleted: Zun's
// periodic sync saw it before its pod was there, or its creation met somebody's
// execute and was lost without a word. Another try usually works.
var errVanished = errors.New("the service marked the new container as deleted")

// Launch creates the container and waits until it runs, or adopts the one of
// this name. See run.Launcher.
func (s *containerClient) Launch(ctx context.Context, req run.ContainerRequest,
	progress func(string)) (run.Container, error) {
	if err := checkContainer(req); err != nil {
		return run.Container{}, err
	}
	for try := 1; ; try++ {
		made, err := s.obtain(ctx, req, progress)
		switch {
		case err != nil && made != nil:
			return toContainer(*made), err
		case err != nil:
			return run.Container{}, err
		}
		running, err := s.awaitRunning(ctx, *made, req, progress)
		if err == nil {
			return toContainer(running), nil
		}
		if cleanErr := s.clear(context.WithoutCancel(ctx), made.UUID); cleanErr != nil {
			if errors.Is(err, errVanished) && errors.Is(cleanErr, run.ErrStuck) {
				return toContainer(*made), cleanErr
			}
			return toContainer(*made), errors.Join(err, cleanErr)
		}
		if try == launchTries || !errors.Is(err, errVanished) {
			return run.Container{}, err
		}
		progress("container " + req.Name + " was lost by the service before it started; trying once more")
	}
}

// launchTries is how often a container is made that the service loses.
const launchTries = 3

func checkContainer(req run.ContainerRequest) error {
	wrong := ""
	switch {
	case !chameleon.DNSLabel.MatchString(req.Name): // Zun takes more and then fails
		wrong = fmt.Sprintf("%q cannot be a container's name: lower case letters, digits and -, at most 63", req.Name)
	case req.Image == "":
		wrong = "no image for container " + req.Name
	case req.ReservationID == "":
		wrong = "no reservation for container " + req.Name
	}
	if wrong != "" {
		return failure.Usage.Errorf("%s", wrong).
			Advise("change the container section of the experiment")
	}
	return nil
}

// obtain adopts the live container of this name, or removes a dead one and
// makes it. One that cannot be removed is returned with the error.
func (s *containerClient) obtain(ctx context.Context, req run.ContainerRequest,
	progress func(string)) (*containers.Container, error) {
	c, err := s.theContainer(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return s.createContainer(ctx, req)
	}
	if !dead(*c) {
		return c, nil
	}
	progress(fmt.Sprintf("removing container %s of an earlier try, which is in %s", req.Name, c.Status))
	if err := s.clear(ctx, c.UUID); err != nil {
		return c, err
	}
	return s.createContainer(ctx, req)
}

// clear removes a container that came to nothing, in a sixth of a clean-up's time: the
// run tries again, with more. One that has been on its way all that time has
// [run.ErrStuck] for a cause: Zun answers and carries nothing out.
func (s *containerClient) clear(ctx context.Context, id string) error {
	timed, cancel := context.WithTimeout(ctx, s.Pace.Cleanup/6)
	defer cancel()
	err := s.Destroy(timed, id)
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	look, cancel := context.WithTimeout(ctx, s.Pace.Cleanup/6)
	defer cancel()
	if c, looked := s.look(look, id); looked != nil || c.Status != containers.StatusDeleting {
		return err
	}
	return failure.Cloud.Errorf("the container service has said for %s that it deletes the container %s, and has not",
		(s.Pace.Cleanup / 6).Round(time.Second), id).
		Advise("resume the run; if it happens again, tell the site's help desk").
		Because(run.ErrStuck)
}

func dead(c containers.Container) bool {
	switch c.Status {
	case containers.StatusCreating, containers.StatusCreated, containers.StatusRunning:
		return false
	}
	return true
}

// createContainer makes the container; see [chameleon.Create].
func (s *containerClient) createContainer(ctx context.Context,
	req run.ContainerRequest) (*containers.Container, error) {
	opts := containers.CreateOpts{Name: req.Name, Image: req.Image, Command: mainCommand(req),
		Reservation: req.ReservationID}
	if req.Transport == transportSSH {
		opts.ExposedPorts = []string{"22/tcp"}
	}
	is := func(c *containers.Container) bool { return c.UUID != "" && c.Name == req.Name }
	return chameleon.Create(ctx, s.Client, chameleon.Creation[containers.Container]{
		What: "making the container " + req.Name,
		Post: func(ctx context.Context) (made *containers.Container, err error) {
			return made, s.gate.Pass(ctx, func() (err error) {
				post, cancel := s.Posting(ctx)
				defer cancel()
				if made, err = containers.Create(post, s.container, opts).Extract(); err == nil && is(made) {
					s.awaitClaim(ctx, made.UUID)
				}
				return err
			})
		},
		Is:      is,
		Find:    func(ctx context.Context) (*containers.Container, error) { return s.theContainer(ctx, req.Name) },
		Unknown: "deleting the lease removes it as well",
	})
}

// awaitClaim waits until Zun works on a new container, with every execute of this
// machine held back: one that meets the claim is the end of it. What comes of the
// container is for others to see.
func (s *containerClient) awaitClaim(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.ClaimTime)
	defer cancel()
	_ = s.Pace.Poll(ctx, func() (bool, error) {
		c, err := containers.Get(ctx, s.container, id).Extract()
		return err != nil || c.Status != containers.StatusCreating || c.TaskState != "", nil
	})
}

// theContainer returns this user's container of this name, nil when there is
// none. What Zun lists as Deleted is not there any more.
func (s *containerClient) theContainer(ctx context.Context, name string) (*containers.Container, error) {
	what := "looking for the container " + name
	all, err := s.list(ctx, containers.ListOpts{Name: name})
	if err != nil {
		return nil, s.Failed(what, err)
	}
	all = slices.DeleteFunc(all, func(c containers.Container) bool {
		return c.Name != name || c.UserID != s.Me() || c.Status == containers.StatusDeleted
	})
	return chameleon.TheOnly(all, "containers", name, func(c containers.Container) (id, status string) {
		return c.UUID, c.Status
	})
}

// Containers lists the user's own that have not ended. Zun keeps the device and
// the reservation of one to itself.
func (s *containerClient) Containers(ctx context.Context) ([]site.Container, error) {
	all, err := s.mine(ctx)
	var own []site.Container
	for _, c := range all {
		if !dead(c) {
			own = append(own, site.Container{Container: toContainer(c), Image: c.Image})
		}
	}
	return own, err
}

// mine lists the user's own containers, whatever became of them.
func (s *containerClient) mine(ctx context.Context) ([]containers.Container, error) {
	const what = "listing the containers"
	all, err := s.list(ctx, containers.ListOpts{})
	if err != nil {
		return nil, s.Failed(what, err)
	}
	return slices.DeleteFunc(all, func(c containers.Container) bool { return c.UserID != s.Me() }), nil
}

// FindContainer looks a container up by exact name.
func (s *containerClient) FindContainer(ctx context.Context, name string) (run.Container, bool, error) {
	c, err := s.theContainer(ctx, name)
	if err != nil || c == nil {
		return run.Container{}, false, err
	}
	return toContainer(*c), true, nil
}

func toContainer(c containers.Container) run.Container {
	return run.Container{ID: c.UUID, Name: c.Name, Status: c.Status, Dir: dirOf(c.Name), Digest: digest(c.Image),
		Unheard: c.Status == containers.StatusUnknown, Over: dead(c) && c.Status != containers.StatusUnknown}
}

// digest is the one that an image was asked for by. Zun tells the image's name
// and no more [ZUN:zun/api/controllers/v1/views/containers_view.py].
func digest(image string) trial.Reading[string] {
	if _, sum, ok := strings.Cut(image, "@"); ok {
		return trial.Read(sum)
	}
	return trial.Unread[string]("Zun tells the image's name, not its digest; name it as image@sha256:… to pin it")
}

// awaitRunning waits for Running. Neither a failing image pull nor a device
// without connection ends the status Creating, so time does.
func (s *containerClient) awaitRunning(ctx context.Context, c containers.Container, req run.ContainerRequest,
	progress func(string)) (containers.Container, error) {
	start := launch{client: s, image: req.Image, began: time.Now(), say: progress}
	said, patience := "", s.Pace.Patience()
	defer s.watch.await()()
	err := s.Pace.Poll(ctx, func() (bool, error) {
		got, err := s.look(ctx, c.UUID)
		if apierror.Is(err, apierror.NotFound) {
			return false, failure.Cloud.Errorf("container %s is gone before it ran", c.Name).
				Advise("its lease may have ended: `%s`", s.Commands.Line("lease", "list")).
				Because(apierror.From(err))
		}
		if !patience.Forgive(err) {
			return false, err
		}
		if err != nil {
			progress(patient.BadLook(err))
			return false, nil
		}
		c = *got
		if say := describeContainer(c); say != said {
			progress(say)
			said = say
		}
		return start.look(ctx, c)
	})
	if err != nil {
		return c, s.Failed("waiting for the container "+c.Name, err)
	}
	return c, nil
}

// launch is how long one start has been going on, and going wrong.
type launch struct {
	client    *containerClient
	image     string
	began     time.Time
	claimed   bool      // somebody works on it, or did
	pullSince time.Time // since when the image looks impossible to pull; zero: it does not
	say       func(string)
	guessed   bool // that it may be the image
}

// look reports whether the container runs, or why it never will.
func (l *launch) look(ctx context.Context, c containers.Container) (bool, error) {
	switch {
	case c.Status == containers.StatusRunning:
		return true, nil
	case c.Status == containers.StatusDeleted:
		return false, failure.Cloud.Errorf("container %s never started", c.Name).
			Advise("resume the run; if it happens again, tell the site's help desk").
			Because(errVanished)
	case dead(c) && c.Status != containers.StatusUnknown:
		return false, l.client.containerFailure(ctx, c)
	}
	l.claimed = l.claimed || c.TaskState != "" || c.Status != containers.StatusCreating
	if !l.claimed && time.Since(l.began) > l.client.opts.ClaimTime {
		return false, failure.Cloud.Errorf("container %s is not being made: the service has lost it", c.Name).
			Advise("resume the run; if it happens again, tell the site's help desk").
			Because(errVanished)
	}
	switch {
	case !pullFailing(c):
		l.pullSince = time.Time{}
	case l.pullSince.IsZero():
		l.pullSince = time.Now()
	case time.Since(l.pullSince) >= l.client.opts.PullGrace:
		return false, pullFailure(c, l.image)
	}
	waited := time.Since(l.began)
	if !l.guessed && waited >= l.client.opts.PullGrace {
		l.guessed = true
		l.say(fmt.Sprintf("container %s is %s for %s now, and the site gives no reason. An image that cannot be pulled "+
			"looks like this, and so does a large one: does `docker pull %s` work from anywhere without a login, and is "+
			"it for linux/arm64? chexp waits up to %s in all, while the lease lasts; Ctrl-C gives the device back", c.Name,
			c.Status, waited.Round(time.Second), l.image, l.client.opts.LaunchTimeout))
	}
	if waited >= l.client.opts.LaunchTimeout {
		return false, failure.Cloud.Errorf("container %s is still %s after %s", c.Name, c.Status,
			waited.Round(time.Second)).
			Advise("can image %s be pulled from anywhere, and is it for linux/arm64? Is it very large? Else try "+
				"another device", l.image)
	}
	return false, nil
}

func describeContainer(c containers.Container) string {
	say := fmt.Sprintf("container %s is %s", c.Name, c.Status)
	if c.StatusDetail != "" {
		say += ": " + apierror.Line(c.StatusDetail)
	}
	if c.StatusReason != "" {
		say += " (" + apierror.Line(c.StatusReason) + ")"
	}
	return say
}

// pullFailing: Kubernetes' words for an image it cannot get. They come and go
// while it tries again.
func pullFailing(c containers.Container) bool {
	for _, word := range []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName"} {
		if strings.Contains(c.StatusDetail, word) || strings.Contains(c.StatusReason, word) {
			return true
		}
	}
	return false
}

func pullFailure(c containers.Container, image string) error {
	return failure.Cloud.Errorf("container %s never started: image %s cannot be pulled", c.Name, image).
		Advise("check the image's name and tag; `docker pull %s` must work from anywhere without a login", image).
		Because(errors.New(apierror.Line(cmp.Or(c.StatusReason, c.StatusDetail))))
}

// containerFailure explains the status Error, or another that ends a start.
func (s *containerClient) containerFailure(ctx context.Context, c containers.Container) error {
	why := apierror.Line(cmp.Or(c.StatusReason, c.StatusDetail, "the service gives no reason"))
	msg := fmt.Sprintf("container %s did not start, its status is %s", c.Name, c.Status)
	next := "try again, with another device if it is always the same"
	switch {
	case c.StatusDetail == "Unschedulable", strings.Contains(why, "not enough hosts available"):
		next = fmt.Sprintf("the reservation is not active on any device that answers: look at the lease (`%s`), and "+
			"try another device", s.Commands.Line("lease", "list"))
	case c.StatusDetail == "ContainersNotReady":
		next = "its command keeps ending: the image must be for the device's architecture (linux/arm64) and the " +
			"command one that stays alive, like sleep infinity"
		if log := s.lastLog(ctx, c.UUID); log != "" {
			msg += "; it printed: " + log
		}
	case strings.Contains(why, "disk quota"), strings.Contains(why, "reservaton ID"): // upstream's spelling
		next = "chexp should not have asked for this: report it"
	case strings.Contains(why, "device_profile"):
		next = "the device does not have what the experiment asks for"
	}
	return failure.Cloud.Errorf("%s", msg).Advise("%s", next).Because(errors.New(why))
}

// lastLog is the last line the container printed, if it can be had: "exec
// format error" is what an image for another architecture leaves.
func (s *containerClient) lastLog(ctx context.Context, id string) string {
	text, err := containers.Logs(ctx, s.container, id, containers.LogsOpts{Tail: 5}).Extract()
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return apierror.Line(lines[len(lines)-1])
}

// Destroy removes the container, and before it the floating IPs at its ports,
// which nothing else would ever remove. They have a third of the time: the container
// must not stay for them.
func (s *containerClient) Destroy(ctx context.Context, id string) error {
	first, cancel := patient.Part(ctx, 3)
	ipErr := s.addresses.release(first, id)
	cancel()
	force := false // one that is Creating, or in another state that stop does not take
	err := chameleon.Remove(ctx, s.Client, chameleon.Removal{
		What: "removing the container " + id,
		Delete: func(ctx context.Context) error {
			err := containers.Delete(ctx, s.container, id, containers.DeleteOpts{Stop: !force, Force: force}).ExtractErr()
			force = force || apierror.Is(err, apierror.Conflict)
			return err
		},
		Look: func(ctx context.Context) (gone, going bool, err error) {
			c, err := containers.Get(ctx, s.container, id).Extract()
			if err != nil {
				return apierror.Is(err, apierror.NotFound), false, err
			}
			force = force || c.Status == containers.StatusError
			return c.Status == containers.StatusDeleted, c.Status == containers.StatusDeleting, nil
		},
		Refused: func(e *apierror.Error) error {
			if e.Kind != apierror.Busy {
				return nil
			}
			return failure.Cloud.Errorf("removing the container %s", id).
				Advise("deleting the lease removes it as well: `%s` shows it", s.Commands.Line("lease", "list")).
				Because(e)
		},
	})
	return errors.Join(ipErr, err)
}
