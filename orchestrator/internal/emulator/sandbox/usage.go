//go:build linux

package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what the container's processes take: processor time per second of its life, in
// billionths of a core, and resident memory in bytes. It is read from the processes
// themselves, because a container here has no control group of its own; a process that has
// ended no longer counts.
func (c *Container) Usage() (cpu, memory int64) {
	inside, err := os.Readlink("/proc/" + strconv.Itoa(c.pid) + "/ns/pid")
	if err != nil {
		return 0, 0
	}
	spaces, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	var ticks, pages int64
	for _, space := range spaces {
		if link, err := os.Readlink(space); err != nil || link != inside {
			continue
		}
		data, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(space)), "stat"))
		if err != nil {
			continue
		}
		// The name in parentheses may contain anything; the numbers come behind it.
		_, rest, _ := strings.Cut(string(data), ") ")
		f := strings.Fields(rest)
		if len(f) < 22 {
			continue
		}
		number := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
		ticks += number(11) + number(12) // utime, stime; proc(5) counts from the process id as 1
		pages += number(21)              // rss
	}
	const perSecond = 100 // USER_HZ of every Linux that Go runs on
	life := time.Since(c.started)
	used := float64(ticks) / perSecond
	return int64(used / max(life.Seconds(), 0.001) * 1e9), pages * int64(os.Getpagesize())
}
