package device

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"chexp/agent/internal/device/cgroup"
	"chexp/agent/internal/device/kernelfs"
	"chexp/agent/internal/device/probe"
	"chexp/experiments/trial"
)

// peak is how many multiply-adds one core can begin in a cycle.
type peak struct {
	float, integer float64 // of 32-bit floats; of bytes into 32-bit sums
	source         string
}

// armUnits is the number of 128-bit SIMD pipes that take a fused multiply-add or a
// dot product each cycle, from "ASIMD FP multiply accumulate" and "ASIMD dot
// product" in Arm's Software Optimization Guides. Cores whose guide splits 128-bit
// operations, or has no dot product, are left out: no roof is better than a wrong
// one.
var armUnits = map[string]int{
	"Cortex-A76": 2, "Neoverse-N1": 2, "Cortex-A77": 2, "Cortex-A78": 2, "Cortex-A78AE": 2, "Cortex-A78C": 2,
	"Neoverse-N2": 2,
	"Cortex-X1":   4, "Neoverse-V1": 4, "Neoverse-V2": 4,
}

// peakOf derives the peak from the processor's name and its features.
func peakOf(root fs.FS, arch string) (peak, error) {
	list, ok := features(root, arch).Get()
	if !ok {
		return peak{}, fmt.Errorf("no roof: the processor's features are unknown (%s)",
			features(root, arch).Unavailable)
	}
	has := func(word string) bool { return slices.Contains(list, word) }
	if isArm(arch) {
		return armPeak(cpuName(root), has)
	}
	info, _ := kernelfs.Read(root, "proc/cpuinfo")
	return x86Peak(field(info, "vendor_id"), field(info, "cpu family"), has)
}

// armPeak: a 128-bit FMLA is 4 multiply-adds, SDOT and UDOT are 16, SMMLA is 32. On
// the Cortex-A76 of the Pi 5 that makes 2 × 4 = 8 and 2 × 16 = 32 a cycle, and with
// 4 cores at 2.4 GHz 153.6 GFLOPS and 614 GOPS.
func armPeak(name trial.Reading[string], has func(string) bool) (peak, error) {
	cpu, _ := name.Get()
	units, ok := armUnits[cpu]
	if !ok || !has("asimd") || !has("asimddp") {
		return peak{}, fmt.Errorf("no roof: how many multiply-adds a cycle a core %q begins is not known here",
			cpu+name.Unavailable)
	}
	p := peak{float: float64(4 * units), integer: float64(16 * units),
		source: fmt.Sprintf("%s: %d × 128-bit FMLA and SDOT a cycle", cpu, units)}
	if has("i8mm") {
		p.integer *= 2
		p.source = fmt.Sprintf("%s: %d × 128-bit FMLA and SMMLA a cycle", cpu, units)
	}
	return p, nil
}

// x86Peak assumes two vector units of full width, which is the most that any
// processor to date has; one with a single 512-bit unit (some Xeons) stays at half
// of this roof. AMD's Zen 4 (family 25) splits 512 bits over two 256-bit units. A
// vector of n bytes is n/4 float multiply-adds (FMA), and n of bytes: VPDPBUSD does
// them in one step, VPMADDUBSW, without VNNI, begins as many.
func x86Peak(vendor, family string, has func(string) bool) (peak, error) {
	if !has("fma") || !has("avx2") {
		return peak{}, fmt.Errorf("no roof: a processor without FMA and AVX2 is not known here")
	}
	bytes, words := 32, "FMA and AVX2"
	if has("avx512f") && has("avx512bw") {
		if words = "AVX-512"; vendor != "AuthenticAMD" || family != "25" {
			bytes = 64
		}
	}
	p := peak{float: float64(2 * bytes / 4), integer: float64(2 * bytes),
		source: fmt.Sprintf("%s: 2 × %d-bit units", words, 8*bytes)}
	if has("amx_int8") {
		// TDPBUSD: 16 × 16 × 64 multiply-adds in 16 cycles [Intel's
		// optimization manual, "Intel AMX"].
		p.integer = 1024
		p.source += ", bytes with AMX"
	}
	return p, nil
}

