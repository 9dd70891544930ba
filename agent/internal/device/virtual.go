package device

import (
	"io/fs"
	"slices"
	"strings"

	"chexp/agent/internal/device/kernelfs"
)

// hypervisors are words by which the firmware's tables name the maker of a virtual
// machine, as systemd-detect-virt has them.
var hypervisors = []string{"KVM", "QEMU", "OpenStack", "VMware", "VirtualBox", "innotek", "Xen", "Bochs", "Parallels",
	"BHYVE", "Hyper-V", "Virtual Machine", "Apple Virtualization", "Google Compute Engine", "Amazon EC2"}

// virtual says what shows that this is a virtual machine, and of which kind if that
// is shown; "": nothing does. Whether its instructions run on a processor is another
// question: see FloatInAdds.
func virtual(root fs.FS) string {
	// A hypervisor that says so in the device tree [Linux: Documentation/devicetree, xen.yaml; QEMU hw/arm/virt.c].
	if kind, err := kernelfs.Read(root, "proc/device-tree/hypervisor/compatible"); err == nil {
		kind, _, _ = strings.Cut(kind, "\x00")
		return "the device tree has the hypervisor " + kernelfs.Clip(kind)
	}
	if model, err := kernelfs.Read(root, "proc/device-tree/model"); err == nil && model == "linux,dummy-virt" {
		return "the device tree is that of QEMU's virtual board (linux,dummy-virt)"
	}
	for _, pattern := range []string{"proc/device-tree/fw-cfg@*", "sys/firmware/qemu_fw_cfg"} {
		if found, _ := fs.Glob(root, pattern); len(found) > 0 {
			return "it has QEMU's firmware interface (fw-cfg)"
		}
	}
	if by := virtualByDMI(root); by != "" {
		return by
	}
	if kind, err := kernelfs.Read(root, "sys/hypervisor/type"); err == nil && kind != "" {
		return "the kernel names the hypervisor " + kernelfs.Clip(kind)
	}
	info, _ := kernelfs.Read(root, "proc/cpuinfo")
	if slices.Contains(strings.Fields(field(info, "flags")), "hypervisor") {
		return "of which kind is not shown (the processor's hypervisor flag)"
	}
	return ""
}

func virtualByDMI(root fs.FS) string {
	if bareMetal(root) {
		return ""
	}
	for _, name := range []string{"sys_vendor", "product_name", "bios_vendor", "board_vendor"} {
		text, err := kernelfs.Read(root, "sys/class/dmi/id/"+name)
		if err != nil {
			continue
		}
		for _, word := range hypervisors {
			if strings.Contains(text, word) {
				return "the firmware's tables say " + kernelfs.Clip(text)
			}
		}
	}
	return ""
}

// bareMetal reports one of Amazon's machines that are rented as a whole: their tables
// name Amazon EC2 as those of its virtual machines do.
func bareMetal(root fs.FS) bool {
	product, _ := kernelfs.Read(root, "sys/class/dmi/id/product_name")
	return strings.HasSuffix(product, ".metal")
}
