// Package device reads facts about the machine that decide what a latency
// means: board, processor, cores, memory, kernel, clock, temperature, and
// whether the processor is emulated. It reads world-readable files of /proc and
// /sys only, because user containers on CHI@Edge are unprivileged; what is not
// there is reported as unavailable with the reason, never as zero.
package device

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strconv"
	"strings"

	"chexp/experiments/trial"
)

// Facts reads the facts below a root, which is os.DirFS("/") except in tests.
// arch is Go's name of the architecture that this process was built for.
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
	}
}

// maxRead bounds what is read of any file: /proc and /sys files are small, and
// cpuinfo of a large server has less than 1 MiB.
const maxRead = 1 << 20

func read(root fs.FS, path string) (string, error) {
	f, err := root.Open(path)
	if err != nil {
		return "", plain(path, err)
	}
	defer f.Close()
	buf, err := io.ReadAll(io.LimitReader(f, maxRead))
	if err != nil {
		return "", plain(path, err)
	}
	// Device-tree strings end with a zero byte.
	return strings.TrimSpace(string(bytes.TrimRight(buf, "\x00"))), nil
}

// plain names the file as a person knows it, and the bare cause.
func plain(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("/%s: %w", path, err)
}

func text(root fs.FS, path string) trial.Reading[string] {
	s, err := read(root, path)
	if err != nil {
		return trial.Unread[string](err.Error())
	}
	if s == "" {
		return trial.Unread[string]("/" + path + " is empty")
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

func memory(root fs.FS) trial.Reading[int64] {
	info, err := read(root, "proc/meminfo")
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return trial.Read(kib * 1024)
			}
		}
	}
	return trial.Unread[int64]("/proc/meminfo has no MemTotal")
}

// clock is what cpufreq reports (kHz), or on x86 without cpufreq what
// /proc/cpuinfo does (MHz).
func clock(root fs.FS) trial.Reading[int64] {
	const path = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
	s, err := read(root, path)
	if err == nil {
		khz, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return trial.Unread[int64](fmt.Sprintf("/%s holds %q", path, clip(s)))
		}
		return trial.Read(khz * 1000)
	}
	info, _ := read(root, "proc/cpuinfo")
	if mhz, err := strconv.ParseFloat(field(info, "cpu MHz"), 64); err == nil {
		return trial.Read(int64(mhz * 1e6))
	}
	return trial.Unread[int64](err.Error())
}

// temperature prefers the zone of the processor; zone 0 if none is named so.
func temperature(root fs.FS) trial.Reading[float64] {
	zones, _ := fs.Glob(root, "sys/class/thermal/thermal_zone*")
	if len(zones) == 0 {
		return trial.Unread[float64]("/sys/class/thermal has no zone")
	}
	zone := zones[0]
	for _, z := range zones {
		kind, _ := read(root, z+"/type")
		if strings.Contains(kind, "cpu") || kind == "x86_pkg_temp" || kind == "soc-thermal" {
			zone = z
			break
		}
	}
	s, err := read(root, zone+"/temp")
	if err != nil {
		return trial.Unread[float64](err.Error())
	}
	milli, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return trial.Unread[float64](fmt.Sprintf("/%s/temp holds %q", zone, clip(s)))
	}
	return trial.Read(milli / 1000)
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

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
