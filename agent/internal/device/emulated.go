package device

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"chexp/agent/internal/device/kernelfs"
	"chexp/agent/internal/device/probe"
	"chexp/experiments/trial"
)

// emulated looks for signs that an emulator (qemu-user) executes this process,
// and says which one it found. No sign is no proof of real hardware; a sign is
// proof enough to say that latencies mean nothing for a device. arch is Go's name of
// the architecture that this process was built for.
//
// qemu-user shows the guest a /proc/self of its own making, but it recognises
// only the paths /proc/self and /proc/<pid>: /proc/thread-self goes to the host's
// kernel, which names the emulator [qemu: linux-user/syscall.c is_proc_myself].
func emulated(root fs.FS, arch string) string {
	if model, err := kernelfs.Read(root, "proc/device-tree/model"); err == nil {
		lower := strings.ToLower(model)
		if strings.Contains(lower, "emulat") || strings.Contains(lower, "qemu") {
			return fmt.Sprintf("the device tree says %q", kernelfs.Clip(model))
		}
	}
	if exe, err := fs.ReadLink(root, "proc/thread-self/exe"); err == nil && strings.HasPrefix(path.Base(exe), "qemu-") {
		return path.Base(exe) + " (it is what the kernel executes)"
	}
	info, _ := kernelfs.Read(root, "proc/cpuinfo")
	vendor := field(info, "vendor_id")
	if isArm(arch) && vendor != "" {
		return fmt.Sprintf("a %s process on a processor whose vendor is %s", arch, kernelfs.Clip(vendor))
	}
	if arch == "amd64" && field(info, "CPU implementer") != "" {
		return "an amd64 process on an Arm processor"
	}
	release, _ := kernelfs.Read(root, "proc/sys/kernel/osrelease")
	for suffix, kernelArch := range map[string]string{"-amd64": "amd64", ".x86_64": "amd64", "-arm64": "arm64",
		".aarch64": "arm64"} {
		if strings.HasSuffix(release, suffix) && kernelArch != arch {
			return fmt.Sprintf("an %s process on the kernel %s", arch, kernelfs.Clip(release))
		}
	}
	return ""
}

// Genuine returns why a loop that this process times says nothing about the
// processor: it is emulated, or that cannot be told. nil: a processor runs it.
func Genuine(root fs.FS, arch string) error {
	d := trial.Device{Emulated: emulated(root, arch), FloatInAdds: FloatInAdds()}
	if by := d.EmulatedBy(); by != "" {
		return errors.New("emulated: " + by)
	}
	_, err := kernelfs.Read(root, "proc/cpuinfo")
	if !d.OnProcessor() {
		err = errors.New(cmp.Or(d.FloatInAdds.Unavailable,
			"a float operation takes longer than on a processor, and less than under an emulator"))
	}
	if err != nil {
		return fmt.Errorf("whether the processor is emulated cannot be told: %w", err)
	}
	return nil
}

// FloatInAdds is what [probe.FloatInAdds] measured.
func FloatInAdds() trial.Reading[float64] {
	ratio, err := probe.FloatInAdds()
	if err != nil {
		return trial.Unread[float64](err.Error())
	}
	return trial.Read(ratio)
}

func isArm(arch string) bool { return arch == "arm64" || arch == "arm" }
