// Package cgroup finds the control groups that hold this process and reads what
// they limit: processor time and memory. It knows cgroup v2, v1 and the hybrid of
// both, on a host, in a container with a cgroup namespace (whose own group looks
// like the root) and in one without (where /proc/self/cgroup names a path of the
// host that is mounted at the container's root). A limit counts wherever it
// stands on the way up to the highest group that can be seen; one above that, such
// as a Kubernetes pod's around its containers, stays hidden from a container.
package cgroup

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"chexp/agent/internal/device/kernelfs"
	"chexp/experiments/trial"
)

// Path is the groups of one controller that hold this process.
type Path struct {
	V2   bool
	Dirs []string // as fs.FS paths: the process's own group first, the highest visible one last
}

// mount is a line of /proc/self/mountinfo that shows a cgroup file system.
type mount struct {
	root  string // which group of the hierarchy is mounted
	point string // where, as an fs.FS path
}

// maxDepth bounds the way up; the kernel allows deeper trees, nobody has them.
const maxDepth = 32

// Find looks for a controller ("cpu", "memory"): in cgroup v1 if it is mounted
// there, otherwise in v2.
func Find(root fs.FS, controller string) (Path, error) {
	groups, err := kernelfs.Read(root, "proc/self/cgroup")
	if err != nil {
		return Path{}, err
	}
	mounts, err := kernelfs.Read(root, "proc/self/mountinfo")
	if err != nil {
		return Path{}, err
	}
	if m, ok := findMount(mounts, "cgroup", controller); ok {
		if group, ok := groupOf(groups, controller); ok {
			return Path{Dirs: m.dirs(root, group)}, nil
		}
	}
	if m, ok := findMount(mounts, "cgroup2", ""); ok {
		if group, ok := groupOf(groups, ""); ok {
			return Path{V2: true, Dirs: m.dirs(root, group)}, nil
		}
	}
	return Path{}, fmt.Errorf("no cgroup file system with the controller %s is mounted here", controller)
}

// groupOf is this process's group in a v1 controller's hierarchy, or in v2's
// ("0::/path") for "".
func groupOf(groups, controller string) (string, bool) {
	for line := range strings.Lines(groups) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		names, group, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		if controller == "" {
			if id == "0" && names == "" {
				return group, true
			}
			continue
		}
		if has(names, controller) {
			return group, true
		}
	}
	return "", false
}

func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// findMount reads mountinfo: fields 4 and 5 are root and mount point; after a
// lone "-" come type, source and the super block's options, which name the
// controllers of v1 [proc_pid_mountinfo(5)].
func findMount(mounts, kind, controller string) (mount, bool) {
	for line := range strings.Lines(mounts) {
		left, right, ok := strings.Cut(line, " - ")
		f, super := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 5 || len(super) < 3 || super[0] != kind {
			continue
		}
		if controller != "" && !has(super[2], controller) {
			continue
		}
		point := strings.TrimPrefix(unescape(f[4]), "/")
		if !fs.ValidPath(point) {
			continue
		}
		return mount{root: unescape(f[3]), point: point}, true
	}
	return mount{}, false
}

// unescape undoes the octal escapes for space, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// dirs lists the directories from the process's group up to the mount's root.
func (m mount) dirs(root fs.FS, group string) []string {
	// In a namespace, a mounted root above it begins with "/..", and so does a
	// group outside of it: then the mount's root is all that can be told.
	below := ""
	switch {
	case strings.HasPrefix(group, "/.."):
	case m.root == "/" || strings.HasPrefix(m.root, "/.."):
		below = group
	case group == m.root || strings.HasPrefix(group, m.root+"/"):
		below = strings.TrimPrefix(group, m.root)
	}
	dir := path.Join(m.point, below)
	if _, err := fs.Stat(root, dir); err != nil || !strings.HasPrefix(dir, m.point) {
		// v1 in a container without a namespace, bind-mounted in parts: the
		// path of the host does not exist here.
		dir = m.point
	}
	var dirs []string
	for len(dirs) < maxDepth {
		dirs = append(dirs, dir)
		if dir == m.point {
			break
		}
		dir = path.Dir(dir)
	}
	return dirs
}

// isRoot says whether a directory is the hierarchy's own root, where v2 has no
// limits: every other group has cgroup.type.
func isRoot(root fs.FS, dir string) bool {
	if _, err := fs.Stat(root, dir+"/cgroup.controllers"); err != nil {
		return false
	}
	_, err := fs.Stat(root, dir+"/cgroup.type")
	return err != nil
}

