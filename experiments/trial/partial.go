package trial

import (
	"fmt"
	"time"
)

// Partial says how much of a trial was measured when its run ended.
type Partial struct {
	Blocks int `json:"blocks"`
	// Asked is how many blocks it was to have; 0 where it had those and went on
	// for the precision, or had not got as far as to know.
	Asked int    `json:"asked,omitempty"`
	Why   string `json:"why"` // "interrupted", "the lease ends", …
}

// String says it in words: "stopped after 7 of 12 blocks: the lease ends".
func (p Partial) String() string {
	done := fmt.Sprintf("%d of %d blocks", p.Blocks, p.Asked)
	switch {
	case p.Blocks == 0:
		return "stopped before its first block was complete: " + p.Why
	case p.Asked == 0:
		done = fmt.Sprintf("%d blocks, before the precision asked for was reached", p.Blocks)
	}
	return "stopped after " + done + ": " + p.Why
}

// Restart is what a process start after the first said when it was ready. The
// trial's own fields keep what the first one said.
type Restart struct {
	Time             time.Time       `json:"time"` // UTC, the device's clock
	WarmupNS         []int64         `json:"warmup_ns"`
	WarmUp           Reading[WarmUp] `json:"warm_up,omitzero"`
	SessionCreateNS  Reading[int64]  `json:"session_create_ns"`
	FirstInferenceNS Reading[int64]  `json:"first_inference_ns"`
}
