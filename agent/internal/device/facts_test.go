package device

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"chexp/agent/internal/device/devicetest"
	"chexp/experiments/trial"
)

func TestFactsPi5(t *testing.T) {
	d := Facts(devicetest.Pi5().FS(), "arm64")
	check(t, "max clock", d.MaxClockHz, 2_400_000_000)
	check(t, "board", d.Board, "d04170")
	check(t, "command line", d.Cmdline, "reboot=w coherent_pool=1M numa_policy=interleave numa=fake=8 "+
		"system_heap.max_order=0 smsc95xx.macaddr=[withheld] root=PARTUUID=fd3e6a0c-02 rootwait "+
		"supervisor.api_key=[withheld] dm=\"0 1 linear\" quiet")
	check(t, "quota", d.Quota, 3.5)
	check(t, "memory limit", d.MemoryLimit, 2<<30)
	check(t, "swap", d.SwapBytes, 204784*1024)
	check(t, "cooling", d.CoolingSteps, "pwm-fan 1/4")
	if f, ok := d.Features.Get(); !ok || len(f) != 16 || !slices.Contains(f, "asimddp") {
		t.Errorf("features %q %q", f, d.Features.Unavailable)
	}
	if d.PageSize < 4096 {
		t.Errorf("page size %d", d.PageSize)
	}
	if d.Emulated != "" {
		t.Errorf("emulated %q", d.Emulated)
	}
}

func TestFactsVM(t *testing.T) {
	d := Facts(devicetest.VM().FS(), "amd64")
	check(t, "quota", d.Quota, 1)
	check(t, "memory limit", d.MemoryLimit, 0)
	check(t, "swap", d.SwapBytes, 0)
	check(t, "command line", d.Cmdline, "console=ttyS0 mitigations=auto init=/sbin/init -- [withheld]")
	if f, ok := d.Features.Get(); !ok || len(f) != 8 || !slices.Contains(f, "avx512_vnni") {
		t.Errorf("features %q %q", f, d.Features.Unavailable)
	}
	for name, why := range map[string]string{"max clock": d.MaxClockHz.Unavailable, "board": d.Board.Unavailable,
		"cooling": d.CoolingSteps.Unavailable} {
		if !strings.Contains(why, "/sys") && !strings.Contains(why, "/proc") {
			t.Errorf("%s is unavailable because %q", name, why)
		}
	}
}

func TestFactsNothing(t *testing.T) {
	for name, tree := range map[string]devicetest.Tree{
		"nothing": devicetest.Nothing(),
		"garbage": devicetest.Pi5().Set(map[string]string{
			"proc/cpuinfo": "Features\t:\nRevision\t: shiny\n", "proc/device-tree/system/linux,revision": "\x01",
			"proc/cmdline": strings.Repeat("a=b ", 2000),
			"proc/meminfo": "SwapTotal: -1 kB\n", "sys/fs/cgroup/cpu.max": "\x00\xff", "sys/fs/cgroup/memory.max": "-1",
			"sys/class/thermal/cooling_device0/cur_state":          "fast\n",
			"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "18446744073709551615\n",
			"sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq": "0\n",
			"sys/devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq": "-1\n",
			"sys/devices/system/cpu/cpu3/cpufreq/cpuinfo_max_freq": "\n",
		}),
	} {
		d := Facts(tree.FS(), "arm64")
		for signal, r := range map[string][2]bool{
			"max clock": told(d.MaxClockHz), "board": told(d.Board), "command line": told(d.Cmdline),
			"features": told(d.Features),
			"quota":    told(d.Quota), "memory limit": told(d.MemoryLimit), "swap": told(d.SwapBytes),
			"cooling": told(d.CoolingSteps),
		} {
			if r != [2]bool{false, true} {
				t.Errorf("%s: %s has a value: %v, a reason: %v", name, signal, r[0], r[1])
			}
		}
		if r := Roof(tree.FS(), "arm64"); r.Value != nil || r.Unavailable == "" {
			t.Errorf("%s: a roof %+v %q", name, r.Value, r.Unavailable)
		}
	}
}

func told[T any](r trial.Reading[T]) [2]bool { return [2]bool{r.Value != nil, r.Unavailable != ""} }

