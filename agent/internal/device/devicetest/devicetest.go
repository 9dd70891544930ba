// Package devicetest has the /proc and /sys of machines as an agent in a container
// sees them, for tests: a Raspberry Pi 5, a virtual machine on x86, and a container
// that shows nothing. They were written by hand after the kernel's documentation
// and sources, not copied from machines.
package devicetest

import (
	"fmt"
	"testing/fstest"
)

// Tree is a file system under which tests may change any file between readings.
type Tree fstest.MapFS

// FS is the tree as the readers want it.
func (t Tree) FS() fstest.MapFS { return fstest.MapFS(t) }

// Set writes files; an empty text removes one.
func (t Tree) Set(files map[string]string) Tree {
	for name, text := range files {
		if text == "" {
			delete(t, name)
			continue
		}
		t[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o444}
	}
	return t
}

// Self is this process's id in every tree, and Trial's that of a process that
// measures, with two threads.
const (
	Self  = 7
	Trial = 42
)

// Stat is a /proc/<pid>/stat with a name that tries to mislead.
func Stat(pid int, utime, stime int64) string {
	return fmt.Sprintf("%d (a) R 1 (b) S 1 2 3 0 -1 4194304 101 0 0 0 %d %d 0 0 20 0 3 0 1133524 3133440 417\n", pid,
		utime, stime)
}

func processes() map[string]string {
	return map[string]string{
		"proc/self/stat":            Stat(Self, 1, 1),
		"proc/42/stat":              Stat(Trial, 100, 20),
		"proc/42/task/42/schedstat": "1000000000 5 6\n",
		"proc/42/task/43/schedstat": "200000000 5 6\n",
		"proc/sys/kernel/osrelease": "6.6.31-v8-16k\n",
		"proc/vmstat":               "nr_free_pages 5\npswpin 3\npswpout 4\n",
		"proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.00 " +
			"avg60=0.00 avg300=0.00 total=0\n",
		"proc/device-tree/compatible": "x\x00",
	}
}

// Pi5 is a Raspberry Pi 5 with 8 GB, active cooler and Raspberry Pi's kernel, in a
// container with a cgroup namespace, limited to 3.5 cores and 2 GiB.
func Pi5() Tree {
	t := Tree{}.Set(processes())
	cpuinfo := ""
	for cpu := range 4 {
		cpuinfo += fmt.Sprintf("processor\t: %d\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 "+
			"sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\nCPU implementer\t: 0x41\nCPU "+
			"architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n", cpu)
		dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", cpu)
		t.Set(map[string]string{
			dir + "cpufreq/scaling_governor": "ondemand\n", dir + "cpufreq/scaling_cur_freq": "2400000\n",
			dir + "cpufreq/cpuinfo_max_freq": "2400000\n",
			dir + "cache/index0/size":        "64K\n", dir + "cache/index3/size": "2048K\n",
		})
	}
	const policy, firmware = "sys/devices/system/cpu/cpufreq/policy0/",
		"sys/devices/platform/soc@107c000000/soc@107c000000:firmware/"
	return t.Set(map[string]string{
		"proc/cpuinfo": cpuinfo +
			"Revision\t: d04170\nSerial\t\t: 0123456789abcdef\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
		"proc/meminfo": "MemTotal:        8245456 kB\nMemAvailable:    7000000 " +
			"kB\nSwapTotal:        204784 kB\n",
		"proc/cmdline": "reboot=w coherent_pool=1M numa_policy=interleave numa=fake=8 " +
			"system_heap.max_order=0 smsc95xx.macaddr=2C:CF:67:01:02:03 root=PARTUUID=fd3e6a0c-02 rootwait " +
			"supervisor.api_key=hunter2 dm=\"0 1 linear\" quiet\n",
		"proc/stat":        ProcStat(4, 1000, 500, 90000, 100, 0),
		"proc/self/status": "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n",
		"proc/self/cgroup": "0::/\n",
		"proc/self/mountinfo": "22 27 0:21 / /proc rw - proc proc rw\n30 29 0:26 " +
			"/../../system.slice/docker-1.scope /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n",
		"proc/device-tree/model":                 "Raspberry Pi 5 Model B Rev 1.0\x00",
		"proc/device-tree/system/linux,revision": "\x00\xd0\x41\x70",

		"sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n", "sys/fs/cgroup/cgroup.type": "domain\n",
		"sys/fs/cgroup/cpu.max": "350000 100000\n", "sys/fs/cgroup/memory.max": "2147483648\n",
		"sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_periods 10\nnr_throttled 1\nthrottled_usec 250\n",

		policy + "affected_cpus": "0 1 2 3\n", policy + "scaling_cur_freq": "2400000\n",
		policy + "stats/time_in_state": "1500000 1000\n1600000 0\n2400000 5000\n",

		"sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "sys/class/thermal/thermal_zone0/temp": "48350\n",
		"sys/class/thermal/cooling_device0/type": "pwm-fan\n", "sys/class/thermal/cooling_device0/cur_state": "1\n",
		"sys/class/thermal/cooling_device0/max_state": "4\n",
		"sys/class/hwmon/hwmon0/name":                 "cpu_thermal\n", "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
		"sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
		firmware + "get_throttled":               "0\n",
	})
}

