// Package failure is the one error type for people. An [Error] says what
// happened, to what, and what to do next; its [Kind] decides the exit code.
// Packages return ordinary wrapped errors and use this one where they know the
// remedy:
//
//	return failure.Device.Errorf("the container %s has vanished", name).
//		Advise("%s goes on in a new one", resume).
//		Because(err)
package failure

import (
	"errors"
	"fmt"
)

// Kind decides the exit code of chexp.
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
	Code string // a stable word for programs, such as "timeout"; empty where only people read it
	What string // what happened, to what: "container chexp-ab12 never started: image foo:1 cannot be pulled"
	Next string // what to do: "check the image's name; `docker pull foo:1` from anywhere must work"
	Err  error  // the cause, may be nil
}

// Errorf makes an error of this kind that says what happened. A cause that may
// be nil is added with [Error.Because].
func (k Kind) Errorf(format string, args ...any) *Error {
	return &Error{Kind: k, What: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of this kind whose text is its cause's, where nothing is
// to be added but advice.
func (k Kind) Wrap(cause error) *Error { return &Error{Kind: k, Err: cause} }

// Advise adds what the reader should do next.
func (e *Error) Advise(format string, args ...any) *Error {
	e.Next = fmt.Sprintf(format, args...)
	return e
}

// Because adds the cause, which may be nil. Its text follows what happened.
func (e *Error) Because(cause error) *Error {
	e.Err = cause
	return e
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.What
	case e.What == "":
		return e.Err.Error()
	}
	return e.What + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

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
