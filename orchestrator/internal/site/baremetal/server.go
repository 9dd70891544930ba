package baremetal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
)

// Nova's statuses that matter here.
const (
	active  = "ACTIVE"
	build   = "BUILD"
	errored = "ERROR"
	deleted = "DELETED"

	deleting = "deleting" // a task
)

// Launch makes the server and waits until it is deployed, or adopts the one of this name.
// See run.Launcher.
func (s *serverClient) Launch(ctx context.Context, req run.ContainerRequest,
	progress func(string)) (run.Container, error) {
	if !chameleon.DNSLabel.MatchString(req.Name) || req.Image == "" || req.ReservationID == "" {
		return run.Container{}, failure.Usage.Errorf("server %q cannot be made of image %q in reservation %q", req.Name,
			req.Image, req.ReservationID).Advise("change the server section of the experiment")
	}
	made, err := s.obtain(ctx, req, progress)
	if err != nil {
		return run.Container{}, err
	}
	s.noteName(*made)
	s.keys.tie(made.Name, made.ID)
	running, err := s.awaitActive(ctx, *made, progress)
	if err != nil {
		clean, cancel := patient.Detached(ctx, s.Pace.Cleanup/6) // the run tries again, with more time
		defer cancel()
		if cleanErr := s.Destroy(clean, made.ID); cleanErr != nil {
			return s.toContainer(ctx, *made), errors.Join(err, cleanErr)
		}
		return run.Container{}, err
	}
	if err := s.removeKeyPair(ctx, req.Name); err != nil { // the server has the key, and the run looks for it at its end
		progress(err.Error())
	}
	return s.toContainer(ctx, running), nil
}

// obtain adopts the live server of this name if it can be entered, else it is removed and
// made.
func (s *serverClient) obtain(ctx context.Context, req run.ContainerRequest,
	progress func(string)) (*servers.Server, error) {
	v, err := s.theServer(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	if v != nil {
		_, err := s.keys.find(req.Name)
		why := ""
		switch {
		case over(*v):
			why = strings.TrimSpace("which is in " + v.Status + " " + v.TaskState)
		case err != nil:
			why = "whose key is not here"
		default:
			return v, nil
		}
		progress(fmt.Sprintf("removing server %s of an earlier try, %s", req.Name, why))
		if err := s.Destroy(ctx, v.ID); err != nil {
			return nil, err
		}
	}
	return s.create(ctx, req)
}

// over reports whether nothing runs on a server, and never will. One that is being deleted
// may be ACTIVE to its end.
func over(v servers.Server) bool {
	return v.Status == errored || v.Status == deleted || v.Status == "SOFT_DELETED" || v.TaskState == deleting
}

// list lists the user's own servers, by name if one is given.
func (s *serverClient) list(ctx context.Context, name string) ([]servers.Server, error) {
	opts := servers.ListOpts{}
	if name != "" {
		opts.Name = "^" + regexp.QuoteMeta(name) + "$" // it is a pattern to Nova
	}
	all, err := chameleon.EverythingUnder(ctx, "servers", servers.List(s.compute, opts),
		func(r pagination.PageResult) pagination.Page {
			return servers.ServerPage{LinkedPageBase: pagination.LinkedPageBase{PageResult: r}}
		}, servers.ExtractServers)
	return slices.DeleteFunc(all, func(v servers.Server) bool {
		return v.UserID != s.Me() || name != "" && v.Name != name
	}), err
}

// theServer returns this user's server of this name, nil when there is none.
func (s *serverClient) theServer(ctx context.Context, name string) (*servers.Server, error) {
	all, err := s.list(ctx, name)
	if err != nil {
		return nil, s.Failed("looking for the server "+name, err)
	}
	all = slices.DeleteFunc(all, func(v servers.Server) bool { return v.Status == deleted })
	v, err := chameleon.TheOnly(all, "servers", name, func(v servers.Server) (id, status string) {
		return v.ID, v.Status
	})
	if v != nil {
		s.noteName(*v)
	}
	return v, err
}

// Containers lists the user's own servers that have not ended.
func (s *serverClient) Containers(ctx context.Context) ([]site.Container, error) {
	all, err := s.list(ctx, "")
	if err != nil {
		return nil, s.Failed("listing the servers", err)
	}
	var own []site.Container
	for _, v := range all {
		if !over(v) {
			image, _ := v.Image["id"].(string)
			own = append(own, site.Container{Container: run.Container{ID: v.ID, Name: v.Name, Status: v.Status},
				Image: image})
		}
	}
	return own, nil
}

// FindContainer looks a server up by exact name.
func (s *serverClient) FindContainer(ctx context.Context, name string) (run.Container, bool, error) {
	v, err := s.theServer(ctx, name)
	if err != nil || v == nil {
		return run.Container{}, false, err
	}
	return s.toContainer(ctx, *v), true, nil
}

func (s *serverClient) toContainer(ctx context.Context, v servers.Server) run.Container {
	c := run.Container{ID: v.ID, Name: v.Name, Status: v.Status, Dir: "/home/" + login + "/" + v.Name, Over: over(v),
		Host: apierror.Line(v.HypervisorHostname)}
	id, _ := v.Image["id"].(string)
	if id == "" {
		c.Digest = trial.Unread[string]("the site does not tell the server's image")
		return c
	}
	img, err := images.Get(ctx, s.image, id).Extract()
	if err != nil {
		c.Digest = trial.Unread[string](words.Line(apierror.From(err).Error(), words.MaxName))
		return c
	}
	c.Digest = digestOf(*img)
	return c
}

// noteName keeps which name a server has, for when it is gone: its keys have the same.
func (s *serverClient) noteName(v servers.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[v.ID] = v.Name
}

func (s *serverClient) nameOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.names[id], s.keys.nameOf(id))
}