const (
	leastBuffer = 64 << 20
	mostBuffer  = 256 << 20
)

// Roof measures and derives what the machine could do at best; it takes about
// 0.1 s and up to 256 MiB for that time, so ask once a run. It is a bound for a
// single inference, so the cgroup's quota is left out: a quota stops threads only
// after they have used up its share of a period (100 ms by default), and until
// then all cores that the affinity mask allows run at full speed.
func Roof(root fs.FS, arch string) trial.Reading[trial.Roof] {
	if err := Genuine(root, arch); err != nil {
		return trial.Unread[trial.Roof](err.Error())
	}
	p, err := peakOf(root, arch)
	if err != nil {
		return trial.Unread[trial.Roof](err.Error())
	}
	cores := runtime.NumCPU()
	r := trial.Roof{Cores: cores, FloatPerCycle: p.float, IntegerPerCycle: p.integer}
	// The clock before and after the cores have worked together: the highest
	// counts, for a bound that is too low would refuse true results.
	hz, err := fastest(3)
	if r.MemoryBytesPerSecond = memoryRate(root, cores); err == nil {
		var warm float64
		warm, err = fastest(3)
		hz = max(hz, warm)
	}
	clock := "the clock as probed"
	if top, ok := maxClock(root).Get(); ok && float64(top) >= hz {
		hz, clock = float64(top), "cpufreq's highest clock"
	} else if err != nil {
		return trial.Unread[trial.Roof]("no roof: " + err.Error())
	}
	r.ClockHz = int64(hz)
	r.Source = p.source + "; " + clock
	return trial.Read(r)
}

func fastest(times int) (hz float64, err error) {
	for range times {
		v, err := probe.ClockHz()
		if err != nil {
			return 0, err
		}
		hz = max(hz, v)
	}
	return hz, nil
}

func memoryRate(root fs.FS, cores int) trial.Reading[float64] {
	size, err := bufferSize(root)
	if err != nil {
		return trial.Unread[float64](err.Error())
	}
	rate, err := probe.ReadRate(cores, size)
	if err != nil {
		return trial.Unread[float64](err.Error())
	}
	return trial.Read(rate)
}

// bufferSize is that of the reading probe: three times the last-level cache, so
// that little of one pass is still there in the next, and never more than a
// quarter of what memory is free.
func bufferSize(root fs.FS) (int64, error) {
	cache := lastCache(root)
	size := max(leastBuffer, min(3*cache, mostBuffer))
	free, err := kernelfs.Keyed(root, "proc/meminfo", "MemAvailable")
	if err != nil {
		return 0, fmt.Errorf("no reading probe without knowing how much memory is free: %w", err)
	}
	free = min(free, 1<<40) * 1024
	if limit, ok := cgroup.MemoryLimit(root).Get(); ok && limit > 0 {
		free = min(free, limit)
	}
	size = min(size, free/4)
	if size < 2*cache || size < leastBuffer/4 {
		return 0, fmt.Errorf("no reading probe: %d MiB of memory may be used, the last-level cache has %d MiB",
			free>>20, cache>>20)
	}
	return size, nil
}

// lastCache is the size of the largest cache of the first processor, 0 if nothing
// says it: Arm's kernels know it from the device tree, where it may be missing.
func lastCache(root fs.FS) int64 {
	var largest int64
	files, _ := fs.Glob(root, "sys/devices/system/cpu/cpu0/cache/index*/size")
	for _, f := range files {
		s, err := kernelfs.Read(root, f)
		if err != nil {
			continue
		}
		kib, err := strconv.ParseUint(strings.TrimSuffix(s, "K"), 10, 30)
		if err == nil {
			largest = max(largest, int64(kib)<<10)
		}
	}
	return largest
}
