package run

import "chexp/orchestrator/internal/store"

// Facts is site.json: where a run measures, as far as it got.
type Facts struct {
	Site      map[string]string `json:"site"` // names, endpoints, versions, user and project
	Lease     Lease             `json:"lease"`
	Container Container         `json:"container"`
	Image     string            `json:"image,omitempty"`
	Transport string            `json:"transport,omitempty"`
	Arch      string            `json:"arch,omitempty"` // of the container, as uname says
}

// ReadFacts reads site.json. Its error wraps fs.ErrNotExist when the run never
// got as far as a lease.
func ReadFacts(s *store.Run) (Facts, error) {
	var f Facts
	err := s.ReadJSON(store.SiteFile, &f)
	return f, err
}

// Request is what was asked for when the container was made, as far as
// [Launcher.Dial] needs it.
func (f Facts) Request() ContainerRequest {
	return ContainerRequest{
		Name: f.Container.Name, Image: f.Image, ReservationID: f.Lease.ReservationID, Transport: f.Transport,
	}
}

// writeFacts keeps site.json in step with what the attempt knows.
func (a *attempt) writeFacts() {
	err := a.Store.WriteJSON(store.SiteFile, Facts{
		Site: a.Site.Describe(), Lease: a.lease, Container: a.container,
		Image: a.request.Image, Transport: a.request.Transport, Arch: a.arch,
	})
	if err != nil {
		a.Observe.Warn("site.json could not be written: " + err.Error())
	}
}
