package matrix

import "fmt"

// Command starts a runner with one of the plan's runtimes. Err says why there is
// no such command.
type Command struct {
	Args []string
	Err  error
}

// runtimeNamer is a request that is about a named runtime. Whatever embeds or
// is a session.Request has the method.
type runtimeNamer interface{ RuntimeName() string }

// startFor starts a runner for a request: with the command of the runtime that
// it names, or with Args where it names none.
func (r Runner) startFor(request any, flags ...string) (*process, error) {
	if q, ok := request.(runtimeNamer); ok && q.RuntimeName() != "" {
		c, known := r.Named[q.RuntimeName()]
		switch {
		case !known:
			return nil, fmt.Errorf("the agent has no runtime %q", q.RuntimeName())
		case c.Err != nil:
			return nil, c.Err
		}
		r.Args = c.Args
	}
	return r.start(flags...)
}
