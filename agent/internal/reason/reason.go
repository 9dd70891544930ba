// Package reason is the vocabulary of what can go wrong with a trial: stable
// codes that programs compare. An error that carries one is a [failure.Error]
// with its Code set; [Of] turns it into what a failed result says.
package reason

import (
	"errors"
	"fmt"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
)

// The codes. They are written into results and events and never renamed.
const (
	ProviderAbsent   = "provider_absent"            // the runtime has no such execution provider, or cannot use it here
	ModelInvalid     = trial.ReasonModelInvalid     // the file is no ONNX model, or one that this runtime cannot load
	InputUnsupported = trial.ReasonInputUnsupported // the agent cannot make up values for an input of the model
	InferenceFailed  = trial.ReasonInferenceFailed  // the runtime returned an error from an inference
	RuntimeFailed    = "runtime_failed"             // ONNX Runtime itself did not start
	OptionInvalid    = "option_invalid"             // a provider option that the runtime refused
	OutOfMemory      = "out_of_memory"
	ThreadsRefused   = "threads_refused" // the container, or the device, allows no more processes and threads
	RunnerCrashed    = "runner_crashed"  // the trial's process died, or answered nonsense
	RunnerMissing    = "runner_missing"  // the trial's process could not be started
	Timeout          = "timeout"         // the trial's process was killed at its wall-clock limit
	Stopped          = "stopped"         // somebody ran `chexp-agent stop`
	SkippedByPlan    = "skipped_by_plan"
	ProviderIdle     = "provider_idle" // on an ok result: the provider that was asked for ran no node
	CutShort         = "cut_short"     // on an ok result: the time limit came before both minima
	Imprecise        = "imprecise"     // on an ok result: the time limit came before the precision asked for
)

// Errorf makes an error with one of the codes.
func Errorf(code, format string, args ...any) *failure.Error {
	e := failure.Device.Errorf(format, args...)
	e.Code = code
	return e
}

// Of turns any error into the reason to report. fallback is the code of an error
// that carries none.
func Of(err error, fallback string) trial.Reason {
	var e *failure.Error
	if errors.As(err, &e) && e.Code != "" {
		return trial.Reason{Code: e.Code, Text: err.Error(), Next: e.Next}
	}
	return trial.Reason{Code: fallback, Text: err.Error()}
}

// Wrap says what an error happened to. A code that the error has already stands, with its
// advice, since it knows more; else it gets this one.
func Wrap(err error, code, what string) error {
	if Of(err, "").Code != "" {
		return fmt.Errorf("%s: %w", what, err)
	}
	return Errorf(code, "%s", what).Because(err)
}
