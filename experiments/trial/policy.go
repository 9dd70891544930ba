package trial

import (
	"math"
	"time"
)

// SettleShare of a block's length goes into inferences that do not count. 25 ms of the
// usual half second is several times what refilling caches takes, and more than a
// cpufreq governor's sampling interval (10 ms).
const SettleShare = 20

// defaultTimeout bounds a trial whose policy sets no limit.
const defaultTimeout = 30 * time.Minute

// Limit is how long a trial may have the device.
func (p Policy) Limit() time.Duration {
	if p.Timeout <= 0 {
		return defaultTimeout
	}
	return p.Timeout
}

// Expected is how long a trial is measured, once its model is loaded, whose inferences
// take so long each; more, where a precision is asked for.
func (p Policy) Expected(one time.Duration) time.Duration {
	work := max(p.MinTime, time.Duration(min(float64(max(p.MinRuns, 1))*float64(one), math.MaxInt64/4)))
	if p.Block > 0 {
		work += work / SettleShare
	}
	if p.MaxTime > 0 {
		work = min(work, p.MaxTime)
	}
	return min(work, p.Limit())
}
