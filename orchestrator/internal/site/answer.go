package site

import "chexp/experiments/failure"

// State is how a check went.
type State string

// The states. What cannot be read is Unknown, and no fault.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failed  State = "failed"
	Unknown State = "unavailable"
)

// Answer is the answer to one question about a site or this machine.
type Answer struct {
	Check  string       `json:"check"`
	State  State        `json:"state"`
	Detail string       `json:"detail"`
	Next   string       `json:"next,omitempty"` // what to do
	Kind   failure.Kind `json:"-"`              // of a failed one
}

// AnswerOf makes one of an error, with its advice.
func AnswerOf(check string, err error) Answer {
	return Answer{Check: check, State: Failed, Detail: err.Error(), Next: failure.NextOf(err),
		Kind: failure.KindOf(err)}
}
