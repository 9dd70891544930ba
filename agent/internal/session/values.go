package session

// Values returns a function that gives the engine's inputs other values, the
// same ones as Measure with that seed: for those who run inferences without
// timing them.
func Values(e Engine, seed uint64) (next func() error, err error) {
	f, err := newFeed(e.Inputs(), seed)
	if err != nil {
		return nil, err
	}
	return f.next, nil
}

// RuntimeName is the runtime of the plan with which the request's process is to
// be started; empty for the agent's own.
func (r Request) RuntimeName() string { return r.Provider.Runtime }
