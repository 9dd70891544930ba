package trial

import "time"

// Reading is a measured value, or the reason why there is none. A signal that
// could not be read is never zero.
type Reading[T any] struct {
	Value       *T     `json:"value,omitempty"`
	Unavailable string `json:"unavailable,omitempty"`
}

// Read wraps a value that was read.
func Read[T any](v T) Reading[T] { return Reading[T]{Value: &v} }

// Unread says why a value could not be read.
func Unread[T any](why string) Reading[T] { return Reading[T]{Unavailable: why} }

// Get returns the value and whether there is one.
func (r Reading[T]) Get() (v T, ok bool) {
	if r.Value == nil {
		return v, false
	}
	return *r.Value, true
}

// Outcome of a trial.
type Outcome string

// The outcomes. Every trial of a plan ends in exactly one result with one of
// these; Reasons says why whenever it is not OK.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Reason says, for people and for programs, why an outcome is what it is.
type Reason struct {
	Code string `json:"code"` // stable: "provider_absent", "model_invalid", "runner_crashed", "timeout", "stopped", …
	Text string `json:"text"` // what happened, to what
	Next string `json:"next,omitempty"`
}

// Result is everything known about one trial. Raw values are kept: every
// latency is here, in the order in which it was measured.
type Result struct {
	Schema     string   `json:"schema"`
	RunID      string   `json:"run_id"`
	TrialID    string   `json:"trial_id"`
	Model      Model    `json:"model"`
	Provider   Provider `json:"provider"`
	Threads    int      `json:"threads"`
	Batch      int      `json:"batch"`
	Repetition int      `json:"repetition"`
	Policy     Policy   `json:"policy"`
	Seed       uint64   `json:"seed"`

	Outcome Outcome  `json:"outcome"`
	Reasons []Reason `json:"reasons,omitempty"`

	// LatenciesNS holds every timed inference, in nanoseconds of the monotonic
	// clock, in order. One inference handles Batch inputs.
	LatenciesNS []int64 `json:"latencies_ns"`
	// WarmupNS holds the untimed inferences that ran before, without the first.
	WarmupNS []int64 `json:"warmup_ns"`
	// Blocks are the stretches in which LatenciesNS was measured, each with its
	// conditions. Agents before they were added wrote none.
	Blocks   []Block  `json:"blocks,omitempty"`
	Scenario Scenario `json:"scenario,omitempty"`
	// WarmUp is what was seen in WarmupNS. Absent in older results.
	WarmUp Reading[WarmUp] `json:"warm_up,omitzero"`
	// SessionCreateNS is the time to load the model into a session.
	SessionCreateNS Reading[int64] `json:"session_create_ns"`
	// FirstInferenceNS is the very first inference of the process.
	FirstInferenceNS Reading[int64] `json:"first_inference_ns"`
	// PeakMemoryBytes is the peak resident set of the trial's process.
	PeakMemoryBytes Reading[int64] `json:"peak_memory_bytes"`
	Summary         *Summary       `json:"summary,omitempty"` // nil when nothing was timed

	// Harness is what measuring costs; Placement says which provider really
	// ran the model. Absent in results of agents before they were added.
	Harness   Reading[Harness]   `json:"harness,omitzero"`
	Placement Reading[Placement] `json:"placement,omitzero"`
	// Accuracy is there when the plan asks for it.
	Accuracy Reading[Accuracy] `json:"accuracy,omitzero"`

	Runtime Runtime   `json:"runtime"`
	Agent   Agent     `json:"agent"`
	Device  Device    `json:"device"`
	Start   time.Time `json:"start"` // UTC, the device's clock
	End     time.Time `json:"end"`

	// Partial is there when the run ended before the trial had all its blocks. The
	// outcome is then OK if its blocks suffice for a median, else Failed with
	// ReasonStopped. A run that goes on replaces the result.
	Partial *Partial `json:"partial,omitempty"`
	// Restarts are the process starts after the first, which a trial has that was
	// interrupted. Block.Restarts counts in this list, from 1.
	Restarts []Restart `json:"restarts,omitempty"`
}

