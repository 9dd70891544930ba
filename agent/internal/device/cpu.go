package device

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"chexp/agent/internal/device/kernelfs"
	"chexp/experiments/trial"
)

// parts names Arm's cores by implementer and part as /proc/cpuinfo shows them
// (MIDR_EL1; the same table as lscpu's). Not complete: an unknown part is
// reported by its number.
var parts = map[string]string{
	"0x41/0xd03": "Cortex-A53", "0x41/0xd04": "Cortex-A35", "0x41/0xd05": "Cortex-A55",
	"0x41/0xd07": "Cortex-A57", "0x41/0xd08": "Cortex-A72", "0x41/0xd09": "Cortex-A73",
	"0x41/0xd0a": "Cortex-A75", "0x41/0xd0b": "Cortex-A76", "0x41/0xd0c": "Neoverse-N1",
	"0x41/0xd0d": "Cortex-A77", "0x41/0xd40": "Neoverse-V1", "0x41/0xd41": "Cortex-A78",
	"0x41/0xd42": "Cortex-A78AE", "0x41/0xd44": "Cortex-X1", "0x41/0xd46": "Cortex-A510",
	"0x41/0xd47": "Cortex-A710", "0x41/0xd48": "Cortex-X2", "0x41/0xd49": "Neoverse-N2",
	"0x41/0xd4b": "Cortex-A78C", "0x41/0xd4d": "Cortex-A715", "0x41/0xd4e": "Cortex-X3",
	"0x41/0xd4f": "Neoverse-V2", "0x41/0xd80": "Cortex-A520", "0x41/0xd81": "Cortex-A720",
	"0x4e/0x003": "NVIDIA Denver 2", "0x4e/0x004": "NVIDIA Carmel",
	"0xc0/0xac3": "Ampere-1",
}

// cpuName is the model name (x86), or the distinct cores (Arm), "Cortex-A53 +
// Cortex-A72" where there are several.
func cpuName(root fs.FS) trial.Reading[string] {
	info, err := kernelfs.Read(root, "proc/cpuinfo")
	if err != nil {
		return trial.Unread[string](err.Error())
	}
	if name := field(info, "model name"); name != "" {
		return trial.Read(name)
	}
	kinds := map[string]bool{}
	implementer := ""
	for line := range strings.Lines(info) {
		k, v, _ := strings.Cut(line, ":")
		switch v = strings.TrimSpace(v); strings.TrimSpace(k) {
		case "CPU implementer":
			implementer = v
		case "CPU part":
			name := parts[implementer+"/"+v]
			if name == "" {
				name = fmt.Sprintf("Arm core implementer %s part %s", kernelfs.Clip(implementer), kernelfs.Clip(v))
			}
			kinds[name] = true
		}
	}
	if len(kinds) == 0 {
		return trial.Unread[string]("/proc/cpuinfo names no processor")
	}
	return trial.Read(strings.Join(slices.Sorted(maps.Keys(kinds)), " + "))
}

// maxFeatures bounds the list; today's longest has some 160.
const maxFeatures = 1024

// features is the complete list of what the kernel offers of the processor's
// instructions: those that every core has, where they differ.
func features(root fs.FS, arch string) trial.Reading[[]string] {
	info, err := kernelfs.Read(root, "proc/cpuinfo")
	if err != nil {
		return trial.Unread[[]string](err.Error())
	}
	key := "flags"
	if isArm(arch) {
		key = "Features"
	}
	var common []string
	seen := ""
	for line := range strings.Lines(info) {
		k, v, _ := strings.Cut(line, ":")
		if strings.TrimSpace(k) != key || v == seen {
			continue
		}
		seen = v
		words := strings.Fields(v)
		if len(words) > maxFeatures {
			return trial.Unread[[]string](fmt.Sprintf("/proc/cpuinfo lists %d %s", len(words), key))
		}
		if common == nil {
			common = words
			continue
		}
		common = slices.DeleteFunc(common, func(w string) bool { return !slices.Contains(words, w) })
	}
	if len(common) == 0 {
		return trial.Unread[[]string](fmt.Sprintf("/proc/cpuinfo has no %s", key))
	}
	for i, w := range common {
		common[i] = kernelfs.Clip(w)
	}
	return trial.Read(common)
}
