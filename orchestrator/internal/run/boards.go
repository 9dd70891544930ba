package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
)

// BoardState is what a run has of one of its devices.
type BoardState struct {
	Slot    int
	Device  string // its name, or "device 2"
	Whole   int    // trials with a whole result; a failed one is whole, too
	Partial int
	Failed  int // of the whole ones
	Trials  int // in the plan
}

// Complete reports whether every trial has its whole result.
func (b BoardState) Complete() bool { return b.Whole == b.Trials }

// word is what became of the device.
func (b BoardState) word() string {
	switch {
	case b.Complete():
		return "whole"
	case b.Whole+b.Partial > 0:
		return "partial"
	}
	return "missing"
}

// BoardStates says what a run with several devices has of each.
func (r *Run) BoardStates(st State) ([]BoardState, error) {
	var all []BoardState
	for slot := 1; slot <= r.Slots(st); slot++ {
		part := r.Store.Device(slot)
		results, err := part.Results(r.Plan)
		if err != nil {
			return nil, err
		}
		b := BoardState{Slot: slot, Trials: len(r.Plan.Trials)}
		b.Device = cmp.Or(st.Slot(slot).Board.Name, fmt.Sprintf("device %d", slot))
		for _, res := range results {
			if res.LeftOut() {
				continue
			}
			if res.Partial != nil {
				b.Partial++
				continue
			}
			b.Whole++
			if res.Outcome == trial.Failed {
				b.Failed++
			}
		}
		all = append(all, b)
	}
	return all, nil
}

// Tell says in a line which boards are whole, partial and missing.
func Tell(boards []BoardState) string {
	of := map[string][]string{}
	for _, b := range boards {
		name := b.Device
		if b.word() == "partial" {
			name += fmt.Sprintf(" (%d of %d trials)", b.Whole, b.Trials)
		}
		of[b.word()] = append(of[b.word()], name)
	}
	var parts []string
	for _, word := range []string{"whole", "partial", "missing"} {
		if names := of[word]; len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", len(names), word, strings.Join(names, ", ")))
		}
	}
	return strings.Join(parts, ", ")
}

// IncompleteBoards returns an error of kind [failure.Trials] when a board is not
// whole, or a trial on one failed; nil otherwise.
func (r *Run) IncompleteBoards(boards []BoardState) error {
	rest, failed := 0, 0
	for _, b := range boards {
		failed += b.Failed
		if !b.Complete() {
			rest++
		}
	}
	switch {
	case rest > 0:
		return failure.Trials.Errorf("%d of %d boards: %s", len(boards)-rest, len(boards), Tell(boards)).
			Advise("`%s` measures what is not whole", r.Commands.Resume())
	case failed > 0:
		return failure.Trials.Errorf("all %d boards are whole, but %d of their trials failed", len(boards), failed).
			Advise("the reasons stand below the tables and in devices/<n>/results/<trial>.json")
	}
	return nil
}

// judge is the error of a run with several devices: an interruption, the reason
// why none could be measured, or which boards are not whole and why.
func (x *execution) judge(ctx context.Context, ends []end, leaseErr error) error {
	if leaseErr != nil || ctx.Err() != nil {
		for _, e := range ends {
			if e.err != nil {
				return e.err // it is the same for all
			}
		}
	}
	var causes []error
	for i, e := range ends {
		if e.err != nil {
			causes = append(causes, fmt.Errorf("%s: %w", x.attempts[i].name(), e.err))
		}
	}
	if len(causes) == 0 {
		return nil
	}
	entries, err := x.Store.Entries()
	if err != nil {
		return errors.Join(append(causes, err)...)
	}
	boards, err := x.BoardStates(Replay(entries))
	if err != nil {
		return errors.Join(append(causes, err)...)
	}
	kind := failure.KindOf(causes[0])
	if slices.ContainsFunc(boards, func(b BoardState) bool { return b.Whole+b.Partial > 0 }) {
		kind = failure.Trials
	}
	return kind.Errorf("%d of %d devices failed; boards: %s", len(causes), len(ends), Tell(boards)).
		Advise("`%s` goes on with what is missing", x.Commands.Resume()).
		Because(plain(causes))
}

// plain is the text of the causes, without the advice of each: one stands for all.
func plain(causes []error) error {
	const most = 5
	var lines []string
	for _, c := range causes[:min(len(causes), most)] {
		lines = append(lines, c.Error())
	}
	if more := len(causes) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more, in the journal", more))
	}
	return errors.New(strings.Join(lines, "; "))
}
