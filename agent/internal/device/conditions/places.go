package conditions

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"chexp/agent/internal/device"
	"chexp/agent/internal/device/cgroup"
	"chexp/agent/internal/device/kernelfs"
)

// places are the files to read around every block, looked for once: a search costs
// more than the reading.
type places struct {
	policies   []policy
	noPolicies error
	zones      []string
	noZones    error
	cpu        cgroup.Path
	noCPU      error
	word       string   // the Raspberry Pi firmware's throttled word
	alarms     []string // under-voltage alarms
}

// policy is a set of cores whose clock cpufreq sets together.
type policy struct {
	dir   string
	cores int // how many of them are usable
}

// firmwareFiles are where the firmware's driver shows its word, on the Pi 3 and 4
// (soc/soc:firmware) and the Pi 5 (the same with addresses in the names)
// [drivers/firmware/raspberrypi.c: a file of the platform device].
var firmwareFiles = []string{
	"sys/devices/platform/*firmware/get_throttled",
	"sys/devices/platform/*/*firmware/get_throttled",
	"sys/bus/platform/drivers/raspberrypi-firmware/*/get_throttled",
}

func find(root fs.FS) places {
	var p places
	p.policies, p.noPolicies = findPolicies(root)
	p.zones, p.noZones = device.Zones(root)
	p.cpu, p.noCPU = cgroup.Find(root, "cpu")
	for _, pattern := range firmwareFiles {
		if found, _ := fs.Glob(root, pattern); len(found) > 0 {
			p.word = found[0]
			break
		}
	}
	names, _ := fs.Glob(root, "sys/class/hwmon/hwmon*/name")
	for _, name := range names {
		if s, err := kernelfs.Read(root, name); err == nil && s == "rpi_volt" {
			p.alarms = append(p.alarms, name[:len(name)-len("name")]+"in0_lcrit_alarm")
		}
	}
	return p
}

func findPolicies(root fs.FS) ([]policy, error) {
	dirs, _ := fs.Glob(root, "sys/devices/system/cpu/cpufreq/policy*")
	if len(dirs) == 0 {
		return nil, errors.New("/sys/devices/system/cpu/cpufreq has no policy")
	}
	usable, err := kernelfs.Usable(root)
	if err != nil {
		return nil, err
	}
	var policies []policy
	for _, dir := range dirs {
		s, err := kernelfs.Read(root, dir+"/affected_cpus")
		if err != nil {
			return nil, err
		}
		cpus, err := kernelfs.List(s)
		if err != nil {
			return nil, fmt.Errorf("/%s/affected_cpus: %w", dir, err)
		}
		n := 0
		for _, cpu := range cpus {
			if slices.Contains(usable, cpu) {
				n++
			}
		}
		if n > 0 {
			policies = append(policies, policy{dir: dir, cores: n})
		}
	}
	if len(policies) == 0 {
		return nil, errors.New("cpufreq has no policy for the usable cores")
	}
	return policies, nil
}