// VM is a virtual machine of 2 cores on an AMD EPYC with cgroup v1, without cpufreq
// or sensors, and a quota of one core on the group above the process's.
func VM() Tree {
	const flags = "fpu sse2 avx fma avx2 avx512f avx512bw avx512_vnni"
	return Tree{}.Set(processes()).Set(map[string]string{
		"proc/cpuinfo": "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel name\t: AMD EPYC\ncpu " +
			"MHz\t\t: 2596.136\nflags\t\t: " + flags + "\n",
		"proc/meminfo":              "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\nSwapTotal: 0 kB\n",
		"proc/cmdline":              "console=ttyS0 mitigations=auto init=/sbin/init -- --port 2024 --key hunter2\n",
		"proc/stat":                 ProcStat(2, 1000, 500, 90000, 0, 10),
		"proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
		"proc/self/status":          "Cpus_allowed_list:\t0-1\n",
		"proc/self/cgroup":          "4:memory:/user/one\n2:cpu,cpuacct:/user/one\n0::/\n",
		"proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n32 31 0:29 / " +
			"/sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" +
			"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /sys/fs/cgroup/unified rw " +
			"- cgroup2 cgroup2 rw\n",
		"sys/class/dmi/id/product_name":                 "KVM\n",
		"sys/devices/system/cpu/cpu0/cache/index3/size": "32768K\n",
		"sys/fs/cgroup/cpu/cpu.stat":                    "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
		"sys/fs/cgroup/cpu/cpu.cfs_quota_us":            "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		"sys/fs/cgroup/cpu/user/cpu.stat":         "nr_periods 9\nnr_throttled 3\nthrottled_time 5000000\n",
		"sys/fs/cgroup/cpu/user/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/user/cpu.cfs_period_us": "50000\n",
		"sys/fs/cgroup/cpu/user/one/cpu.stat":                 "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
		"sys/fs/cgroup/cpu/user/one/cpu.cfs_quota_us":         "-1\n",
		"sys/fs/cgroup/cpu/user/one/cpu.cfs_period_us":        "100000\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
		"sys/fs/cgroup/memory/user/memory.limit_in_bytes":     "9223372036854771712\n",
		"sys/fs/cgroup/memory/user/one/memory.limit_in_bytes": "9223372036854771712\n",
	})
}

// Nothing is a container that shows neither /proc nor /sys.
func Nothing() Tree { return Tree{} }

// ProcStat is a /proc/stat of so many processors, in ticks over all of them.
func ProcStat(cpus int, user, system, idle, iowait, steal int64) string {
	s := fmt.Sprintf("cpu  %d 0 %d %d %d 0 0 %d 0 0\n", user, system, idle, iowait, steal)
	for cpu := range cpus {
		s += fmt.Sprintf("cpu%d 1 0 1 1 1 0 0 0 0 0\n", cpu)
	}
	return s + "intr 99 0\nctxt 5\n"
}
