package cli

import (
	"cmp"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"
)

// unrecorded is the device of a result of a run of before that had several.
const unrecorded = "a device that was not recorded"

// attemptsOf reads what the attempts of a run had; the n-th is at index n-1. A run
// whose journal knows of none may have a site.json all the same.
func attemptsOf(s *store.Run) ([]run.Facts, error) {
	n := 0
	if entries, err := s.Entries(); err == nil {
		n = run.Replay(entries).Slot(max(1, s.Slot())).N
	}
	if _, err := s.Read(store.SiteFile); n == 0 && err == nil {
		n = 1
	}
	return run.ReadFacts(s, n)
}

// onlyAttempt is the attempt that results without a known one come from, where the
// run had only one; 0 otherwise.
func onlyAttempt(s *store.Run) int {
	if all, err := attemptsOf(s); err == nil && len(all) == 1 {
		return 1
	}
	return 0
}

// origin is what measured a result, and when it can have done so.
func origin(from store.Origin, all []run.Facts) judge.Origin {
	attempt := from.Attempt
	if attempt == 0 && len(all) == 1 {
		attempt = 1
	}
	switch {
	case attempt == 0 && len(all) > 1:
		return judge.Origin{Device: unrecorded}
	case attempt < 1 || attempt > len(all):
		return judge.Origin{}
	}
	d, c := all[attempt-1].Lease.Device, all[attempt-1].Clock
	o := judge.Origin{Attempt: attempt, Device: cmp.Or(d.Name, d.UID)}
	if ahead, ok := c.Ahead.Get(); ok && from.Container != "" { // fetched from it, and the time is the site's
		o.Period = validity.Period{From: c.Asked, To: from.Time, Ahead: ahead, Within: c.Within}
	}
	return o
}

// whereabouts ties results to the attempts that brought them.
func whereabouts(in *findings.Input, brought []store.Brought, all []run.Facts) {
	in.Origins = judge.Origins{}
	counts := map[int]int{}
	for _, b := range brought {
		o := origin(b.From, all)
		in.Results, in.Origins[b.Result] = append(in.Results, b.Result), o
		counts[o.Attempt]++
	}
	for _, f := range all {
		d := f.Lease.Device
		a := findings.Attempt{N: f.Attempt, Results: counts[f.Attempt], Region: f.Site["region"],
			Device:  findings.Device{Name: d.Name, UID: d.UID, MachineName: d.MachineName},
			LeaseID: f.Lease.ID, ReservationID: f.Lease.ReservationID, ContainerID: f.Container.ID, Image: f.Image,
			BootID: f.BootID, Clock: f.Clock.String(), Unproven: f.Lease.Unproven}
		if a.Digest = f.Container.Digest; a.Digest == (trial.Reading[string]{}) {
			a.Digest = trial.Unread[string]("it was not asked for")
		}
		in.Run.Attempts = append(in.Run.Attempts, a)
	}
	if a, ok := measuring(in.Run.Attempts); ok {
		in.Run.Device, in.Run.Region = a.Device, a.Region
		in.Run.LeaseID, in.Run.ContainerID = a.LeaseID, a.ContainerID
	}
}

// measuring is the last attempt that brought a result; where none did, the last.
func measuring(all []findings.Attempt) (last findings.Attempt, ok bool) {
	for _, a := range all {
		if a.Results > 0 || last.Results == 0 {
			last, ok = a, true
		}
	}
	return last, ok
}
