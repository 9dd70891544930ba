package run

import (
	"fmt"

	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// attempt is one device held once: a lease, a container in it, what was pushed
// and the agent there, until all of it is given back. It shares nothing with
// another attempt but the run's directory and the site.
type attempt struct {
	Config
	held Attempt // what the journal knows of it
	todo todo    // when it began

	lease     Lease
	request   ContainerRequest
	container Container
	arch      string // of the container, in Go's words
	tr        transport.Transport

	lastSeq int64  // of the agent's events already mirrored
	why     string // it ended early, in the words of partial results; "" if nothing says so
}

func newAttempt(cfg Config, held Attempt, rest todo) *attempt {
	return &attempt{Config: cfg, held: held, todo: rest}
}

// agent speaks to the agent in its container.
func (a *attempt) agent() Agent { return Agent{Tr: a.tr, Dir: a.container.Dir} }

// hangUp closes the transport.
func (a *attempt) hangUp() {
	if a.tr != nil {
		a.tr.Close()
		a.tr = nil
	}
}

// record writes to the journal and keeps held in step with it.
func (a *attempt) record(e store.Entry) {
	a.write(e)
	a.held = a.held.advance(e)
}

// intend writes an intent and refuses to go on if it is not on the disk: what
// is not in the journal must not be created.
func (a *attempt) intend(what, name string, request any) error {
	e := store.Entry{Kind: store.Intent, What: what, Name: name, Data: raw(request)}
	if err := a.Store.Record(e); err != nil {
		return fmt.Errorf("%s is not created, as the journal cannot be written: %w", what, err)
	}
	a.held = a.held.advance(e)
	return nil
}

// file names one of the attempt's own files in the run's directory: "events.jsonl"
// for the first attempt, "events.2.jsonl" for the second.
func (a *attempt) file(name, ext string) string {
	if a.held.N <= 1 {
		return name + ext
	}
	return fmt.Sprintf("%s.%d%s", name, a.held.N, ext)
}
