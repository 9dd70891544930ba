package run

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// owner is the account in whose lists a run's lease and container stand. Of what
// a site does not have, or a run of before does not say, it has nothing.
type owner struct{ region, host, project, projectID, user, userID, from string }

func ownerOf(site map[string]string) owner {
	return owner{
		region: cmp.Or(site["region"], site["site"]), host: site["auth_host"],
		project: site["project"], projectID: site["project_id"],
		user: site["user"], userID: site["user_id"], from: site["credentials_from"],
	}
}

// is reports whether two accounts are one, as far as both are known. Names tell
// where an id is not known: a project can be given another name.
func (o owner) is(other owner) bool {
	for _, x := range [][2]string{
		{o.region, other.region}, {o.host, other.host},
		known(o.projectID, other.projectID, o.project, other.project),
		known(o.userID, other.userID, o.user, other.user),
	} {
		if x[0] != "" && x[1] != "" && x[0] != x[1] {
			return false
		}
	}
	return true
}

// known is the two ids, or where one is not known, the two names.
func known(id, otherID, name, other string) [2]string {
	if id == "" || otherID == "" {
		return [2]string{name, other}
	}
	return [2]string{id, otherID}
}

// told reports whether it is known whose account it is.
func (o owner) told() bool { return o.projectID+o.project+o.userID+o.user != "" }

func (o owner) String() string {
	if o.host == "" {
		return "site " + o.region
	}
	return fmt.Sprintf("project %s, user %s, at %s (%s)",
		cmp.Or(o.project, o.projectID), cmp.Or(o.user, o.userID), o.region, o.host)
}

// CheckOwner refuses a site that is reached as somebody else than the one who
// made what the run may still hold: there, "not in my list" does not mean "gone".
// A run that holds nothing, and uses nothing, can go on anywhere.
func (r *Run) CheckOwner(s Site) error {
	entries, lost, err := store.Readable(r.Store)
	if err != nil {
		return err
	}
	st := Replay(entries)
	for slot := range st.Slots {
		if err := r.checkOwner(s, slot+1, st, lost != nil); err != nil {
			return err
		}
	}
	return nil
}

// checkOwner is CheckOwner for one of the run's devices. Of what is held a line of the
// journal that is lost may tell.
func (r *Run) checkOwner(s Site, slot int, st State, lost bool) error {
	held := st.Slot(slot)
	if !held.Lease.Open() && !held.Container.Open() && !lost {
		return nil
	}
	facts, err := r.factsOf(slot, st)
	if err != nil && r.ours(s, held) {
		return nil
	}
	if err != nil {
		return failure.Storage.Errorf("whose run %s is cannot be read, so it is left alone", r.Store.ID).
			Advise("repair the file, or give back by hand what it holds: `%s`",
				r.Commands.DeleteLease(cmp.Or(held.Lease.ID, held.Lease.Name))).Because(err)
	}
	theirs, mine := ownerOf(facts[len(facts)-1].Site), ownerOf(s.Describe())
	if theirs.is(mine) {
		return nil
	}
	e := failure.Auth.Errorf("run %s belongs to %s; you are signed in to %s, where its lease and its results "+
		"cannot be seen. Nothing was changed", r.Store.ID, theirs, mine)
	if theirs.from == "" {
		return e.Advise("sign in there, then `%s`", r.Commands.Resume())
	}
	return e.Advise("sign in there (the run was begun with %s), then `%s`", theirs.from, r.Commands.Resume())
}

// factsOf are the facts of the attempts of one of the run's devices.
func (r *Run) factsOf(slot int, st State) ([]Facts, error) {
	part := r.Store
	if r.Slots(st) > 1 {
		part = r.Store.Whole().Device(slot)
	}
	return ReadFacts(part, max(1, st.Slot(slot).N)) // 0: the line of its lease is lost
}

// OwnerUnknown warns that the run's record does not say whose it is, and that this
// account does not see what it holds, so it counts as gone; "" if neither is so.
func (r *Run) OwnerUnknown(s Site) string {
	entries, err := r.Store.Entries()
	mine := ownerOf(s.Describe())
	if err != nil || !mine.told() {
		return ""
	}
	st := Replay(entries)
	for i := range st.Slots {
		held := st.Slot(i + 1)
		if !held.Lease.Open() && !held.Container.Open() {
			continue
		}
		facts, err := r.factsOf(i+1, st)
		if err != nil || ownerOf(facts[held.N-1].Site).told() || r.ours(s, held) {
			continue
		}
		return fmt.Sprintf("run %s does not say who began it, and %s does not see what it holds, which counts as gone "+
			"here: if it was begun with another account, stop it, sign in with that, and `%s`",
			r.Store.ID, mine, r.Commands.Resume())
	}
	return ""
}

// ours reports whether this account sees what the run holds under the id that the
// journal has: an id is nobody else's, whatever a damaged file does not tell.
func (r *Run) ours(s Site, held AttemptState) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if held.Lease.ID != "" {
		if l, found, err := s.FindLease(ctx, held.Lease.ID); err == nil && found && l.ID == held.Lease.ID {
			return true
		}
	}
	if held.Container.ID == "" {
		return false
	}
	c, found, err := s.FindContainer(ctx, held.Container.Name)
	return err == nil && found && c.ID == held.Container.ID
}
