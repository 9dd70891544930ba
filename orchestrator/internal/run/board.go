package run

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/store"
)

// ask puts into a request which boards the attempts at its devices want.
func (a reserving) ask(req *LeaseRequest) {
	if a.shared == nil {
		return
	}
	want := a.Experiment.Lease
	req.Devices, req.AllFree, req.Boards = len(a.shared), want.AllFree, nil
	if a.others != nil {
		req.Not = a.others
	}
	for _, m := range a.shared {
		if board := m.named(); board != "" {
			req.Boards = append(req.Boards, board)
		}
	}
}

// take hands the boards of a lease to the attempts that share it. A board goes to
// the attempt that had it before, or that asked for it by name; the others go by
// name. An attempt for which none is left gets none.
func (a reserving) take(l Lease) error {
	if a.shared == nil {
		a.lease = a.oneOf(l)
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
	give(func(m *attempt, b Board) bool { return wants(m.named(), b.Device) })
	kind := a.Experiment.Lease.MachineName
	give(func(m *attempt, b Board) bool { // a lease that was made elsewhere may have boards of other types
		return m.named() == "" && (kind == "" || b.Device.MachineName == "" || b.Device.MachineName == kind)
	})
	for _, m := range left {
		m.record(store.Entry{Kind: store.Remark, Text: "the lease " + l.Name + " has no board for this device"})
	}
	return failed
}

// oneOf is a lease as a run with one device uses it: by the reservation of the board
// that the experiment wants. A lease that was made elsewhere may have several.
func (a reserving) oneOf(l Lease) Lease {
	all := l.Boards
	l.Boards = nil
	if len(all) == 0 || len(all) == 1 && all[0].Device == (Device{}) && all[0].Unproven == "" {
		return l // there is nothing to choose, or to learn
	}
	want := a.leaseRequest(a.Site.Now())
	b := all[max(0, slices.IndexFunc(all, func(b Board) bool { return want.Wants(b.Device) }))]
	l.ReservationID, l.Device, l.Unproven = b.ReservationID, b.Device, b.Unproven
	if b.Unproven != "" {
		a.Observe.Warn("board not proven: " + b.Unproven)
	}
	return l
}

// named is the name or uid of the board that the experiment names for the attempt's
// device; "" where any of a kind will do.
func (a *attempt) named() string {
	if k := a.slot() - 1; k < len(a.Experiment.Lease.Boards) {
		return a.Experiment.Lease.Boards[k]
	}
	return ""
}

// wants reports whether this is the board that was named.
func wants(named string, d Device) bool {
	return named != "" && (named == d.Name || strings.EqualFold(named, d.UID))
}

// hold makes one board of a lease the attempt's.
func (a *attempt) hold(l Lease, b Board) error {
	if err := a.Store.MakeDevice(); err != nil {
		return err
	}
	l.ReservationID, l.Device, l.Unproven, l.Boards = b.ReservationID, b.Device, b.Unproven, nil
	a.lease = l
	if a.held.Board.ID != b.ReservationID || a.held.Board.Name != b.Device.Name {
		a.record(store.Entry{
			Kind: store.Done, What: aBoard, Name: b.Device.Name, ID: b.ReservationID, Data: raw(b.Device),
		})
	}
	a.noteFacts()
	if a.Boards != nil {
		a.Boards.Named(a.slot(), a.name())
	}
	if b.Unproven != "" {
		a.Observe.Warn("board not proven: " + b.Unproven)
	}
	return nil
}

// boards names the devices of the lease.
func (a reserving) boards() string {
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
	return fmt.Sprintf("%s (%s)", words.Plural(len(names), "device"), text)
}

// name is what the attempt's device is called: by its site, else by its slot.
func (a *attempt) name() string {
	return cmp.Or(a.lease.Device.Name, a.held.Board.Name, fmt.Sprintf("device %d", a.slot()))
}

// together does something for every attempt that shares the lease, at once.
func (a reserving) together(do func(*attempt)) {
	if a.shared == nil {
		do(a.attempt)
		return
	}
	var all sync.WaitGroup
	for _, m := range a.shared {
		all.Go(func() { do(m) })
	}
	all.Wait()
}
