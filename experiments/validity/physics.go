package validity

import (
	"fmt"
	"math"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Bound is how a trial stands to what its device could do at best.
type Bound struct {
	// ComputeNS and MemoryNS are the least times that one inference takes for
	// its multiply-adds and for its bytes; MemoryNS is unavailable without a
	// memory probe.
	ComputeNS float64                `json:"compute_ns"`
	MemoryNS  trial.Reading[float64] `json:"memory_ns"`
	// Achieved is ComputeNS over the median: the share of the roof, 0 to 1.
	Achieved float64 `json:"achieved"`
	// Cores that the trial could use, and the multiply-adds of one inference.
	Cores        int   `json:"cores"`
	MultiplyAdds int64 `json:"multiply_adds"`
	weights      int64
}

// Roof holds the median of a trial's sample against its device's limits. Float and 8-bit
// multiply-adds share the cores, so their times add up.
func Roof(r *trial.Result, s stats.Sample) trial.Reading[Bound] {
	none := func(what, why, otherwise string) trial.Reading[Bound] {
		if why == "" {
			why = otherwise
		}
		return trial.Unread[Bound](what + ": " + why)
	}
	work, ok := r.Model.Work.Get()
	if !ok {
		return none("the model's work", r.Model.Work.Unavailable, "the plan does not count it")
	}
	roof, ok := r.Device.Roof.Get()
	if !ok {
		return none("the device's roof", r.Device.Roof.Unavailable, "the agent did not measure it")
	}
	if s.N() == 0 || s.Median() <= 0 {
		return trial.Unread[Bound]("nothing was timed")
	}
	b := Bound{Cores: min(r.Threads, roof.Cores), MultiplyAdds: (work.Float + work.Integer) * int64(r.Batch),
		weights: work.WeightBytes}
	cycles := float64(r.Batch) * (float64(work.Float)/roof.FloatPerCycle + float64(work.Integer)/roof.IntegerPerCycle)
	b.ComputeNS = cycles / float64(b.Cores) / float64(roof.ClockHz) * 1e9
	if b.Cores < 1 || roof.ClockHz < 1 || work.Float < 0 || work.Integer < 0 || b.MultiplyAdds < 1 ||
		!(b.ComputeNS > 0) || math.IsInf(b.ComputeNS, 0) {
		return trial.Unread[Bound]("the model's work or the device's roof has no usable numbers")
	}
	b.Achieved = b.ComputeNS / s.Median()
	bytes := float64(work.WeightBytes) + float64(r.Batch)*float64(work.ActivationBytes)
	b.MemoryNS = trial.Unread[float64](roof.MemoryBytesPerSecond.Unavailable)
	if speed, ok := roof.MemoryBytesPerSecond.Get(); ok && speed > 0 && bytes > 0 {
		b.MemoryNS = trial.Read(bytes / speed * 1e9)
	}
	return trial.Read(b)
}

func checkPhysics(r *trial.Result, s stats.Sample) stats.Check {
	roof := Roof(r, s)
	b, ok := roof.Get()
	if !ok {
		return unread(Physics, roof.Unavailable)
	}
	text := fmt.Sprintf("%s multiply-adds at %s of what %s can do", count(b.MultiplyAdds), words.Percent(b.Achieved),
		words.Plural(b.Cores, "core"))
	c := graded(Physics, b.Achieved, 1, 1, text,
		"it can't be: the model is not what it says, the work was not done, or the roof is wrong")
	if c.Outcome != stats.Valid {
		return c
	}
	least, ok := b.MemoryNS.Get()
	if median := b.ComputeNS / b.Achieved; ok && b.weights > cacheBytes && least > median {
		c.Outcome = stats.Suspect
		c.Text += fmt.Sprintf("; reading its weights once takes %.3g ms, and the median is %.3g ms", least/1e6, median/1e6)
		c.Remedy = "the weights stayed in a cache, or the memory probe was disturbed: look at the device's roof"
	}
	return c
}

// count writes a large number for people.
func count(n int64) string {
	v := float64(n)
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.3g G", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.3g M", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.3g k", v/1e3)
	}
	return fmt.Sprint(n)
}
