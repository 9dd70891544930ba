// Package device reads facts about the machine that decide what a latency
// means: board, processor, cores, memory, kernel, clock, temperature, and
// whether the processor is emulated. It reads world-readable files of /proc and
// /sys only, because user containers on CHI@Edge are unprivileged; what is not
// there is reported as unavailable with the reason, never as zero.
package device

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"chexp/agent/internal/device/cgroup"
	"chexp/agent/internal/device/kernelfs"
	"chexp/experiments/trial"
)

// Facts reads the facts below a root, which is os.DirFS("/") except in tests.
// arch is Go's name of the architecture that this process was built for. The two
// facts that must be measured are left to Roof and FloatInAdds.
func Facts(root fs.FS, arch string) trial.Device {
	return trial.Device{
		Model:       model(root),
		CPU:         cpuName(root),
		Cores:       runtime.NumCPU(), // what the affinity mask allows
		MemoryBytes: memory(root),
		Kernel:      text(root, "proc/sys/kernel/osrelease"),
		Governor:    text(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		ClockHz:     clock(root),
		Temperature: temperature(root),
		Emulated:    emulated(root, arch),
		Virtual:     virtual(root),

		MaxClockHz:   maxClock(root),
		PageSize:     syscall.Getpagesize(),
		Board:        board(root),
		Cmdline:      commandLine(root),
		Features:     features(root, arch),
		Quota:        cgroup.Quota(root),
		MemoryLimit:  cgroup.MemoryLimit(root),
		SwapBytes:    swap(root),
		CoolingSteps: cooling(root),
	}
}

// maxText bounds a text that goes into every result; the longest is the kernel's
// command line, COMMAND_LINE_SIZE of which is 2048 on arm64 and x86.
const maxText = 4096

func text(root fs.FS, path string) trial.Reading[string] {
	s, err := kernelfs.Read(root, path)
	switch {
	case err != nil:
		return trial.Unread[string](err.Error())
	case s == "":
		return trial.Unread[string]("/" + path + " is empty")
	case len(s) > maxText:
		return trial.Unread[string](fmt.Sprintf("/%s has %d bytes", path, len(s)))
	}
	return trial.Read(s)
}

func model(root fs.FS) trial.Reading[string] {
	tree := text(root, "proc/device-tree/model")
	if tree.Value != nil {
		return tree
	}
	product := text(root, "sys/class/dmi/id/product_name")
	if product.Value == nil {
		return trial.Unread[string](tree.Unavailable + "; " + product.Unavailable)
	}
	if vendor := text(root, "sys/class/dmi/id/sys_vendor"); vendor.Value != nil {
		return trial.Read(*vendor.Value + " " + *product.Value)
	}
	return product
}

func memory(root fs.FS) trial.Reading[int64] { return kib(root, "MemTotal") }

func swap(root fs.FS) trial.Reading[int64] { return kib(root, "SwapTotal") }

func kib(root fs.FS, key string) trial.Reading[int64] {
	n, err := kernelfs.Keyed(root, "proc/meminfo", key)
	if err == nil && n > kernelfs.MaxCount/1024 {
		err = fmt.Errorf("%s of /proc/meminfo is %d kB", key, n)
	}
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	return trial.Read(n * 1024)
}

// clock is what cpufreq reports, or on x86 without cpufreq what /proc/cpuinfo
// does (MHz; in a virtual machine that is a constant).
func clock(root fs.FS) trial.Reading[int64] {
	r := Frequency(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
	if r.Value != nil {
		return r
	}
	info, _ := kernelfs.Read(root, "proc/cpuinfo")
	if mhz, err := strconv.ParseFloat(field(info, "cpu MHz"), 64); err == nil && mhz > 0 && mhz < maxKHz/1000 {
		return trial.Read(int64(mhz * 1e6))
	}
	return r
}

// maxKHz bounds what cpufreq may claim.
const maxKHz = 20e6

// Frequency reads a file of cpufreq, which counts in kHz, as Hz.
func Frequency(root fs.FS, path string) trial.Reading[int64] {
	khz, err := kernelfs.Count(root, path)
	if err == nil && (khz == 0 || khz > maxKHz) {
		err = fmt.Errorf("/%s holds %d kHz", path, khz)
	}
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	return trial.Read(khz * 1000)
}

// maxClock is the highest clock of the cores that this process may use.
func maxClock(root fs.FS) trial.Reading[int64] {
	cpus, err := kernelfs.Usable(root)
	if err != nil {
		cpus = []int{0}
	}
	var best trial.Reading[int64]
	for _, cpu := range cpus {
		r := Frequency(root, fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu))
		if v, ok := r.Get(); ok && (best.Value == nil || v > *best.Value) ||
			best.Value == nil && best.Unavailable == "" {
			best = r
		}
	}
	return best
}

// temperature is the processor's.
func temperature(root fs.FS) trial.Reading[float64] {
	zones, err := Zones(root)
	if err != nil {
		return trial.Unread[float64](err.Error())
	}
	return Celsius(root, zones[0])
}

// Zones lists the thermal zones of the processor; where none is named so, the
// first zone, whatever it measures.
func Zones(root fs.FS) ([]string, error) {
	all, _ := fs.Glob(root, "sys/class/thermal/thermal_zone*")
	if len(all) == 0 {
		return nil, errors.New("/sys/class/thermal has no zone")
	}
	var zones []string
	for _, z := range all {
		kind, _ := kernelfs.Read(root, z+"/type")
		if strings.Contains(kind, "cpu") || kind == "x86_pkg_temp" || kind == "soc-thermal" {
			zones = append(zones, z)
		}
	}
	if len(zones) == 0 {
		return all[:1], nil
	}
	return zones, nil
}

// Celsius is the temperature of a zone.
func Celsius(root fs.FS, zone string) trial.Reading[float64] {
	s, err := kernelfs.Read(root, zone+"/temp")
	if err != nil {
		return trial.Unread[float64](err.Error())
	}
	milli, err := strconv.ParseInt(s, 10, 32)
	if err != nil || milli < -100_000 || milli > 250_000 {
		return trial.Unread[float64](fmt.Sprintf("/%s/temp holds %q", zone, kernelfs.Clip(s)))
	}
	return trial.Read(float64(milli) / 1000)
}

// field is the first value of a key in /proc/cpuinfo.
func field(cpuinfo, key string) string {
	for line := range strings.Lines(cpuinfo) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
