// Package conditions watches the machine around each timed block: it reads before and
// after, in a millisecond or two each, and never while the block runs. What the
// pair of readings says (clocks, heat, other processes, the hypervisor, quotas,
// swap, the firmware) is trial.Conditions; what cannot be told says why, which
// includes a block too short for the counter that would tell.
package conditions

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"

	"chexp/agent/internal/device"
	"chexp/agent/internal/device/probe"
	"chexp/experiments/trial"
)

// Sampler belongs to one goroutine.
type Sampler struct {
	root   fs.FS
	self   int // own process id, to see that /proc is of this PID namespace
	now    func() time.Time
	own    func() time.Duration // processor time of this process so far
	probe  func() trial.Reading[float64]
	where  places
	before *snapshot
}

// New looks once for what can be read below root ("/" except in tests). arch is
// Go's name of the architecture that this process was built for.
func New(root fs.FS, arch string) *Sampler {
	genuine := device.Genuine(root, arch)
	s := &Sampler{
		root: root, self: os.Getpid(), now: time.Now, own: ownTime,
		probe: func() trial.Reading[float64] {
			if genuine != nil {
				return trial.Unread[float64](genuine.Error())
			}
			hz, err := probe.ClockHz()
			if err != nil {
				return trial.Unread[float64](err.Error())
			}
			return trial.Read(hz)
		},
	}
	s.where = find(root)
	return s
}

func ownTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// snapshot is one reading of everything.
type snapshot struct {
	pid         int
	at          time.Time
	own         time.Duration
	stat        trial.Reading[stat]
	process     trial.Reading[processTime]
	clocks      trial.Reading[trial.Range]
	states      trial.Reading[timeInState]
	temperature trial.Reading[trial.Range]
	throttled   trial.Reading[int64]
	pressure    trial.Reading[int64]
	swapped     trial.Reading[int64]
	firmware    trial.Reading[firmware]
	probe       trial.Reading[float64]
}

// Before reads when the process pid is about to measure a block and sleeps. The
// counters come last, next to the block. A governor such as ondemand may still have
// the cores at an idle clock then: of the two readings of a clock, the one after
// the block says more.
func (s *Sampler) Before(pid int) {
	b := &snapshot{pid: pid, probe: s.probe()}
	s.slow(b)
	b.clocks = s.clocks()
	b.process = s.processTime(pid)
	b.own = s.own()
	b.stat = s.stat()
	b.at = s.now()
	s.before = b
}

// After reads when the block has ended and says what lies between. The counters
// come first, and the clocks before anything lets the cores go idle.
func (s *Sampler) After() *trial.Conditions {
	b := s.before
	if b == nil {
		return nil
	}
	s.before = nil
	a := &snapshot{at: s.now(), clocks: s.clocks()}
	a.stat = s.stat()
	a.own = s.own()
	a.process = s.processTime(b.pid)
	s.slow(a)
	a.probe = s.probe()
	return between(b, a)
}

// slow reads what does not depend on the very moment.
func (s *Sampler) slow(r *snapshot) {
	r.states = s.timeInState()
	r.throttled = s.throttled()
	r.temperature = s.temperature()
	r.pressure = s.pressure()
	r.swapped = s.swapped()
	r.firmware = s.firmware()
}

// Temperature is the hottest of the processor's zones, now.
func (s *Sampler) Temperature() trial.Reading[float64] {
	r := s.temperature()
	if r.Value == nil {
		return trial.Unread[float64](r.Unavailable)
	}
	return trial.Read(r.Value.High)
}

// between derives the conditions from two snapshots.
func between(b, a *snapshot) *trial.Conditions {
	elapsed := a.at.Sub(b.at)
	return &trial.Conditions{
		DurationNS:  int64(elapsed),
		ClockHz:     both(b.clocks, a.clocks, join),
		ProbeHz:     both(b.probe, a.probe, span),
		BelowTop:    both(b.states, a.states, belowTop),
		Temperature: both(b.temperature, a.temperature, join),
		Outside: both(b.stat, a.stat, func(x, y stat) trial.Reading[float64] {
			return both(b.process, a.process, func(p, q processTime) trial.Reading[float64] {
				return outside(x, y, p, q, a.own-b.own, elapsed)
			})
		}),
		Steal:     both(b.stat, a.stat, func(x, y stat) trial.Reading[float64] { return steal(x, y, elapsed) }),
		Throttled: both(b.throttled, a.throttled, grown),
		Pressure:  both(b.pressure, a.pressure, grown),
		Swapped:   both(b.swapped, a.swapped, grown),
		Firmware:  both(b.firmware, a.firmware, firmwareWords),
	}
}

// both derives a reading from a pair, of which each may be missing.
func both[A, B any](b, a trial.Reading[A], derive func(b, a A) trial.Reading[B]) trial.Reading[B] {
	x, ok := b.Get()
	if !ok {
		return trial.Unread[B](b.Unavailable)
	}
	y, ok := a.Get()
	if !ok {
		return trial.Unread[B](a.Unavailable)
	}
	return derive(x, y)
}

func join(b, a trial.Range) trial.Reading[trial.Range] {
	return trial.Read(trial.Range{Low: math.Min(b.Low, a.Low), High: math.Max(b.High, a.High)})
}

func span(b, a float64) trial.Reading[trial.Range] {
	return trial.Read(trial.Range{Low: math.Min(b, a), High: math.Max(b, a)})
}

// grown is a counter's growth.
func grown(b, a int64) trial.Reading[int64] {
	if a < b {
		return trial.Unread[int64](fmt.Sprintf("the counter went from %d back to %d", b, a))
	}
	return trial.Read(a - b)
}

func (s *Sampler) temperature() trial.Reading[trial.Range] {
	if s.where.noZones != nil {
		return trial.Unread[trial.Range](s.where.noZones.Error())
	}
	return rangeOf(s.where.zones, func(zone string) trial.Reading[float64] { return device.Celsius(s.root, zone) })
}

func (s *Sampler) clocks() trial.Reading[trial.Range] {
	if s.where.noPolicies != nil {
		return trial.Unread[trial.Range](s.where.noPolicies.Error())
	}
	return rangeOf(s.where.policies, func(p policy) trial.Reading[float64] {
		hz := device.Frequency(s.root, p.dir+"/scaling_cur_freq")
		if hz.Value == nil {
			return trial.Unread[float64](hz.Unavailable)
		}
		return trial.Read(float64(*hz.Value))
	})
}

// rangeOf reads every source; one that cannot be read leaves the whole untold.
func rangeOf[T any](sources []T, read func(T) trial.Reading[float64]) trial.Reading[trial.Range] {
	r := trial.Range{Low: math.Inf(1), High: math.Inf(-1)}
	for _, source := range sources {
		v := read(source)
		if v.Value == nil {
			return trial.Unread[trial.Range](v.Unavailable)
		}
		r.Low, r.High = math.Min(r.Low, *v.Value), math.Max(r.High, *v.Value)
	}
	return trial.Read(r)
}
