package run

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// ask puts into a request which boards the attempts at its devices want.
func (a *attempt) ask(req *LeaseRequest) {
	if a.shared == nil {
		return
	}
	want := a.Experiment.Lease
	req.Devices, req.AllFree = len(a.shared), want.AllFree
	if a.others != nil {
		req.Not = a.others
	}
	for _, m := range a.shared {
		if k := m.slot() - 1; k < len(want.Boards) {
			req.Boards = append(req.Boards, want.Boards[k])
		}
	}
}

// take hands the boards of a lease to the attempts that share it. A board goes to
// the attempt that had it before, or that asked for it by name; the others go by
// name. An attempt for which none is left gets none.
func (a *attempt) take(l Lease) error {
	if a.shared == nil {
		a.lease = l
		a.noteFacts()
		return nil
	}
	var failed error
	if len(l.Boards) == 0 {
		return failure.Cloud.Errorf("the lease %s holds no board", l.Name).
			Advise("`%s` gives it back; then `%s`", a.Commands.DeleteLease(cmp.Or(l.ID, l.Name)), a.Commands.Resume())
	}
	free := slices.SortedFunc(slices.Values(l.Boards), func(x, y Board) int {
		return cmp.Or(cmp.Compare(x.Device.Name, y.Device.Name), cmp.Compare(x.ReservationID, y.ReservationID))
	})
	left := slices.Clone(a.shared)
	give := func(fits func(*attempt, Board) bool) {
		left = slices.DeleteFunc(left, func(m *attempt) bool {
			i := slices.IndexFunc(free, func(b Board) bool { return fits(m, b) })
			if i < 0 {
				return false
			}
			failed = errors.Join(failed, m.hold(l, free[i]))
			free = slices.Delete(free, i, i+1)
			return true
		})
	}
	give(func(m *attempt, b Board) bool { return m.held.Board.ID == b.ReservationID })
	give(func(m *attempt, b Board) bool { return m.wants(b.Device) })
	give(func(m *attempt, _ Board) bool { return m.anyBoard() })
	for _, m := range left {
		m.record(store.Entry{Kind: store.Remark, Text: "the lease " + l.Name + " has no board for this device"})
	}
	return failed
}

// wants reports whether the experiment names this board for the attempt's device.
func (a *attempt) wants(d Device) bool {
	k, boards := a.slot()-1, a.Experiment.Lease.Boards
	return k < len(boards) && (boards[k] == d.Name || strings.EqualFold(boards[k], d.UID))
}

// anyBoard reports whether any board of the kind will do.
func (a *attempt) anyBoard() bool { return a.slot() > len(a.Experiment.Lease.Boards) }

// hold makes one board of a lease the attempt's.
func (a *attempt) hold(l Lease, b Board) error {
	if err := a.Store.MakeDevice(); err != nil {
		return err
	}
	l.ReservationID, l.Device, l.Boards = b.ReservationID, b.Device, nil
	a.lease = l
	if a.held.Board.ID != b.ReservationID || a.held.Board.Name != b.Device.Name {
		a.record(store.Entry{
			Kind: store.Done, What: aBoard, Name: b.Device.Name, ID: b.ReservationID, Data: raw(b.Device),
		})
	}
	a.noteFacts()
	return nil
}

// boards names the devices of the lease.
func (a *attempt) boards() string {
	if a.shared == nil {
		return a.lease.Device.Name
	}
	var names []string
	for _, m := range a.shared {
		if m.held.Board.ID != "" {
			names = append(names, m.name())
		}
	}
	const most = 4
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%d devices (%s)", len(names), text)
}

// name is what the attempt's device is called: by its site, else by its slot.
func (a *attempt) name() string {
	return cmp.Or(a.lease.Device.Name, a.held.Board.Name, fmt.Sprintf("device %d", a.slot()))
}

// together does something for every attempt that shares the lease, at once.
func (a *attempt) together(do func(*attempt)) {
	if a.shared == nil {
		do(a)
		return
	}
	var all sync.WaitGroup
	for _, m := range a.shared {
		all.Go(func() { do(m) })
	}
	all.Wait()
}
