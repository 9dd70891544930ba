package conditions

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chexp/agent/internal/device/kernelfs"
	"chexp/experiments/trial"
)

// errGone is what reading a file of a thread that has ended gives.
var errGone = syscall.ESRCH

// timeInState is how long the usable cores have been below their highest frequency
// and at any, in ticks times cores.
type timeInState struct{ below, total, cores int64 }

const (
	maxStates     = 256  // frequencies of a policy
	maxStateTicks = 1e12 // 300 years: products with all cores do not overflow
)

// timeInState adds up cpufreq's statistics, which the kernel brings up to date at
// every reading: lines of "<kHz> <ticks>".
func (s *Sampler) timeInState() trial.Reading[timeInState] {
	if s.where.noPolicies != nil {
		return trial.Unread[timeInState](s.where.noPolicies.Error())
	}
	var sum timeInState
	for _, p := range s.where.policies {
		path := p.dir + "/stats/time_in_state"
		text, err := kernelfs.Read(s.root, path)
		if err != nil {
			return trial.Unread[timeInState](err.Error())
		}
		var top, atTop, total int64
		for i, line := range strings.Split(text, "\n") {
			khz, ticks, _ := strings.Cut(strings.TrimSpace(line), " ")
			f, errF := kernelfs.ParseCount(khz)
			t, errT := kernelfs.ParseCount(ticks)
			if errF != nil || errT != nil || t > maxStateTicks || i >= maxStates {
				return trial.Unread[timeInState](fmt.Sprintf("/%s has a line %q", path, kernelfs.Clip(line)))
			}
			if total += t; f > top {
				top, atTop = f, t
			}
		}
		sum.cores += int64(p.cores)
		sum.total += total * int64(p.cores)
		sum.below += (total - atTop) * int64(p.cores)
	}
	return trial.Read(sum)
}

// belowTop is the share of the time that the cores were below their top frequency.
func belowTop(b, a timeInState) trial.Reading[float64] {
	total, below := a.total-b.total, a.below-b.below
	if below < 0 || total < below {
		return trial.Unread[float64]("the counters of time_in_state went backwards")
	}
	each := min(total/b.cores, maxStateTicks/1000) // the same for every core
	if why := tooShort(1, time.Duration(each)*tick); why != "" {
		return trial.Unread[float64](why)
	}
	return trial.Read(float64(below) / float64(total))
}

func (s *Sampler) throttled() trial.Reading[int64] {
	if s.where.noCPU != nil {
		return trial.Unread[int64](s.where.noCPU.Error())
	}
	ns, err := s.where.cpu.ThrottledNS(s.root)
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	return trial.Read(ns)
}

// pressure is the machine's pressure-stall time for the CPU: "some avg10=… total=µs".
func (s *Sampler) pressure() trial.Reading[int64] {
	const path = "proc/pressure/cpu"
	text, err := kernelfs.Read(s.root, path)
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "some" {
			continue
		}
		for _, word := range f[1:] {
			if v, ok := strings.CutPrefix(word, "total="); ok {
				if us, err := kernelfs.ParseCount(v); err == nil && us <= kernelfs.MaxCount/1000 {
					return trial.Read(us * 1000)
				}
			}
		}
	}
	return trial.Unread[int64](fmt.Sprintf("/%s is %q", path, kernelfs.Clip(text)))
}

// swapped counts the pages that the machine moved to and from swap.
func (s *Sampler) swapped() trial.Reading[int64] {
	const path = "proc/vmstat"
	text, err := kernelfs.Read(s.root, path)
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	in, err := kernelfs.KeyedIn(text, path, "pswpin")
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	out, err := kernelfs.KeyedIn(text, path, "pswpout")
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	return trial.Read(in + out) // no overflow: see MaxCount
}

// firmware is what a Raspberry Pi's firmware says: its throttled word, or only the
// alarm for the supply's voltage.
type firmware struct {
	word    int64 // -1: not shown
	alarmed bool
}

// throttledBits are the low bits, true at the moment; the same 16 higher are true
// if it has happened since the kernel's driver last looked, every 2 s [Raspberry
// Pi documentation, vcgencmd get_throttled; drivers/hwmon/raspberrypi-hwmon.c].
var throttledBits = []string{"under-voltage", "clock capped", "throttled", "soft temperature limit"}

// firmware reads the word, which the kernel shows in hex without a prefix and as
// of its driver's last look (it also writes a line to the kernel's log once, that
// the file is deprecated), and the alarms that took its place.
func (s *Sampler) firmware() trial.Reading[firmware] {
	fw := firmware{word: -1}
	var problem error
	if s.where.word != "" {
		text, err := kernelfs.Read(s.root, s.where.word)
		if err == nil {
			var word uint64
			if word, err = strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 32); err == nil {
				fw.word = int64(word)
			} else {
				err = fmt.Errorf("/%s holds %q", s.where.word, kernelfs.Clip(text))
			}
		}
		problem = err
	}
	told := fw.word >= 0
	for _, path := range s.where.alarms {
		n, err := kernelfs.Count(s.root, path)
		if err != nil {
			problem = err
			continue
		}
		told, fw.alarmed = true, fw.alarmed || n != 0
	}
	switch {
	case told:
		return trial.Read(fw)
	case problem != nil:
		return trial.Unread[firmware](problem.Error())
	}
	return trial.Unread[firmware]("no Raspberry Pi firmware shows its state in /sys")
}

// firmwareWords says what was true before, after or, as far as the firmware keeps
// it, between.
func firmwareWords(b, a firmware) trial.Reading[string] {
	var words []string
	if b.word >= 0 && a.word >= 0 {
		// What had happened before the block and was still shown is old.
		seen := b.word&0xf | a.word&0xf | a.word>>16&^(b.word>>16)&0xf
		for i, name := range throttledBits {
			if seen&(1<<i) != 0 {
				words = append(words, name)
			}
		}
	}
	if (b.alarmed || a.alarmed) && (len(words) == 0 || words[0] != throttledBits[0]) {
		words = append(words, throttledBits[0])
	}
	if len(words) == 0 {
		return trial.Read(trial.FirmwareFine)
	}
	return trial.Read(strings.Join(words, ", "))
}
