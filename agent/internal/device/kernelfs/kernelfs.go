// Package kernelfs reads the small files in which the kernel says what it knows:
// /proc and /sys below some root. What stands in them is not trusted: sizes,
// numbers and lists are bounded, and an error names the file as a person knows
// it and holds at most a few words of what was in it.
package kernelfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// maxRead bounds what is read of any file: cpuinfo of a server with 512 threads
// has less than 1 MiB.
const maxRead = 1 << 20

// Read returns a file's text without surrounding space; device-tree strings end
// with a zero byte, which goes too.
func Read(root fs.FS, path string) (string, error) {
	data, err := Bytes(root, path)
	if err != nil {
		return "", err
	}
	return strings.Trim(string(data), " \t\r\n\x00"), nil
}

// Bytes returns the beginning of a file.
func Bytes(root fs.FS, path string) ([]byte, error) {
	f, err := root.Open(path)
	if err != nil {
		return nil, plain(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRead))
	if err != nil {
		return nil, plain(path, err)
	}
	return data, nil
}

// plain names the file as a person knows it, and the bare cause.
func plain(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("/%s: %w", path, err)
}

// MaxCount is the largest number that a counter or a limit may show: sums and
// differences of two cannot overflow.
const MaxCount = 1<<62 - 1

// Count reads a file that holds one whole number from 0 to MaxCount.
func Count(root fs.FS, path string) (int64, error) {
	s, err := Read(root, path)
	if err != nil {
		return 0, err
	}
	n, err := ParseCount(s)
	if err != nil {
		return 0, fmt.Errorf("/%s holds %w", path, err)
	}
	return n, nil
}

// ParseCount is a whole number from 0 to MaxCount.
func ParseCount(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > MaxCount {
		return 0, fmt.Errorf("%q, which is no count", Clip(s))
	}
	return int64(n), nil
}

// Keyed reads the number after a key in a file of lines such as "nr_throttled 5"
// (cpu.stat, vmstat) or "SwapTotal:  512 kB" (meminfo; unit as it stands there).
func Keyed(root fs.FS, path, key string) (int64, error) {
	text, err := Read(root, path)
	if err != nil {
		return 0, err
	}
	return KeyedIn(text, path, key)
}

// KeyedIn is Keyed for a text that was read from path.
func KeyedIn(text, path, key string) (int64, error) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || strings.TrimSuffix(f[0], ":") != key {
			continue
		}
		n, err := ParseCount(f[1])
		if err != nil {
			return 0, fmt.Errorf("%s of /%s is %w", key, path, err)
		}
		return n, nil
	}
	return 0, fmt.Errorf("/%s has no %s", path, key)
}

// maxCPU bounds the numbers in a list of processors; Linux stops at 8192.
const maxCPU = 8192

// List parses a list of processors: "0-3,8" as in Cpus_allowed_list, or "0 1 2 3"
// as in related_cpus.
func List(s string) ([]int, error) {
	var cpus []int
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		a, errA := strconv.ParseUint(from, 10, 16)
		b, errB := strconv.ParseUint(to, 10, 16)
		if errA != nil || errB != nil || a > b || b >= maxCPU || len(cpus) >= maxCPU {
			return nil, fmt.Errorf("%q is no list of processors", Clip(s))
		}
		for n := a; n <= b; n++ {
			cpus = append(cpus, int(n))
		}
	}
	if len(cpus) == 0 {
		return nil, errors.New("an empty list of processors")
	}
	return cpus, nil
}

// Usable lists the processors that this process may run on.
func Usable(root fs.FS) ([]int, error) {
	const path = "proc/self/status"
	status, err := Read(root, path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(status) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			cpus, err := List(strings.TrimSpace(list))
			if err != nil {
				return nil, fmt.Errorf("/%s: Cpus_allowed_list: %w", path, err)
			}
			return cpus, nil
		}
	}
	return nil, fmt.Errorf("/%s has no Cpus_allowed_list", path)
}

// Clip shortens foreign text for a message.
func Clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
