package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/gate"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"
)

// tenant is a container of the user's that may be on a lease's device.
type tenant struct {
	site.Container
	certain bool
}

func (k tenant) where() string {
	if k.certain {
		return "is on its device"
	}
	return "may be on its device (the site does not tell)"
}

// inside lists the user's containers that are on a lease's device or may be, the
// runs' apart from others'. A run's container goes by its lease's name; where
// the user has one lease only, everything is in it.
func (c *chooser) inside(ctx context.Context, l site.Lease, all []site.Lease) (runs, others []tenant, err error) {
	if !c.asked {
		if c.tenants, err = c.cloud.Containers(ctx); err != nil {
			return nil, nil, err
		}
		c.asked = true
	}
	var live []site.Lease
	for _, x := range all {
		if x.Mine && x.State.Serves() && x.ReservationID != "" {
			live = append(live, x)
		}
	}
	for _, k := range c.tenants {
		t := tenant{Container: k, certain: len(live) == 1}
		if !runName.MatchString(k.Name) {
			others = append(others, t)
			continue
		}
		at := slices.IndexFunc(live, func(x site.Lease) bool { return ofRun(x, k.Name) })
		if at >= 0 && live[at].ID != l.ID {
			continue
		}
		t.certain = t.certain || at >= 0
		runs = append(runs, t)
	}
	return runs, others, nil
}

// runName fits the names of the containers of runs: the run's id, with its four letters,
// which device of several it is on, and which attempt that is.
var runName = regexp.MustCompile(`^([0-9]{8}t[0-9]{6}z-[a-z0-9-]+(-[a-z]{4}))(-d[0-9]+)?(-[0-9]+)?$`)

// longestContainer is how long a container's name is whose run's id may have been cut.
const longestContainer = 63

// ofRun reports whether the run of this container made the lease. The devices of a run
// count their attempts each, so that they say nothing of the lease's number.
func ofRun(l site.Lease, container string) bool {
	m, name := runName.FindStringSubmatch(container), strings.ToLower(l.Name)
	if m == nil {
		return false
	}
	if m[3] != "" {
		return strings.HasPrefix(madeByRun.FindString(name), m[2])
	}
	return strings.HasSuffix(name, m[2]+m[4])
}

// works refuses a lease that a container of another run is certainly in; its advice is the
// command that goes on with that run.
func (c *chooser) works(runs []tenant, lease string) *failure.Error {
	for _, k := range runs {
		if !k.certain {
			continue
		}
		m := runName.FindStringSubmatch(k.Name)
		id := m[1]
		if len(k.Name) >= longestContainer {
			id = m[2][1:]
		}
		return failure.Usage.Errorf("run %s works in the lease %s: two would disturb each other", id, lease).
			Advise("%s", c.lines.Line("run", "--resume", id))
	}
	return nil
}

// makerOf is a run of this machine that made a lease and holds it: it gives it back when it
// goes on or is ended, whoever else works there. "" if there is none.
func makerOf(l site.Lease, all *store.Root) string {
	letters := madeByRun.FindStringSubmatch(l.Name)
	if letters == nil {
		return ""
	}
	ids, _ := all.IDs() // what cannot be read holds nothing that could be told
	for _, id := range ids {
		if !strings.HasSuffix(id, letters[1]) {
			continue
		}
		s, err := all.Open(id)
		if err != nil {
			continue
		}
		entries, _, err := store.Readable(s)
		if err != nil || isRehearsal(s) {
			continue
		}
		for _, slot := range run.Replay(entries).Slots {
			if h := slot.Lease; h.Open() && !h.Found && (h.ID == l.ID || h.ID == "" && h.Name == l.Name) {
				return id
			}
		}
	}
	return ""
}

// vacant is [run.Config].Vacant: a run that comes to a lease that it did not make, maybe
// days after it chose it, does not begin beside another. Two that begin at the same
// moment on this machine are kept apart by a file.
func (c *chooser) vacant(ctx context.Context, l run.Lease, r *run.Run) error {
	all, err := c.cloud.Leases(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(x site.Lease) bool { return x.ID == l.ID })
	if i < 0 {
		return nil // the site will tell
	}
	c.asked = false
	runs, _, err := c.inside(ctx, all[i], all)
	if err != nil {
		return err
	}
	again := r.Commands.Resume()
	if c.release {
		again += " --release"
	}
	runs = slices.DeleteFunc(runs, func(k tenant) bool { return strings.HasPrefix(k.Name, r.Store.ID) })
	if err := c.works(runs, l.Name); err != nil {
		return err.Advise("`%s` goes on with that run; when it is done, `%s` goes on with this one", err.Next, again)
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("chexp-locks-%d", os.Getuid()))
	if gate.To(dir, "lease "+l.ID).Hold() {
		return nil
	}
	return failure.Usage.Errorf("another chexp has just begun in the lease %s: two would disturb each other", l.Name).
		Advise("when it is done, `%s` goes on with this run", again)
}