// least is the smallest of what limit finds in the groups, 0 where none limits,
// or why nothing can be told. limit's ok is false where a group sets no limit.
func least[T int64 | float64](root fs.FS, controller string,
	limit func(p Path, dir string) (v T, ok bool, err error)) trial.Reading[T] {
	p, err := Find(root, controller)
	if err != nil {
		return trial.Unread[T](err.Error())
	}
	var lowest T
	var problem error
	told := false
	for _, dir := range p.Dirs {
		v, ok, err := limit(p, dir)
		switch {
		case err != nil && p.V2 && isRoot(root, dir):
			told = true
		case err != nil:
			problem = err
		case !ok:
			told = true
		default:
			if told = true; lowest == 0 || v < lowest {
				lowest = v
			}
		}
	}
	if !told {
		return trial.Unread[T](problem.Error())
	}
	return trial.Read(lowest)
}

// Quota is the processor time that the groups allow, in cores; 0: no limit.
func Quota(root fs.FS) trial.Reading[float64] {
	return least(root, "cpu", func(p Path, dir string) (float64, bool, error) {
		var quota, period, name string
		if p.V2 {
			name = dir + "/cpu.max" // "max 100000" or "150000 100000", in µs
			s, err := kernelfs.Read(root, name)
			if err != nil {
				return 0, false, err
			}
			quota, period, _ = strings.Cut(s, " ")
		} else {
			var err error
			name = dir + "/cpu.cfs_quota_us" // -1: none
			if quota, err = kernelfs.Read(root, name); err != nil {
				return 0, false, err
			}
			if period, err = kernelfs.Read(root, dir+"/cpu.cfs_period_us"); err != nil {
				return 0, false, err
			}
		}
		if quota == "max" || quota == "-1" {
			return 0, false, nil
		}
		q, errQ := kernelfs.ParseCount(quota)
		t, errT := kernelfs.ParseCount(period)
		if errQ != nil || errT != nil || q == 0 || t == 0 {
			return 0, false, fmt.Errorf("/%s allows %q of %q µs", name, kernelfs.Clip(quota), kernelfs.Clip(period))
		}
		return float64(q) / float64(t), true, nil
	})
}

// noMemoryLimit is where v1's numbers begin that mean "none": the kernel shows
// the largest multiple of the page size below 2^63.
const noMemoryLimit = 1 << 60

// MemoryLimit is the memory that the groups allow, in bytes; 0: no limit.
func MemoryLimit(root fs.FS) trial.Reading[int64] {
	return least(root, "memory", func(p Path, dir string) (int64, bool, error) {
		name := dir + "/memory.limit_in_bytes"
		if p.V2 {
			name = dir + "/memory.max"
		}
		s, err := kernelfs.Read(root, name)
		if err != nil {
			return 0, false, err
		}
		if s == "max" {
			return 0, false, nil
		}
		n, err := strconv.ParseUint(s, 10, 64)
		switch {
		case err != nil || n == 0:
			return 0, false, fmt.Errorf("/%s holds %q", name, kernelfs.Clip(s))
		case n >= noMemoryLimit:
			return 0, false, nil
		}
		return int64(n), true, nil
	})
}

// ProcessLimit is how many processes and threads the groups allow; 0: no limit.
func ProcessLimit(root fs.FS) trial.Reading[int64] {
	return least(root, "pids", func(_ Path, dir string) (int64, bool, error) {
		s, err := kernelfs.Read(root, dir+"/pids.max")
		if err != nil || s == "max" {
			return 0, false, err
		}
		n, err := kernelfs.ParseCount(s)
		if err != nil {
			return 0, false, fmt.Errorf("/%s/pids.max holds %q", dir, kernelfs.Clip(s))
		}
		return n, true, nil
	})
}

// ThrottledNS is for how long quotas have stopped threads of the groups so far,
// summed over processors and groups [cpu.stat: throttled_usec in v2, throttled_time
// in ns in v1; a group counts its own quota only, not its parents'].
func (p Path) ThrottledNS(root fs.FS) (int64, error) {
	key, unit := "throttled_time", int64(1)
	if p.V2 {
		key, unit = "throttled_usec", 1000
	}
	var sum int64
	var problem error
	told := false
	for _, dir := range p.Dirs {
		n, err := kernelfs.Keyed(root, dir+"/cpu.stat", key)
		switch {
		case err != nil && p.V2 && isRoot(root, dir):
			told = true // the root has no quota
		case err != nil:
			problem = err
		case n > kernelfs.MaxCount/maxDepth/unit:
			return 0, fmt.Errorf("/%s/cpu.stat: %s is %d", dir, key, n)
		default:
			sum, told = sum+n*unit, true
		}
	}
	if !told {
		return 0, problem
	}
	return sum, nil
}
