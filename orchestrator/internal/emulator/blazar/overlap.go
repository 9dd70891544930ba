package blazar

import (
	"slices"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Nothing in Chameleon's Blazar keeps one board to one lease. A creation looks for free boards and
// books them without a lock, an extension asks the table of hosts about boards, and the only mark
// on a board is a label of its node, which the last writer owns.

// label is what Blazar writes on a node when a reservation begins there. Kubernetes puts a
// container only on a node with the labels of its reservation and its project.
type label struct{ reservation, project string }

// nodes are the boards' labels.
type nodes map[*world.Device]label

// mark labels the nodes of an active reservation, whatever they were labelled before
// [BLZ:plugins/devices/k8s_plugin.py allocate].
func (n nodes) mark(l *lease, r *reservation) {
	for _, d := range r.devices {
		n[d] = label{r.id, l.projectID}
	}
}

// unmark takes the labels off a reservation's nodes, without a look at whose they are: at the end
// of one lease the board of another that is ACTIVE loses its label too, also if the one that ends
// had not begun [BLZ:plugins/devices/k8s_plugin.py deallocate].
func (n nodes) unmark(r *reservation) {
	for _, d := range r.devices {
		delete(n, d)
	}
}

// Labelled are the boards whose nodes have the labels of a reservation of that project, for Zun's
// scheduler.
func (s *book) Labelled(reservationID, projectID string) []*world.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*world.Device
	for _, d := range s.devices {
		if s.labels[d] == (label{reservationID, projectID}) {
			found = append(found, d)
		}
	}
	return found
}

// leaked is a board that a reservation without a lease keeps for a time. No list shows it, and
// only the operators can free it. It is what a creation leaves that books some boards and then
// fails: only the lease is rolled back, not the rows of its boards (recorded, cases fleet/31b to
// 33d). Of machines that was not seen.
type leaked struct {
	device     *world.Device
	start, end time.Time
}

// raceTime is how long a creation does not see another's boards: the real one took 0.3 to 0.6 s
// between its look for free boards and the answer.
const raceTime = time.Second

// overlaps tells whether another lease has a board of this one at a time of this one.
func (s *book) overlaps(l *lease) bool {
	return slices.ContainsFunc(s.leases, func(o *lease) bool {
		return o != l && !o.deleted && o.start.Before(l.end) && l.start.Before(o.end) &&
			slices.ContainsFunc(o.devices(), func(d *world.Device) bool { return slices.Contains(l.devices(), d) })
	})
}

// rivals lets another project book the new lease's boards as well, as was ordered: for the same
// time, as its creation at the same moment does, or for the two hours after it.
func (s *book) rivals(l *lease) {
	if s.World.Orders.Take(RivalSame) {
		s.scenery(s.World.User(world.Carol), "rival", l.devices(), l.start, l.end)
	}
	if s.World.Orders.Take(RivalAfter) {
		s.scenery(s.World.User(world.Carol), "next", l.devices(), l.end, l.end.Add(2*time.Hour))
	}
}

// scenery adds somebody's lease of some boards; the caller holds s.mu.
func (s *book) scenery(u *world.User, name string, devices []*world.Device, start, end time.Time) *lease {
	now := s.World.Now()
	who := front.Caller{UserID: u.ID, UserName: u.Name, ProjectID: u.Project.ID}
	l := s.newLease(name, who, start, end, start, now)
	l.seeded = true
	for _, d := range devices {
		l.reservations = append(l.reservations, &reservation{id: world.NewUUID(), resourceID: world.NewUUID(),
			status: "pending", props: `["==", "$name", "` + d.Name + `"]`, before: "default", min: 1, max: 1,
			devices: []*world.Device{d}, created: now, updated: now})
	}
	s.leases = append(s.leases, l)
	return l
}

// Seed adds a lease that is part of the scenery: somebody else's, active, on the named
// board, for some hours.
func (s *book) Seed(u *world.User, name, device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.Name != device {
			continue
		}
		now := s.World.Now()
		start := now.Truncate(time.Minute).Add(-time.Hour)
		l := s.scenery(u, name, []*world.Device{d}, start, start.Add(6*time.Hour))
		l.status = active
		l.startEvent.set(done, now)
		l.beforeEnd.set(done, now)
		l.reservations[0].status = "active"
		s.labels.mark(l, l.reservations[0])
		return
	}
}