func TestCommandLine(t *testing.T) {
	for line, want := range map[string]string{
		"quiet": "quiet",
		"a=1 luks.passphrase=x rd.luks.uuid=1-2 nfs_secret=s": "a=1 luks.passphrase=[withheld] " +
			"rd.luks.uuid=[withheld] nfs_secret=[withheld]",
		"url=http://me:pw@host/x ks=https://h/f?sig=1 ip=dhcp":              "url=[withheld] ks=[withheld] ip=dhcp",
		"tok=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0 c2VjcmV0c2VjcmV0c2VjcmV0c2Vj": "tok=[withheld] [withheld]",
		"eth=2c:cf:67:01:02:03 key=\"two words\" x": "eth=[withheld] " +
			"key=[withheld] x",
		"isolcpus=2,3 nohz_full=2-3 cpufreq.default_governor=performance arm64.nosve": "isolcpus=2,3 nohz_full=2-3 " +
			"cpufreq.default_governor=performance arm64.nosve",
		"x \xff": "x \uFFFD",
	} {
		check(t, line, commandLine(devicetest.Tree{}.Set(map[string]string{"proc/cmdline": line + "\n"}).FS()), want)
	}
}

func TestBoardFromCPUInfo(t *testing.T) {
	tree := devicetest.Pi5().Set(map[string]string{"proc/device-tree/system/linux,revision": ""})
	check(t, "board", board(tree.FS()), "d04170")
}

func TestFeaturesInCommon(t *testing.T) {
	tree := devicetest.Tree{}.Set(map[string]string{"proc/cpuinfo": "Features: fp asimd asimddp\n\nFeatures: fp " +
		"asimd\n"})
	if f, _ := features(tree.FS(), "arm64").Get(); !slices.Equal(f, []string{"fp", "asimd"}) {
		t.Errorf("%q", f)
	}
	tree.Set(map[string]string{"proc/cpuinfo": "Features: " + strings.Repeat("x ", 5000) + "\n"})
	if r := features(tree.FS(), "arm64"); r.Value != nil {
		t.Error("5000 features")
	}
}

func TestCooling(t *testing.T) {
	tree := devicetest.Pi5()
	const dir = "sys/class/thermal/cooling_device"
	for _, n := range []string{"1", "2"} {
		tree.Set(map[string]string{dir + n + "/type": "Processor\n", dir + n + "/cur_state": "0\n",
			dir + n + "/max_state": "10\n"})
	}
	check(t, "cooling", cooling(tree.FS()), "pwm-fan 1/4, 2× Processor 0/10")
}

// The Pi 5's published peak: 153.6 GFLOPS and 614 GOPS with 4 cores at 2.4 GHz.
func TestPeak(t *testing.T) {
	p, err := peakOf(devicetest.Pi5().FS(), "arm64")
	if err != nil {
		t.Fatal(err)
	}
	if flops, ops := p.float*2*4*2.4, p.integer*2*4*2.4; flops != 153.6 || ops != 614.4 {
		t.Errorf("%v GFLOPS, %v GOPS", flops, ops)
	}
	x86 := func(vendor, family, flags string) devicetest.Tree {
		return devicetest.Tree{}.Set(map[string]string{"proc/cpuinfo": "vendor_id\t: " + vendor + "\ncpu family\t: " +
			family + "\nflags\t: " + flags + "\n"})
	}
	for _, tc := range []struct {
		name           string
		tree           devicetest.Tree
		arch           string
		float, integer float64 // 0: no roof
	}{
		{"Zen 4", devicetest.VM(), "amd64", 16, 64},
		{"Haswell", x86("GenuineIntel", "6", "fma avx2"), "amd64", 16, 64},
		{"Cascade Lake", x86("GenuineIntel", "6", "fma avx2 avx512f avx512bw avx512_vnni"), "amd64", 32, 128},
		{"Sapphire Rapids", x86("GenuineIntel", "6", "fma avx2 avx512f avx512bw amx_int8"), "amd64", 32, 1024},
		{"Zen 5", x86("AuthenticAMD", "26", "fma avx2 avx512f avx512bw"), "amd64", 32, 128},
		{"Sandy Bridge", x86("GenuineIntel", "6", "avx"), "amd64", 0, 0},
		{"Cortex-A72", devicetest.Tree{}.Set(map[string]string{"proc/cpuinfo": "Features: fp asimd\nCPU implementer: " +
			"0x41\nCPU part: 0xd08\n"}), "arm64", 0, 0},
		{"Arm big and little", devicetest.Tree{}.Set(map[string]string{"proc/cpuinfo": "Features: fp asimd " +
			"asimddp\nCPU implementer: 0x41\nCPU part: 0xd0b\nCPU implementer: 0x41\nCPU part: 0xd05\n"}), "arm64", 0,
			0},
		{"Neoverse-V1", devicetest.Tree{}.Set(map[string]string{"proc/cpuinfo": "Features: fp asimd asimddp " +
			"i8mm\nCPU implementer: 0x41\nCPU part: 0xd40\n"}), "arm64", 16, 128},
	} {
		p, err := peakOf(tc.tree.FS(), tc.arch)
		if (err == nil) != (tc.float > 0) || p.float != tc.float || p.integer != tc.integer {
			t.Errorf("%s: %+v %v, want %v and %v", tc.name, p, err, tc.float, tc.integer)
		}
	}
}

