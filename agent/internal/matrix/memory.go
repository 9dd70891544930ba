package matrix

import (
	"io/fs"
	"os"
	"strconv"
	"strings"

	"chexp/experiments/trial"
)

const (
	// mostLiving bounds the processes that live at the same time.
	mostLiving = 64
	// baseMemory is what a runner takes besides the model, and modelCopies how
	// often the model's bytes are there: the file's pages, the parsed graph, the
	// weights as the kernels want them. Both count only until a trial of the model
	// has said what it really took.
	baseMemory  = 64 << 20
	modelCopies = 4
	// blindMemory is what may be taken where the machine does not say what it has.
	blindMemory = 1 << 30
	// spare is left of the memory, at least.
	spare = 64 << 20
)

// memory knows how much the trials take and what there is.
type memory struct {
	root fs.FS
	peak map[variant]int64
}

func newMemory(root string) memory { return memory{os.DirFS(root), map[variant]int64{}} }

// learn takes what a ready trial says of itself.
func (m *memory) learn(l *living) {
	if peak, ok := l.result.PeakMemoryBytes.Get(); ok {
		v := variantOf(l.Trial)
		m.peak[v] = max(m.peak[v], peak)
	}
}

// takes estimates the memory of a trial's process: what the variant took
// before, or else the most that the model took with this batch or a smaller one.
func (m *memory) takes(t trial.Trial, modelBytes int64) int64 {
	v := variantOf(t)
	if peak := m.peak[v]; peak > 0 {
		return peak
	}
	most := baseMemory + modelCopies*modelBytes
	for other, peak := range m.peak {
		if other.model == v.model {
			most = max(most, peak*int64(max(1, v.batch/max(other.batch, 1))))
		}
	}
	return most
}

// available is what new processes may take of the machine or, if that is
// less, of the container.
func (m *memory) available() (bytes int64, ok bool) {
	bytes, ok = m.number("proc/meminfo", "MemAvailable:")
	bytes *= 1024
	for _, group := range []struct{ limit, used, stat, reclaimable string }{
		{"memory.max", "memory.current", "memory.stat", "inactive_file"}, // version 2
		{ // version 1
			"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes",
			"memory/memory.stat", "total_inactive_file",
		},
	} {
		limit, limited := m.number("sys/fs/cgroup/"+group.limit, "")
		used, known := m.number("sys/fs/cgroup/"+group.used, "")
		if !limited || !known {
			continue
		}
		cache, _ := m.number("sys/fs/cgroup/"+group.stat, group.reclaimable)
		if left := limit - used + cache; !ok || left < bytes {
			bytes, ok = left, true
		}
	}
	return bytes, ok
}

// forNew is what new processes may take: the available memory but for a reserve.
func (m *memory) forNew() int64 {
	left, ok := m.available()
	if !ok {
		left = blindMemory
	}
	return left - max(spare, left/8)
}

// number reads the number after key at the start of a line; an empty key is
// the whole file. "max" is none.
func (m *memory) number(path, key string) (int64, bool) {
	data, err := fs.ReadFile(m.root, path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		rest, found := strings.CutPrefix(line, key)
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		return n, err == nil
	}
	return 0, false
}
