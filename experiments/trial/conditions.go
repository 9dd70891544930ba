package trial

import "slices"

// Scenario in MLPerf's meaning.
type Scenario string

// The scenarios. SingleStream asks for one input after the other and is judged
// by latency; Offline has all inputs at once, in batches, and is judged by
// throughput.
const (
	SingleStream Scenario = "SingleStream"
	Offline      Scenario = "Offline"
)

// ScenarioOf is the scenario of batches of this size. Inputs that come one after
// the other are a stream of requests; those that come many at a time were all
// there before.
func ScenarioOf(batch int) Scenario {
	if batch > 1 {
		return Offline
	}
	return SingleStream
}

// Block is a stretch of timed inferences during which one trial had the device
// to itself. Trials that are compared take turns block by block.
type Block struct {
	// Round counts from 1. In each balanced round every living trial has one block.
	// In the rounds after them, which are for the precision, only the trials that
	// are not yet precise enough have a block.
	Round int `json:"round"`
	Turn  int `json:"turn"`  // from 1, over all blocks of the run: the order in which they were measured
	First int `json:"first"` // index of its first inference in latencies_ns
	N     int `json:"n"`
	// Settled inferences ran first and are not counted, because caches and clock
	// were those of another trial before. SettledNS are their times, which an app
	// sees that wakes up; agents before it was added wrote none.
	Settled   int     `json:"settled,omitempty"`
	SettledNS []int64 `json:"settled_ns,omitempty"`
	// StartNS is the time of its first inference since the agent's run began,
	// on the monotonic clock.
	StartNS    int64       `json:"start_ns"`
	Conditions *Conditions `json:"conditions,omitempty"`
	// Restarts is how often the trial's process had been started anew before this
	// block, because the run was interrupted. All blocks of a round have the same.
	Restarts int `json:"restarts,omitempty"`
}

// Starts are the blocks of each start of the trial's process, of which there are
// several if it was interrupted; none where it was measured in one piece.
func (r *Result) Starts() (starts [][]Block) {
	for i, b := range r.Blocks {
		if i == 0 || b.Restarts != r.Blocks[i-1].Restarts {
			starts = append(starts, nil)
		}
		last := len(starts) - 1
		starts[last] = append(starts[last], b)
	}
	return starts
}

// Whole are all inferences of each block, in order: those that settled, as far as their
// times are there, and those that count. A block that covers no latencies is left out.
func (r *Result) Whole() (blocks [][]int64) {
	for _, b := range r.Blocks {
		if counted := b.Of(r.LatenciesNS); counted != nil {
			blocks = append(blocks, slices.Concat(b.SettledNS, counted))
		}
	}
	return blocks
}

// Of are the block's own of its trial's latencies; nil where it covers none.
func (b Block) Of(latencies []int64) []int64 {
	if b.First < 0 || b.N < 1 || b.First > len(latencies) || b.N > len(latencies)-b.First {
		return nil
	}
	return latencies[b.First : b.First+b.N]
}

// InOrder reports that the blocks tell by themselves in which order and when they were
// measured: by their turns, and within each start of the process by the monotonic clock.
func (r *Result) InOrder() bool {
	turn := 0
	for _, start := range r.Starts() {
		last := int64(-1)
		for _, b := range start {
			if b.Turn <= turn || b.StartNS <= last {
				return false
			}
			turn, last = b.Turn, b.StartNS
		}
	}
	return turn > 0
}

// WarmUp says what the untimed inferences showed: whether the model had become as
// fast as it gets before the timed ones began.
type WarmUp struct {
	// Steady: the last of them, 30 or more, have no slow beginning.
	Steady bool `json:"steady"`
	// Slow is how many of them, from the first on, were slower than the others.
	// Ratio is the median of the slow ones over the median of the others, 1 where
	// none was slow.
	Slow  int     `json:"slow"`
	Ratio float64 `json:"ratio"`
}

// Conditions are what the supervisor saw around one block. It reads them before and
// after the block and never runs during it. What cannot be read says why.
type Conditions struct {
	DurationNS int64 `json:"duration_ns"` // between the two readings
	// ClockHz is the lowest and the highest clock of the usable cores that cpufreq
	// reports before and after. ProbeHz is the clock that a loop of known length
	// showed, before and after.
	ClockHz Reading[Range] `json:"clock_hz"`
	ProbeHz Reading[Range] `json:"probe_hz"`
	// BelowTop is the share of the time, 0 to 1, that the cores spent below
	// their highest frequency (cpufreq's time_in_state).
	BelowTop    Reading[float64] `json:"below_top_clock"`
	Temperature Reading[Range]   `json:"temperature_celsius"`
	// Outside is how many cores' worth of time other processes took, Steal how
	// many the hypervisor took.
	Outside Reading[float64] `json:"outside_load_cores"`
	Steal   Reading[float64] `json:"steal_cores"`
	// Throttled is the time for which the cgroup's CPU quota stopped threads.
	Throttled Reading[int64] `json:"quota_throttled_ns"`
	// Pressure is the time in which something waited for a CPU (PSI, "some").
	Pressure Reading[int64] `json:"cpu_pressure_ns"`
	// Swapped counts pages that the machine moved to or from swap.
	Swapped Reading[int64] `json:"swapped_pages"`
	// Firmware says whether the firmware held the clock down or saw too low a
	// voltage: FirmwareFine, or what it reported, in words.
	Firmware Reading[string] `json:"firmware"`
}

// FirmwareFine is Conditions.Firmware's value when the firmware reports nothing.
const FirmwareFine = "ok"

// Range holds the lowest and the highest of a few readings.
type Range struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Harness is what measuring itself costs, found in the trial's own process with
// a model that does next to nothing: the least time of one call, as our loop
// measures it and as a loop in C over the same library does.
type Harness struct {
	NullNS      int64          `json:"null_ns"`
	NullCNS     Reading[int64] `json:"null_c_ns"`
	Calls       int            `json:"calls"`
	Allocations int64          `json:"allocations"` // of Go memory, in all those calls
}
