package trial

import (
	"fmt"
	"time"
)

// Partial says how much of a trial was measured when its run ended.
type Partial struct {
	Blocks int `json:"blocks"`
	// Asked is how many blocks the trial should have. It is 0 where the trial had
	// them all and went on for the precision, or ended before it knew the number.
	Asked int    `json:"asked,omitempty"`
	Why   string `json:"why"` // "interrupted", "the lease ends", …
	// Needs is about how long the trial takes that was left out before it began, as
	// there was no time for it; 0: it was not.
	Needs time.Duration `json:"needs_ns,omitempty"`
}

// LeftOut reports whether the trial was left out before it began, as there was no time
// for it.
func (r *Result) LeftOut() bool { return r.Partial != nil && r.Partial.Needs > 0 }

// String says it in words: "stopped after 7 of 12 blocks: the lease ends".
func (p Partial) String() string {
	done := fmt.Sprintf("%d of %d blocks", p.Blocks, p.Asked)
	switch {
	case p.Needs > 0:
		return "left out before it began: " + p.Why
	case p.Blocks == 0:
		return "stopped before its first block was complete: " + p.Why
	case p.Asked == 0:
		done = fmt.Sprintf("%d blocks, before the precision asked for was reached", p.Blocks)
	}
	return "stopped after " + done + ": " + p.Why
}

// Restart is what the trial's process said when it was ready, at each start after
// the first. What the first start said is in the fields of the result.
type Restart struct {
	Time             time.Time       `json:"time"` // UTC, the device's clock
	WarmupNS         []int64         `json:"warmup_ns"`
	WarmUp           Reading[WarmUp] `json:"warm_up,omitzero"`
	SessionCreateNS  Reading[int64]  `json:"session_create_ns"`
	FirstInferenceNS Reading[int64]  `json:"first_inference_ns"`
}