// Summary is derived from LatenciesNS; a reader can check it. Times in
// nanoseconds.
type Summary struct {
	N        int     `json:"n"`
	MinNS    int64   `json:"min_ns"`
	MaxNS    int64   `json:"max_ns"`
	MeanNS   float64 `json:"mean_ns"`
	MedianNS float64 `json:"median_ns"`
	// MedianInterval holds the true median with 95 % confidence. Agents before
	// it was added wrote none.
	MedianInterval Reading[Interval] `json:"median_interval_ns,omitzero"`

	P90NS Reading[float64] `json:"p90_ns"` // unavailable where the sample is too small to carry it
	P95NS Reading[float64] `json:"p95_ns"`
	P99NS Reading[float64] `json:"p99_ns"`
	// Throughput is inputs per second over the timed inferences: N × batch / Σ latency.
	Throughput float64 `json:"throughput_per_s"`
}

// Interval is a range that holds a true value with 95 % confidence, in the
// unit of that value.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Runtime is the ONNX Runtime that ran the trial.
type Runtime struct {
	Name      string   `json:"name"`    // "onnxruntime"
	Version   string   `json:"version"` // as the library says
	BuildInfo string   `json:"build_info,omitempty"`
	Providers []string `json:"providers,omitempty"` // usable ones, lower case
	// Settings of the trial's session. Agents before they were added wrote none.
	Settings *Settings `json:"settings,omitempty"`
}

// Agent is the program that measured.
type Agent struct {
	Version string `json:"version"`
	OS      string `json:"os"`
	Arch    string `json:"arch"` // Go's name: arm64, amd64
	SHA256  string `json:"sha256,omitempty"`
}

// Device holds facts about the machine as the agent saw them.
type Device struct {
	Model       Reading[string]  `json:"model"` // device-tree model, or DMI product
	CPU         Reading[string]  `json:"cpu"`   // "Cortex-A76", "AMD EPYC …"
	Cores       int              `json:"cores"` // usable by this process
	MemoryBytes Reading[int64]   `json:"memory_bytes"`
	Kernel      Reading[string]  `json:"kernel"`
	Governor    Reading[string]  `json:"governor"`
	ClockHz     Reading[int64]   `json:"clock_hz"` // cpu0, at the trial's start
	Temperature Reading[float64] `json:"temperature_celsius"`
	// Emulated says by what the processor is emulated, when something shows
	// it; empty when nothing does. Latencies under emulation say nothing
	// about the real device.
	Emulated string `json:"emulated,omitempty"`

	// What follows is absent in results of agents before it was added.

	// FloatInAdds is how many times as long as an addition a vector operation on
	// floats takes, when each waits for the one before: see [Device.EmulatedBy].
	FloatInAdds Reading[float64] `json:"float_in_adds,omitzero"`
	// Virtual says what shows that the machine is a virtual one; empty when nothing
	// does. Its instructions may run on the processor all the same.
	Virtual string `json:"virtual_machine,omitempty"`

	MaxClockHz Reading[int64]    `json:"max_clock_hz,omitzero"`
	PageSize   int               `json:"page_size,omitempty"` // bytes; 16384 on the Pi 5's stock kernel
	Board      Reading[string]   `json:"board,omitzero"`      // revision code, such as d04170
	Cmdline    Reading[string]   `json:"kernel_command_line,omitzero"`
	Features   Reading[[]string] `json:"cpu_features,omitzero"`
	// Quota is the cgroup's limit in cores; 0: none.
	Quota        Reading[float64] `json:"cpu_quota_cores,omitzero"`
	MemoryLimit  Reading[int64]   `json:"memory_limit_bytes,omitzero"` // the cgroup's; 0: none
	SwapBytes    Reading[int64]   `json:"swap_bytes,omitzero"`
	Roof         Reading[Roof]    `json:"roof,omitzero"`
	CoolingSteps Reading[string]  `json:"cooling,omitzero"` // fan or cooling device, as the kernel names and sets it
}

