//go:build linux

package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const binfmtDir = "/proc/sys/fs/binfmt_misc"

// arm64ELF is the kernel's description of a little-endian AArch64 executable: magic and
// mask over the ELF header, both kinds of e_type, any OS ABI.
const arm64ELF = `:chexp-aarch64:M::` +
	`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:` +
	`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:`

// registerQEMU makes the kernel run arm64 programs through QEMU. A registration of
// the whole machine is used if it opened its interpreter in advance (flag F), since a
// container's root has no QEMU in it. Else the holder's namespace gets one of its own,
// which Linux can since 6.7.
func (h *Host) registerQEMU() error {
	if globalQEMU() {
		return nil
	}
	var qemu string
	for _, name := range []string{"qemu-aarch64-static", "qemu-aarch64"} {
		if path, err := exec.LookPath(name); err == nil {
			qemu = path
			break
		}
	}
	if qemu == "" {
		return fmt.Errorf("qemu-aarch64 is not installed (apt-get install qemu-user-static)")
	}
	if err := h.run(nil, "mount", "-t", "binfmt_misc", "none", binfmtDir); err != nil {
		return fmt.Errorf("no private binfmt_misc (Linux 6.7 or newer has it), and no registration of qemu-aarch64 "+
			"with flag F on the machine: %w", err)
	}
	if err := h.run(strings.NewReader(arm64ELF+qemu+":F"), "sh", "-c", "cat >"+binfmtDir+"/register"); err != nil {
		return fmt.Errorf("cannot register %s for arm64 programs: %w", qemu, err)
	}
	return nil
}

func globalQEMU() bool {
	entries, _ := filepath.Glob(binfmtDir + "/*")
	for _, e := range entries {
		data, err := os.ReadFile(e)
		if err != nil || !strings.HasPrefix(string(data), "enabled") {
			continue
		}
		var interpreter, flags string
		for _, line := range strings.Split(string(data), "\n") {
			if v, ok := strings.CutPrefix(line, "interpreter "); ok {
				interpreter = v
			}
			if v, ok := strings.CutPrefix(line, "flags: "); ok {
				flags = v
			}
		}
		if strings.Contains(filepath.Base(interpreter), "aarch64") && strings.Contains(flags, "F") {
			return true
		}
	}
	return false
}
