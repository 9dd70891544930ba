package trial

import "chexp/experiments/input"

// Try asks the agent of a person's own machine whether a model can be loaded and
// run at all, before anything is reserved (`chexp-agent try`, one document on its
// standard input). Nothing of it is a measurement.
type Try struct {
	ModelPath string        `json:"model_path"`
	Inputs    []input.Input `json:"inputs,omitempty"`
	Packs     string        `json:"packs,omitempty"` // folder of the values that inputs name
	Batch     int           `json:"batch"`
	Seed      uint64        `json:"seed"`
	// MemoryBytes bounds what the process may take; 0: no limit.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
}

// Tried is its answer, one document.
type Tried struct {
	Outcome Outcome  `json:"outcome"` // OK or Failed
	Reasons []Reason `json:"reasons,omitempty"`
	Outputs []Output `json:"outputs,omitempty"`
	Runtime Runtime  `json:"runtime"`
}

// Output is a tensor that an inference gave; sequences and maps give several.
type Output struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Shape []int64 `json:"shape"`
}
