package probe

import (
	"errors"
	"runtime"
	"sync"
	"time"
)

// floatChain runs rounds × addsPerRound operations on four floats each, of which
// each needs the result of the one before: FMLA on arm64, MULPS on amd64, which
// every processor of these architectures has.
//
//go:noescape
func floatChain(rounds int64)

// floatRounds are fewer than rounds: an emulator takes up to 100 times as long for
// them, and the stretches shall stay as short beside the scheduler's ticks.
const floatRounds = rounds / 8

// FloatInAdds is how many times as long as a 64-bit addition a vector operation on
// floats takes, when each waits for the one before. A core's own is its latency:
// 3 to 8 cycles [Arm's Software Optimization Guides, FMLA; Intel's and AMD's
// tables, MULPS], against 1. An emulator that translates instructions makes an
// addition of an addition, and a call of a function for each float of a vector:
// with QEMU 7.2, 86 to 97 times were measured for FMLA and 37 for MULPS, where the
// processor itself took 3 for MULPS. A virtual machine runs both on the processor, and
// reads like one.
//
// The two take turns, so that a clock that moves hits both, and the fastest of
// each counts. It is measured once in a process, in about 2 ms.
var FloatInAdds = sync.OnceValues(floatInAdds)

func floatInAdds() (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	adds, floats := time.Hour, time.Hour
	for range stretches {
		adds = min(adds, timed(addChain, rounds))
		floats = min(floats, timed(floatChain, floatRounds))
	}
	if adds <= 0 || floats <= 0 {
		return 0, errors.New("the clock did not move during the probe's loops")
	}
	return float64(floats) / floatRounds / (float64(adds) / rounds), nil
}
