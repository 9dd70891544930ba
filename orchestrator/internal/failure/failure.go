// Package failure gives every error that a person will read the same three
// parts (what happened, to what, what to do next) and a kind, from which the
// exit code follows. Packages return ordinary wrapped errors; they add a
// failure where they know the remedy.
package failure

import "errors"

// Kind decides the exit code of chexp; see the table in the README.
type Kind int

// The kinds. The number is the exit code.
const (
	Unexpected  Kind = 1   // a fault of chexp or of its surroundings that it has no better word for
	Usage       Kind = 2   // bad arguments or experiment file; nothing was created
	Trials      Kind = 3   // the run finished, but at least one trial failed
	Auth        Kind = 4   // could not sign in, or the credential may not do this
	Capacity    Kind = 5   // no device is free
	Cloud       Kind = 6   // a lease or container failed, or the cloud did not answer in time
	Device      Kind = 7   // the device, the transfer or the agent failed
	Storage     Kind = 8   // this machine's disk: full, not writable, results damaged
	Locked      Kind = 9   // another chexp holds the run, or it is in no state to be resumed
	Interrupted Kind = 130 // Ctrl-C or SIGTERM; what was acquired was given back
)

// Error is an error for people.
type Error struct {
	Kind Kind
	Msg  string // what happened, to what: "container chexp-ab12 never started: image foo:1 cannot be pulled"
	Next string // what to do: "check the image's name; `docker pull foo:1` from anywhere must work"
	Err  error  // the cause, may be nil
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Err != nil {
		if s != "" {
			s += ": "
		}
		s += e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// New makes an Error; cause may be nil.
func New(kind Kind, msg, next string, cause error) *Error {
	return &Error{Kind: kind, Msg: msg, Next: next, Err: cause}
}

// KindOf returns the kind of the outermost Error in err's chain, Unexpected if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unexpected
}

// NextOf returns the first advice in err's tree, "" if there is none.
func NextOf(err error) string {
	for _, next := range Advice(err) {
		return next
	}
	return ""
}

// Advice collects what to do from err's whole tree, outermost first.
func Advice(err error) []string {
	switch e := err.(type) {
	case nil:
		return nil
	case *Error:
		inner := Advice(e.Err)
		if e.Next == "" {
			return inner
		}
		return append([]string{e.Next}, inner...)
	case interface{ Unwrap() error }:
		return Advice(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []string
		for _, one := range e.Unwrap() {
			all = append(all, Advice(one)...)
		}
		return all
	}
	return nil
}
