package trial

// Placement says which execution provider really ran the model: counted in a
// short session with ONNX Runtime's profiler on, apart from every timed one.
type Placement struct {
	Inferences int `json:"inferences"` // profiled ones, the first excepted
	// Nodes of the graph as it was executed, after the runtime's optimizations,
	// and their time in all profiled inferences. A provider that compiles (dnnl,
	// openvino, tensorrt) shows one node for each subgraph that it took.
	Nodes     int              `json:"nodes"`
	TimeNS    int64            `json:"time_ns"`
	Providers []ProviderShare  `json:"providers"` // most nodes first
	Operators []OperatorsShare `json:"operators"` // most time first
}

// ProviderShare is what one provider executed.
type ProviderShare struct {
	Provider string `json:"provider"` // as in the plan: cpu, acl, xnnpack, …
	Nodes    int    `json:"nodes"`
	TimeNS   int64  `json:"time_ns"`
}

// OperatorsShare is one kind of operator on one provider.
type OperatorsShare struct {
	Operator string `json:"operator"`
	Provider string `json:"provider"`
	Nodes    int    `json:"nodes"`
	TimeNS   int64  `json:"time_ns"`
}

// Roof is what the device's usable cores could do at best, and where each
// factor comes from. A result beyond it is wrong.
type Roof struct {
	Cores   int   `json:"cores"`
	ClockHz int64 `json:"clock_hz"`
	// Multiply-adds that one core can begin in a cycle.
	FloatPerCycle   float64 `json:"float_per_cycle"`
	IntegerPerCycle float64 `json:"integer_per_cycle"`
	// MemoryBytesPerSecond is what a short reading probe reached on all cores.
	MemoryBytesPerSecond Reading[float64] `json:"memory_bytes_per_s"`
	Source               string           `json:"source"` // in words: which instructions, which clock
}
