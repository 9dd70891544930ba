package run

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
)

// Facts is attempts/N.json: where an attempt measures, as far as it got.
type Facts struct {
	Attempt   int               `json:"attempt,omitempty"` // counts from 1; 0: a run of before, which had one site.json
	Site      map[string]string `json:"site"`              // names, endpoints, versions, user and project
	Lease     Lease             `json:"lease"`
	Container Container         `json:"container"`
	Image     string            `json:"image,omitempty"`
	Transport string            `json:"transport,omitempty"`
	Arch      string            `json:"arch,omitempty"` // of the container, as uname says
	// BootID is the board's, as its kernel says in the container.
	BootID trial.Reading[string] `json:"boot_id,omitzero"`
	Clock  Clock                 `json:"clock,omitzero"`
}

// Request is what was asked for when the container was made, as far as
// [Launcher.Dial] needs it.
func (f Facts) Request() ContainerRequest {
	return ContainerRequest{
		Name: f.Container.Name, Image: f.Image, ReservationID: f.Lease.ReservationID, Transport: f.Transport,
	}
}

func factsFile(attempt int) string { return fmt.Sprintf("%s/%d.json", store.AttemptsDir, attempt) }

// ReadFacts reads the facts of the attempts, the n-th at index n-1. One that was
// never written has nothing but its number. Before attempts had files of their
// own, a run had one site.json, which the last attempt of that time wrote.
func ReadFacts(s *store.Run, attempts int) ([]Facts, error) {
	all, older := make([]Facts, attempts), 0
	for i := range all {
		all[i].Attempt = i + 1
		err := s.ReadJSON(factsFile(i+1), &all[i])
		if errors.Is(err, fs.ErrNotExist) {
			older, err = i+1, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if older == 0 {
		return all, nil
	}
	err := s.ReadJSON(store.SiteFile, &all[older-1])
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return all, err
}

// writeFacts keeps the attempt's file in step with what it knows. What an earlier
// process knew of the attempt stays.
func (a *attempt) writeFacts() error {
	var f Facts
	if err := a.Store.ReadJSON(factsFile(a.held.N), &f); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.Attempt, f.Site = a.held.N, a.Site.Describe()
	if a.lease.ID != "" {
		f.Lease = a.lease
	}
	if a.container.ID != "" {
		f.Container, f.Image, f.Transport = a.container, a.request.Image, a.request.Transport
		f.Arch = cmp.Or(a.arch, f.Arch)
		if a.boot != (trial.Reading[string]{}) {
			f.BootID = a.boot
		}
		if a.clock != (Clock{}) {
			f.Clock, a.clock = f.Clock.and(a.clock), Clock{}
		}
	}
	return a.Store.WriteJSON(factsFile(a.held.N), f)
}

// noteFacts is writeFacts where the attempt goes on without.
func (a *attempt) noteFacts() {
	if err := a.writeFacts(); err != nil {
		a.Observe.Warn(factsFile(a.held.N) + " could not be written: " + err.Error())
	}
}
