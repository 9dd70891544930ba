package matrix

import "fmt"

// Command starts a runner with one of the plan's runtimes. Err says why there is
// no such command.
type Command struct {
	Args []string
	Err  error
}

// runtimeNamer is a request that is about a named runtime. Whatever is sent to
// a runner and embeds or is a session.Request has the method.
type runtimeNamer interface{ RuntimeName() string }

// on is the runner for a request: the named runtime's command, or this one where
// the request names none. It changes nothing when called again.
func (r Runner) on(request any) (Runner, error) {
	q, ok := request.(runtimeNamer)
	if !ok || q.RuntimeName() == "" || r.Named == nil {
		return r, nil
	}
	c, ok := r.Named[q.RuntimeName()]
	switch {
	case !ok:
		return r, fmt.Errorf("the agent has no runtime %q", q.RuntimeName())
	case c.Err != nil:
		return r, c.Err
	}
	r.Args, r.Named = c.Args, nil
	return r, nil
}
