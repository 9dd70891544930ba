package cli

import (
	"cmp"
	"fmt"
	"slices"

	"chexp/experiments/compare"
	"chexp/experiments/judge"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"
)

// judged is a run with the verdict of its checks and budgets, apart for each device
// that measured.
func judged(g *store.Gathered, budgets []judge.Budget) []compare.Run {
	in := findings.Input{Plan: g.Plan, Results: g.Results, Budgets: budgets,
		Run: findings.Run{ID: g.RunID, Rehearsal: g.Rehearsal}}
	remarks := slices.Clone(g.Remarks)
	if g.Experiment != nil {
		e, err := spec.ParseStored(store.ExperimentFile, ".", g.Experiment)
		switch {
		case err != nil && len(budgets) == 0:
			remarks = append(remarks, "its experiment.yaml is damaged, so its budgets are not known")
		case err == nil:
			in.Run.Image, _ = e.RunsIn()
			if len(budgets) == 0 {
				in.Budgets = e.Budgets
			}
		}
	}
	attempts, err := gatheredAttempts(g)
	if err != nil {
		remarks = append(remarks, "where it was measured cannot be read: "+err.Error())
	}
	in.Origins = judge.Origins{}
	for _, r := range g.Results {
		in.Origins[r] = origin(g.Origin(r), attempts)
	}
	whole := findings.Evidence(in)
	whole.Source, whole.Remarks = words.Printable(g.Source), append(remarks, g.Damaged...)
	parts := byDevice(whole)
	for i := range parts {
		parts[i].Device = deviceOf(attempts, parts[i])
		boardOf(&parts[i], attempts)
		if g.Slot > 0 && parts[i].Kind != compare.Real { // within a run, also a rehearsal's devices are told apart
			parts[i].Device = rehearsedDevice(g.Slot, attempts)
		}
	}
	return parts
}

// gatheredAttempts are those of a run's directory; none for a folder of results.
func gatheredAttempts(g *store.Gathered) ([]run.Facts, error) {
	if g.Dir == "" {
		return nil, nil
	}
	whole := &store.Run{ID: g.RunID, Dir: g.Dir}
	if g.Slot > 0 {
		return attemptsOf(whole.Device(g.Slot))
	}
	return attemptsOf(whole)
}

// rehearsedDevice names a device of a rehearsal with several.
func rehearsedDevice(slot int, attempts []run.Facts) string {
	for _, at := range slices.Backward(attempts) {
		if name := words.Line(at.Lease.Device.Name, 64); name != "" {
			return name
		}
	}
	return fmt.Sprintf("device %d", slot)
}

// byDevice takes a run apart where several devices measured. The emulator plays any
// number of boards on one machine: there they are one. Trials without a result are
// missing from the first.
func byDevice(whole compare.Run) []compare.Run {
	var parts []compare.Run
	of := map[string]int{}
	for _, t := range whole.Trials {
		if t.Result == nil || whole.Kind != compare.Real {
			continue
		}
		if _, ok := of[t.Origin.Device]; !ok {
			of[t.Origin.Device] = len(parts)
			parts = append(parts, whole)
		}
	}
	if len(parts) < 2 {
		return []compare.Run{whole}
	}
	for i := range parts {
		parts[i].Trials = nil
	}
	for _, t := range whole.Trials {
		i := 0
		if t.Result != nil {
			i = of[t.Origin.Device]
		}
		parts[i].Trials = append(parts[i].Trials, t)
	}
	return parts
}

// boardOf adds to what one device measured by what its board is known again, and what
// is not proven of it.
func boardOf(part *compare.Run, attempts []run.Facts) {
	seen := map[int]bool{}
	for _, t := range part.Trials {
		n := t.Origin.Attempt
		if t.Result == nil || n < 1 || n > len(attempts) || seen[n] {
			continue
		}
		seen[n] = true
		at := attempts[n-1]
		if part.Boot = at.ProvenBoot(); at.Lease.Unproven != "" {
			part.Remarks = append(slices.Clone(part.Remarks), words.Line("board not proven: "+at.Lease.Unproven,
				words.MaxSentence))
		}
	}
}

// deviceOf is what names the board: at a site its name there, on a machine of
// one's own the host with its kind, since many hosts have one name. The emulator
// plays any number of boards on one machine, so a rehearsal's name says nothing.
func deviceOf(attempts []run.Facts, part compare.Run) string {
	if len(attempts) == 0 {
		return ""
	}
	board, measured := "", judge.Origin{}
	for _, t := range part.Trials {
		board = cmp.Or(board, t.Board)
		measured = cmp.Or(measured, t.Origin)
	}
	at := attempts[len(attempts)-1]
	if measured.Attempt > 0 {
		at = attempts[measured.Attempt-1]
	}
	name := words.Line(cmp.Or(measured.Device, at.Lease.Device.Name, at.Lease.Device.UID), 64)
	kind, known := spec.SiteNamed(at.Site["site"])
	switch {
	case part.Kind != compare.Real:
		return "rehearsal (" + cmp.Or(board, "unknown device") + ")"
	case name != "" && known && !kind.Leases && board != "": // its owner names a machine, the board says what it is
		return name + " (" + board + ")"
	}
	return name
}
