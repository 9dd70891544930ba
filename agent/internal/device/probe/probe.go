// Package probe finds out by trying what the kernel may not say: the clock at
// which the processor really runs, from a loop whose number of cycles is known,
// whether a processor runs that loop at all and not an emulator, and the rate at
// which all cores together read memory.
package probe

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// addChain runs rounds × addsPerRound additions, each of which needs the result of
// the one before.
//
//go:noescape
func addChain(rounds int64)

const (
	// addsPerRound is the length of the loop's body in addChain. The counter
	// and the branch around it run beside the chain on a core that executes
	// out of order, and cost at most 2 cycles more on one that does not.
	addsPerRound = 128
	// rounds of one timed stretch: 102,400 cycles, 43 µs at the Pi 5's 2.4 GHz.
	// That is far above the resolution of the clock (18.5 ns with the Pi 5's
	// counter of 54 MHz) and far below the time between two scheduler ticks
	// (4 ms at 250 Hz), so that most stretches are not interrupted.
	rounds = 800
	// stretches are timed; the fastest counts, because whatever disturbs one
	// makes it longer: an interrupt, and on a core with two hardware threads
	// the other thread.
	stretches = 20

	lowestHz, highestHz = 10e6, 10e9 // beyond this the loop was not run as written
)

// ClockHz is the effective clock of the core that this runs on, in about 1 ms.
//
// An addition of two registers that depends on the one before takes one cycle on
// every core we meet: "Arithmetic, basic: latency 1" in Arm's Software Optimization
// Guides (Cortex-A76, table of integer arithmetic), ADD r64,r64 latency 1 in Intel's
// and AMD's tables. It is a register that is added and not a constant: cores since
// Intel's Golden Cove add small constants while renaming, in no time.
//
// Under emulation this counts the emulator's instructions: ask device.Genuine first.
func ClockHz() (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fastest := timed(addChain, rounds)
	for range stretches - 1 {
		fastest = min(fastest, timed(addChain, rounds))
	}
	if fastest <= 0 {
		return 0, errors.New("the clock did not move during the probe's loop")
	}
	hz := float64(rounds) * addsPerRound / fastest.Seconds()
	if hz < lowestHz || hz > highestHz {
		return 0, fmt.Errorf("the probe's loop ran at %.3g additions per second, which is no processor's clock", hz)
	}
	return hz, nil
}

func timed(chain func(rounds int64), rounds int64) time.Duration {
	begin := time.Now()
	chain(rounds)
	return time.Since(begin)
}
