//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"chexp/orchestrator/internal/emulator/world"
)

// unpacked returns the directory of an unpacked image; it is unpacked once.
func (h *Host) unpacked(arch string) (string, error) {
	h.unpack.Lock()
	defer h.unpack.Unlock()
	dir := filepath.Join(h.dir, "images", arch)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	part := dir + ".part"
	if err := removeTree(h, part); err != nil {
		return "", err
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return "", err
	}
	args := []string{"tar", "-x", "-p", "-f", filepath.Join(h.images, "debian-"+arch+".tar"), "-C", part}
	if !h.root {
		args = append(args, "--no-same-owner") // only one user id exists here
	}
	if err := h.run(nil, args...); err != nil {
		return "", fmt.Errorf("unpacking the %s image: %w", arch, err)
	}
	return dir, os.Rename(part, dir)
}

// newRoot makes the root file system of one start of a container: the image with a layer of
// its own on top, or a copy of the image where the kernel or the file system has no layers.
// Layers are mounted in the holder's namespace only, and vanish with it.
func (h *Host) newRoot(arch string) (string, error) {
	image, err := h.unpacked(arch)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(h.dir, "containers"), 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(filepath.Join(h.dir, "containers"), "")
	if err != nil {
		return "", err
	}
	if h.layer(image, dir) == nil {
		return dir, os.Chmod(dir, 0o755)
	}
	if err := h.run(nil, "cp", "-a", "--reflink=auto", image+"/.", dir); err != nil {
		return "", errors.Join(err, h.removeRoot(dir))
	}
	return dir, os.Chmod(dir, 0o755)
}

// layer mounts the image with an empty layer on top at dir.
func (h *Host) layer(image, dir string) error {
	if h.noLayers.Load() {
		return errors.ErrUnsupported
	}
	upper, work := dir+".upper", dir+".work"
	err := errors.Join(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755))
	if err == nil && strings.ContainsAny(dir+image, ":,\\") {
		err = errors.New("the path has characters that mean something to mount")
	}
	if err == nil {
		err = h.run(nil, "mount", "-t", "overlay", "overlay", "-o",
			"userxattr,lowerdir="+image+",upperdir="+upper+",workdir="+work, dir)
	}
	if err == nil {
		return nil
	}
	h.noLayers.Store(true)
	h.log.Debug("emulator: root file systems are copied, because they cannot be layered", "reason", err)
	return errors.Join(err, removeTree(h, upper), removeTree(h, work))
}

// reach is the path under which this process finds what is at path for the containers: mounts
// of the holder's namespace are in it.
func (h *Host) reach(path string) string {
	return fmt.Sprintf("/proc/%d/root%s", h.holder.Process.Pid, path)
}

// removeRoot undoes newRoot.
func (h *Host) removeRoot(dir string) error {
	if !h.noLayers.Load() {
		_ = h.run(nil, "umount", "-l", dir) // not mounted: nothing to do
	}
	return errors.Join(removeTree(h, dir), removeTree(h, dir+".upper"), removeTree(h, dir+".work"))
}

// removeTree removes what containers wrote, whatever its owner and modes.
func removeTree(h *Host, dir string) error {
	if _, err := os.Lstat(dir); os.IsNotExist(err) {
		return nil
	}
	return h.run(nil, "rm", "-rf", "--one-file-system", dir)
}

// hardware writes what a program may read about the board. Only an emulated board
// gets it; a container of this machine's own architecture sees this machine.
func hardware(root string, b world.Board) error {
	if b.Model == "" {
		return nil
	}
	fs, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer fs.Close()
	if err := fs.MkdirAll("sys/firmware/devicetree/base", 0o755); err != nil {
		return err
	}
	if err := fs.WriteFile("sys/firmware/devicetree/base/model", []byte(b.Model+"\x00"), 0o444); err != nil {
		return err
	}
	// Without these lists pytorch/cpuinfo does not initialize, and XNNPACK with it.
	if err := fs.MkdirAll("sys/devices/system/cpu", 0o755); err != nil {
		return err
	}
	for _, list := range []string{"possible", "present", "online"} {
		if err := fs.WriteFile("sys/devices/system/cpu/"+list, fmt.Appendf(nil, "0-%d\n", b.Cores-1),
			0o444); err != nil {
			return err
		}
	}
	return nil
}

// cpuinfo is /proc/cpuinfo as an arm64 kernel prints it. Features are those that QEMU
// and the real cores share; the serial number is left out.
func cpuinfo(b world.Board) string {
	var s strings.Builder
	for i := range b.Cores {
		fmt.Fprintf(&s, "processor\t: %d\nBogoMIPS\t: 108.00\n"+
			"Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "+
			"asimddp\n"+
			"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: %s\nCPU part\t: %s\nCPU revision\t: %s\n\n",
			i, b.CPUVar, b.CPUPart, b.CPURev)
	}
	fmt.Fprintf(&s, "Model\t\t: %s\n", b.Model)
	return s.String()
}