// awaitActive waits for the end of a deployment, which Ironic tells nothing of meanwhile.
func (s *serverClient) awaitActive(ctx context.Context, v servers.Server,
	progress func(string)) (servers.Server, error) {
	began, said, patience := time.Now(), "", s.Pace.Patience()
	err := s.Pace.Poll(ctx, func() (bool, error) {
		got, err := servers.Get(ctx, s.compute, v.ID).Extract()
		if apierror.Is(err, apierror.NotFound) {
			return false, failure.Cloud.Errorf("server %s is gone before it ran", v.Name).
				Advise("its lease may have ended, or somebody deleted it: `%s`", s.Commands.Line("lease", "list")).
				Because(apierror.From(err))
		}
		if !patience.Forgive(err) {
			return false, err
		}
		if err != nil {
			progress(patient.BadLook(err))
			return false, nil
		}
		v = *got
		waited := time.Since(began)
		if say := describe(v, waited); say != said {
			progress(say)
			said = say
		}
		switch {
		case v.Status == active && v.TaskState != deleting:
			return true, nil
		case v.Status != build:
			return false, s.deployFailure(v)
		case waited >= s.opts.Deploy:
			return false, failure.Cloud.Errorf("server %s is still %s after %s", v.Name, v.Status, clock.Span(waited)).
				Advise("a deployment takes 10 to 20 minutes: try another node, or tell the site's help desk which it was")
		}
		return false, nil
	})
	if err != nil {
		return v, s.Failed("waiting for the server "+v.Name, err)
	}
	return v, nil
}

// describe is the server's state in Nova's words. Every five minutes it says that it still
// waits.
func describe(v servers.Server, waited time.Duration) string {
	say := fmt.Sprintf("server %s is %s", v.Name, apierror.Line(v.Status))
	if v.TaskState != "" {
		say += ", " + apierror.Line(v.TaskState)
	}
	if v.Status == build {
		if long := waited.Truncate(5 * time.Minute); long > 0 {
			say += " for " + clock.Span(long)
		}
		say += " (a deployment takes 10 to 20 minutes)"
	}
	return say
}

// Destroy removes the server, and before it its floating IP, which nothing else would ever
// remove. After a deletion a server may still be shown, as ACTIVE, too: only a 404 says
// that it is gone.
func (s *serverClient) Destroy(ctx context.Context, id string) error {
	if v, err := servers.Get(ctx, s.compute, id).Extract(); err == nil && v.ID == id {
		s.noteName(*v)
	}
	first, cancel := patient.Part(ctx, 3)
	ipErr := s.addresses.Release(first, id, func(ctx context.Context) (port string, none bool) {
		port, _ = s.port(ctx, id) // gone with the server, perhaps: then the note tells
		return port, false
	})
	cancel()
	err := chameleon.Remove(ctx, s.Client, chameleon.Removal{
		What:   "removing the server " + id,
		Delete: func(ctx context.Context) error { return servers.Delete(ctx, s.compute, id).ExtractErr() },
		Look: func(ctx context.Context) (gone, going bool, err error) {
			v, err := servers.Get(ctx, s.compute, id).Extract()
			if err != nil {
				return apierror.Is(err, apierror.NotFound), false, err
			}
			return false, v.TaskState == deleting || v.Status == deleted, nil
		},
	})
	name := s.nameOf(id)
	if err != nil || name == "" {
		return errors.Join(ipErr, err)
	}
	err = s.removeKeyPair(ctx, name)
	s.keys.forget(name)
	return errors.Join(ipErr, err)
}

// port is the server's port on the site's network; "": it has none yet.
func (s *serverClient) port(ctx context.Context, id string) (string, error) {
	client, err := s.addresses.Network()
	if err != nil {
		return "", err
	}
	all, err := chameleon.EverythingUnder(ctx, "ports", ports.List(client, ports.ListOpts{DeviceID: id}),
		func(r pagination.PageResult) pagination.Page {
			return ports.PortPage{LinkedPageBase: pagination.LinkedPageBase{PageResult: r}}
		}, ports.ExtractPorts)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0].ID, nil
}
