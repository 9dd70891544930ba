// Package ownhost is a run.Site on a machine of one's own that is reached by SSH: a
// Pi on the desk, a server. There is no lease and no container: the run has a
// directory in the user's home there, in which all that it sends, unpacks and
// measures lies, and which is removed at its end with what still runs in it.
//
// Who the machine is says known_hosts, as for ssh; nothing is trusted on first use.
// ~/.ssh/config is not read.
package ownhost

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strconv"
	"sync"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
)

var (
	_ run.Site      = (*Site)(nil)
	_ site.Examiner = (*Site)(nil)
)

// Options say which machine, and as whom.
type Options struct {
	Host  spec.Host
	Home  string // of the user on this machine
	Agent string // the socket of ssh-agent; "": there is none
	Me    string // who signs in where Host names nobody

	System []string // known_hosts files for all users of this machine; nil: OpenSSH's
}

// Site is that machine.
type Site struct {
	opts Options
	dial func(context.Context, sshexec.Config) (transport.Transport, error)

	mu    sync.Mutex
	shown string // the fingerprint of the host key, once it was shown
	busy  string // what else was at work there when the run began
}

// New makes a Site; it connects to nothing.
func New(o Options) (*Site, error) {
	if o.Host.Name == "" {
		return nil, failure.Usage.Errorf("the experiment names no machine").
			Advise("write host: user@machine beside site: ssh in its file")
	}
	if o.Host.User = cmp.Or(o.Host.User, o.Me); o.Host.User == "" {
		return nil, failure.Usage.Errorf("who signs in at %s is not known", o.Host.Name).
			Advise("write host: user@%s", o.Host.Name)
	}
	return &Site{opts: o, dial: func(ctx context.Context, c sshexec.Config) (transport.Transport, error) {
		return sshexec.Dial(ctx, c)
	}}, nil
}

// Describe returns which machine it is.
func (s *Site) Describe() map[string]string {
	h := s.opts.Host
	return map[string]string{"site": Kind.Name, "host": h.User + "@" + h.Name, "port": strconv.Itoa(h.Port), "key": h.Key}
}

// DescribedHost is the machine that [Site.Describe] told of.
func DescribedHost(facts map[string]string) spec.Host {
	h, why := spec.ParseHost(facts["host"])
	if why != "" {
		return spec.Host{}
	}
	h.Port, _ = strconv.Atoi(facts["port"])
	h.Key = facts["key"]
	return h
}

// Now is this machine's time: the other one's clock may be off.
func (s *Site) Now() time.Time { return time.Now().UTC() }

// WarningsUntil says what else is at work on the machine.
func (s *Site) WarningsUntil(time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == "" {
		return nil
	}
	return []string{s.busy}
}

// Reserve succeeds: there is nobody to ask. The id is the name.
func (s *Site) Reserve(_ context.Context, req run.LeaseRequest) (run.Lease, error) {
	return s.lease(req.Name), nil
}

// FindLease finds any lease, since each exists as soon as it is named.
func (s *Site) FindLease(_ context.Context, name string) (run.Lease, bool, error) {
	return s.lease(name), true, nil
}

// Await looks whether the machine is there, can carry the run, and is idle.
func (s *Site) Await(ctx context.Context, id string, progress func(string)) (run.Lease, error) {
	l := s.lease(id)
	progress("looking at " + s.login())
	m, err := s.look(ctx)
	if err == nil {
		err = m.fit(s)
	}
	if err != nil {
		return l, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = m.busyWith(s)
	l.Device.Arch, l.Device.ID, l.Device.UID = m.arch, s.shown, s.shown
	return l, nil
}

// Release has nothing to give back.
func (s *Site) Release(context.Context, string) error { return nil }

func (s *Site) lease(name string) run.Lease {
	h := s.opts.Host
	return run.Lease{
		ID: name, Name: name, Status: "ACTIVE", State: run.LeaseActive, ReservationID: name, Start: s.Now(),
		Device: run.Device{ID: h.Name, Name: h.Name, MachineName: Kind.Name},
	}
}

// Arch asks the machine for its architecture, in Go's words.
func (s *Site) Arch(ctx context.Context) (string, error) {
	m, err := s.look(ctx)
	if err == nil {
		err = m.runs(s)
	}
	return m.arch, err
}

// Launch makes the run's directory there, or adopts the one that an earlier Launch of
// this name made.
func (s *Site) Launch(ctx context.Context, req run.ContainerRequest, progress func(string)) (run.Container, error) {
	if !label.MatchString(req.Name) {
		return run.Container{}, failure.Usage.Errorf("%q cannot be the name of a work directory: lower case letters, "+
			"digits and -, at most 63", req.Name)
	}
	out, err := s.script(ctx, makeScript, req.Name, strconv.Itoa(leastRoom))
	if err != nil {
		return run.Container{}, err
	}
	if out.Code != 0 {
		return run.Container{}, s.cannotMake(req.Name, out)
	}
	dir := firstLine(out.Output)
	if !isWorkDir(dir, req.Name) {
		return run.Container{}, s.oddHome(dir)
	}
	progress(fmt.Sprintf("working in %s on %s", dir, s.login()))
	return container(dir), nil
}

// container is the work directory in run's words. The run fills a directory of its own
// in it, beside the marker.
func container(dir string) run.Container {
	return run.Container{ID: dir, Name: path.Base(dir), Status: "Running",
		Digest: trial.Unread[string]("this machine runs no image"), Dir: path.Join(dir, "work")}
}

// FindContainer finds a directory that Launch made.
func (s *Site) FindContainer(ctx context.Context, name string) (c run.Container, found bool, err error) {
	if !label.MatchString(name) {
		return c, false, nil
	}
	out, err := s.script(ctx, findScript, name)
	if err != nil || out.Code == exitNotThere {
		return c, false, err
	}
	dir := firstLine(out.Output)
	if out.Code != 0 {
		return c, false, s.said("looking for "+name, out)
	}
	if !isWorkDir(dir, name) {
		return c, false, s.oddHome(dir)
	}
	return container(dir), true, nil
}

// Dial opens the transport, whichever the request names. What the agent unpacks goes
// into the run's directory.
func (s *Site) Dial(ctx context.Context, c run.Container, _ run.ContainerRequest,
	_ func(string)) (transport.Transport, error) {
	return s.open(ctx, agentCache+"="+c.ID)
}

// agentCache names where the agent unpacks (agent/internal/payload).
const agentCache = "CHEXP_AGENT_CACHE"

// Destroy ends what still runs in the work directory and removes it, if Launch made it.
func (s *Site) Destroy(ctx context.Context, id string) error {
	name := path.Base(id)
	if !label.MatchString(name) || !isWorkDir(id, name) {
		return failure.Unexpected.Errorf("%s is no work directory of chexp: it stays", id)
	}
	out, err := s.script(ctx, removeScript, name)
	switch {
	case err != nil:
		return err
	case out.Code == exitForeign:
		return failure.Device.Errorf("%s on %s is not a directory that chexp made: it stays", id, s.login()).
			Advise("remove it yourself if nobody needs it: `%s`", s.shell("rm -r "+id))
	case out.Code != 0:
		return s.said("removing "+id, out)
	}
	return nil
}