func TestRoof(t *testing.T) {
	r := Roof(devicetest.Pi5().FS(), "arm64")
	roof, ok := r.Get()
	if !ok {
		t.Fatal(r.Unavailable)
	}
	// This machine's own probes, so only their order of size.
	if roof.Cores != runtime.NumCPU() || roof.ClockHz < 2_400_000_000 || roof.FloatPerCycle != 8 ||
		roof.IntegerPerCycle != 32 || !strings.Contains(roof.Source, "Cortex-A76") {
		t.Errorf("%+v", roof)
	}
	if rate, ok := roof.MemoryBytesPerSecond.Get(); ok != (roof.MemoryBytesPerSecond.Unavailable == "") ||
		ok && (rate < 1e7 || rate > 1e13) {
		t.Errorf("memory %v %q", rate, roof.MemoryBytesPerSecond.Unavailable)
	}
	emulated := Roof(devicetest.Pi5().Set(map[string]string{"proc/device-tree/model": "Raspberry Pi 5 (emulated by " +
		"chexp)"}).FS(), "arm64")
	if emulated.Value != nil || !strings.HasPrefix(emulated.Unavailable, "emulated") {
		t.Errorf("%+v", emulated)
	}
}

// The reading probe takes no more than a quarter of what may be used, and does
// without rather than read a cache.
func TestBufferSize(t *testing.T) {
	const cache, limit = "sys/devices/system/cpu/cpu0/cache/index3/size", "sys/fs/cgroup/memory.max"
	for _, tc := range []struct {
		name    string
		changes map[string]string
		want    int64 // 0: none
	}{
		{"Pi 5", nil, 64 << 20},
		{"a cache of 32 MiB", map[string]string{cache: "32768K\n"}, 96 << 20},
		{"a cache of 1 GiB", map[string]string{cache: "1048576K\n"}, 0},
		{"a cache of nonsense", map[string]string{cache: "huge\n"}, 64 << 20},
		{"a container of 128 MiB", map[string]string{limit: "134217728\n"}, 32 << 20},
		{"a container of 16 MiB", map[string]string{limit: "16777216\n"}, 0},
		{"no limit", map[string]string{limit: "max\n"}, 64 << 20},
		{"little free", map[string]string{"proc/meminfo": "MemAvailable: 1000 kB\n"}, 0},
		{"unknown", map[string]string{"proc/meminfo": ""}, 0},
	} {
		size, err := bufferSize(devicetest.Pi5().Set(tc.changes).FS())
		if size != tc.want || (err == nil) != (tc.want > 0) {
			t.Errorf("%s: %d %v, want %d", tc.name, size, err, tc.want)
		}
	}
}

// What shows a virtual machine is said, and of which kind it is where that is shown.
func TestVirtual(t *testing.T) {
	const dmi = "sys/class/dmi/id/"
	for want, files := range map[string]map[string]string{
		"":                                 {dmi + "sys_vendor": "Dell Inc.\n", "proc/cpuinfo": "flags\t: fpu sse2\n"},
		"the hypervisor linux,kvm":         {"proc/device-tree/hypervisor/compatible": "linux,kvm\x00x\x00"},
		"QEMU's virtual board":             {"proc/device-tree/model": "linux,dummy-virt\x00"},
		"fw-cfg":                           {"proc/device-tree/fw-cfg@9020000/reg": "x"},
		"QEMU Standard PC":                 {dmi + "product_name": "QEMU Standard PC (Q35)\n"},
		"hypervisor xen":                   {"sys/hypervisor/type": "xen\n"},
		"of which kind is not shown":       {"proc/cpuinfo": "flags\t: fpu hypervisor sse2\n"},
		"the firmware's tables say VMware": {dmi + "sys_vendor": "VMware, Inc.\n", "proc/cpuinfo": "flags: hypervisor\n"},
	} {
		got := virtual(devicetest.Tree{}.Set(files).FS())
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", files, got, want)
		}
	}
	metal := devicetest.Tree{}.Set(map[string]string{dmi + "sys_vendor": "Amazon EC2\n",
		dmi + "product_name": "m5.metal\n"})
	if got := virtual(metal.FS()); got != "" {
		t.Errorf("a whole machine of Amazon's: %q", got)
	}
}
