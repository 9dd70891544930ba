package device

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chexp/experiments/trial"
)

// tree makes a fake / with files, and symbolic links where a value begins with
// "->".
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var pi5 = map[string]string{
	"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\x00",
	"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nprocessor\t: 1\nCPU " +
		"implementer\t: 0x41\nCPU part\t: 0xd0b\n",
	"proc/meminfo":              "MemTotal:        8245456 kB\nMemFree: 1 kB\n",
	"proc/sys/kernel/osrelease": "6.6.31-v8-16k\n",
	"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
	"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
	"sys/class/thermal/thermal_zone0/type":                 "cpu-thermal\n",
	"sys/class/thermal/thermal_zone0/temp":                 "48350\n",
	"proc/thread-self/exe":                                 "->/opt/chexp/chexp-agent",
}

func with(base map[string]string, changes map[string]string) map[string]string {
	m := map[string]string{}
	for k, v := range base {
		m[k] = v
	}
	for k, v := range changes {
		if v == "" {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

func check[T comparable](t *testing.T, name string, got trial.Reading[T], want T) {
	t.Helper()
	if v, ok := got.Get(); !ok || v != want {
		t.Errorf("%s is %v (unavailable: %q), want %v", name, v, got.Unavailable, want)
	}
}

func TestPi5(t *testing.T) {
	d := Facts(os.DirFS(tree(t, pi5)), "arm64")
	check(t, "model", d.Model, "Raspberry Pi 5 Model B Rev 1.0")
	check(t, "cpu", d.CPU, "Cortex-A76")
	check(t, "memory", d.MemoryBytes, 8245456*1024)
	check(t, "kernel", d.Kernel, "6.6.31-v8-16k")
	check(t, "governor", d.Governor, "ondemand")
	check(t, "clock", d.ClockHz, 2_400_000_000)
	check(t, "temperature", d.Temperature, 48.35)
	if d.Cores != runtime.NumCPU() || d.Emulated != "" {
		t.Errorf("cores %d, emulated %q", d.Cores, d.Emulated)
	}
}

func TestServer(t *testing.T) {
	d := Facts(os.DirFS(tree(t, map[string]string{
		"sys/class/dmi/id/product_name": "PowerEdge R6525\n",
		"sys/class/dmi/id/sys_vendor":   "Dell Inc.\n",
		"proc/cpuinfo": "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7763 64-Core " +
			"Processor\ncpu MHz\t\t: 2445.406\n",
		"sys/class/thermal/thermal_zone0/type": "acpitz\n",
		"sys/class/thermal/thermal_zone0/temp": "16800\n",
		"sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n",
		"sys/class/thermal/thermal_zone1/temp": "61000\n",
	})), "amd64")
	check(t, "model", d.Model, "Dell Inc. PowerEdge R6525")
	check(t, "cpu", d.CPU, "AMD EPYC 7763 64-Core Processor")
	check(t, "clock", d.ClockHz, 2_445_406_000)
	check(t, "temperature", d.Temperature, 61)
	if d.Emulated != "" {
		t.Errorf("emulated %q", d.Emulated)
	}
}

// Nothing readable: every signal says why, none is zero.
func TestEmpty(t *testing.T) {
	d := Facts(os.DirFS(t.TempDir()), "arm64")
	for name, why := range map[string]string{
		"model": d.Model.Unavailable, "cpu": d.CPU.Unavailable, "memory": d.MemoryBytes.Unavailable,
		"kernel":   d.Kernel.Unavailable,
		"governor": d.Governor.Unavailable, "clock": d.ClockHz.Unavailable, "temperature": d.Temperature.Unavailable,
	} {
		if !strings.Contains(why, "/proc") && !strings.Contains(why, "/sys") {
			t.Errorf("%s is unavailable because %q, which names no file", name, why)
		}
	}
	if d.Model.Value != nil || d.MemoryBytes.Value != nil || d.Temperature.Value != nil {
		t.Errorf("values from nothing: %+v", d)
	}
}

func TestGarbage(t *testing.T) {
	d := Facts(os.DirFS(tree(t, with(pi5, map[string]string{
		"proc/meminfo": "MemTotal: many kB\n", "sys/class/thermal/thermal_zone0/temp": "hot",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": strings.Repeat("x", 1000),
		"proc/cpuinfo": "CPU implementer\t: 0x41\nCPU part\t: 0xfff\n",
	}))), "arm64")
	if d.MemoryBytes.Value != nil || d.Temperature.Value != nil || d.ClockHz.Value != nil {
		t.Errorf("numbers from garbage: %+v", d)
	}
	if len(d.ClockHz.Unavailable) > 200 {
		t.Errorf("a hostile file fills the reason: %d bytes", len(d.ClockHz.Unavailable))
	}
	check(t, "cpu", d.CPU, "Arm core implementer 0x41 part 0xfff")
}

func TestBigLittle(t *testing.T) {
	d := Facts(os.DirFS(tree(t, with(pi5, map[string]string{
		"proc/cpuinfo": "CPU implementer: 0x41\nCPU part: 0xd08\nCPU implementer: 0x41\nCPU part: 0xd03\nCPU " +
			"implementer: 0x41\nCPU part: 0xd03\n",
	}))), "arm64")
	check(t, "cpu", d.CPU, "Cortex-A53 + Cortex-A72")
}

func TestEmulated(t *testing.T) {
	for _, tc := range []struct {
		name    string
		arch    string
		changes map[string]string
		sign    string // "" : none
	}{
		{"real", "arm64", nil, ""},
		{"device tree", "arm64", map[string]string{"proc/device-tree/model": "Raspberry Pi 5 (emulated by chexp)\x00"},
			"device tree"},
		{"thread-self", "arm64", map[string]string{"proc/thread-self/exe": "->/usr/bin/qemu-aarch64-static"},
			"qemu-aarch64-static"},
		{"x86 cpuinfo", "arm64", map[string]string{"proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\n"},
			"GenuineIntel"},
		{"x86 kernel", "arm64", map[string]string{"proc/sys/kernel/osrelease": "6.1.0-18-amd64\n"}, "6.1.0-18-amd64"},
		{"arm cpuinfo", "amd64", nil, "Arm"},
	} {
		got := Facts(os.DirFS(tree(t, with(pi5, tc.changes))), tc.arch).Emulated
		if (got == "") != (tc.sign == "") || !strings.Contains(got, tc.sign) {
			t.Errorf("%s: emulated is %q, want %q in it", tc.name, got, tc.sign)
		}
	}
}

func BenchmarkFacts(b *testing.B) {
	for b.Loop() {
		Facts(os.DirFS("/"), runtime.GOARCH)
	}
}