// Event is one line of the agent's event stream.
type Event struct {
	Schema string    `json:"schema"`
	Seq    int64     `json:"seq"` // from 1, without gaps
	Time   time.Time `json:"time"`
	Type   EventType `json:"type"`

	Trial   string   `json:"trial,omitempty"`
	Index   int      `json:"index,omitempty"` // position of the trial in the order of execution, from 1
	Total   int      `json:"total,omitempty"`
	Outcome Outcome  `json:"outcome,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"`
	SHA256  string   `json:"sha256,omitempty"` // of the result file, with TrialFinished
	// MedianNS is for the progress line; 0 when nothing was timed.
	MedianNS float64 `json:"median_ns,omitempty"`
	// LeftNS is how long the rest of the run will take, as far as what has been
	// seen of it tells; 0 while a model has still to be seen.
	LeftNS int64 `json:"left_ns,omitempty"`
	// Standings are what is known so far, with Progress of trials that had blocks since the
	// event before, with TrialFinished of that trial. Agents before they were added write none.
	Standings []Standing `json:"standings,omitempty"`
	// Celsius is the highest temperature around the latest block; 0: not read.
	Celsius float64 `json:"celsius,omitempty"`
	// NeedsNS is [Partial.Needs] of a trial that was left out, with TrialFinished.
	NeedsNS int64  `json:"needs_ns,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Standing is what is known of a trial that is being measured.
type Standing struct {
	Trial    string    `json:"trial"`
	N        int       `json:"n"` // timed inferences so far
	MedianNS float64   `json:"median_ns"`
	Interval *Interval `json:"interval,omitempty"` // of the median, 95 %; nil: too few for one
}

// EventType names what happened.
type EventType string

// The event types.
const (
	RunStarted    EventType = "run_started"
	TrialStarted  EventType = "trial_started"
	TrialFinished EventType = "trial_finished" // also with a Partial result; Text then says how far it came
	Progress      EventType = "progress"       // among trials that take turns; every few seconds at most
	RunFinished   EventType = "run_finished"   // every trial has its result
	RunStopped    EventType = "run_stopped"    // `chexp-agent stop`
	Note          EventType = "note"
)

// State is what `chexp-agent status` says last, and what StateFile holds.
type State struct {
	Schema string `json:"schema"` // EventSchema
	RunID  string `json:"run_id"`
	// PlanSHA256 is the hash of the PlanFile that the state is about.
	PlanSHA256 string    `json:"plan_sha256,omitempty"`
	Phase      Phase     `json:"phase"`
	PID        int       `json:"pid,omitempty"` // of the supervisor, in the container's PID namespace
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	LastSeq    int64     `json:"last_seq"`
	Done       int       `json:"done"`
	Total      int       `json:"total"`
	Text       string    `json:"text,omitempty"` // why, for Dead and Stopped
	// Why is there for Stopped: ReasonStopped or ReasonDeadline.
	Why *Reason `json:"why,omitempty"`
}

// Phase of the agent.
type Phase string

// The phases. Dead is computed by `status`: the state file says running, but
// the process is gone.
const (
	NotStarted Phase = "not_started"
	Running    Phase = "running"
	Finished   Phase = "finished"
	Stopped    Phase = "stopped"
	Dead       Phase = "dead"
)

const (
	// ReasonStopped is the Code of a run that `chexp-agent stop` or a signal
	// ended, and of each trial that therefore has too few blocks.
	ReasonStopped = "stopped"
	// ReasonDeadline is the Code of a run that ended by itself at the time that
	// `chexp-agent start --for` set.
	ReasonDeadline = "deadline"
	// These are the Codes where a model itself is to blame: the runtime cannot load
	// it, or cannot be given its inputs, or an inference of it fails.
	ReasonModelInvalid     = "model_invalid"
	ReasonInputUnsupported = "input_unsupported"
	ReasonInferenceFailed  = "inference_failed"
)
