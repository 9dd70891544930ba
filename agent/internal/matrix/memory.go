package matrix

import (
	"context"
	"fmt"
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
	// weights as the kernels want them. Both only until a trial of the model has said
	// what it really took.
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
		{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat", "inactive_file"},
		{"sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes", "sys/fs/cgroup/memory/memory.stat", "total_inactive_file"},
	} {
		limit, limited := m.number(group.limit, "")
		used, known := m.number(group.used, "")
		if !limited || !known {
			continue
		}
		cache, _ := m.number(group.stat, group.reclaimable)
		if left := limit - used + cache; !ok || left < bytes {
			bytes, ok = left, true
		}
	}
	return bytes, ok
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

// load brings as many trials to life as the memory holds, one after the other,
// each measuring its first inference with the machine to itself. Where not all
// fit, the trials of a model stay together.
func (s *Supervisor) load(ctx context.Context, pending []trial.Trial, number int) (group []*living, rest []trial.Trial, err error) {
	take := 1 // a policy without blocks measures each trial in one piece, alone
	if s.Plan.Policy.Block > 0 {
		pending, take = s.choose(pending)
	}
	if left := len(pending) - take; s.Plan.Policy.Block > 0 && (left > 0 || number > 1) {
		err := s.Recorder.Event(trial.Event{Type: trial.Note, Text: fmt.Sprintf(
			"the memory does not hold all trials at once: group %d has %d of them, %d come later; only trials of one group take turns", number, take, left)})
		if err != nil {
			return nil, nil, err
		}
	}
	for _, t := range pending[:take] {
		l, err := s.begin(ctx, t)
		if l != nil && l.process != nil {
			group = append(group, l)
		}
		if err != nil {
			return group, nil, err
		}
		if !l.over {
			s.memory.learn(l)
		}
	}
	return group, pending[take:], nil
}

// choose puts the trials that form the next group first, and says how many
// those are: whole sets as long as they fit, and a part of a set, at least one trial,
// only where a set alone does not.
func (s *Supervisor) choose(pending []trial.Trial) (order []trial.Trial, take int) {
	left, ok := s.memory.available()
	if !ok {
		left = blindMemory
	}
	left -= max(spare, left/8)
	fits := func(trials []trial.Trial) (n int) {
		for room := left; n < len(trials) && take+n < mostLiving; n++ {
			if room -= s.memory.takes(trials[n], s.model(trials[n].Model).Bytes); room < 0 {
				break
			}
		}
		return n
	}
	if n := fits(pending); n == len(pending) {
		return pending, n
	}
	full := false
	for _, set := range sets(pending) {
		order = append(order, set...)
		n := fits(set)
		if full || n < len(set) && take > 0 {
			full = true
			continue
		}
		if n = max(n, 1); n < len(set) {
			full = true
		}
		for _, t := range set[:n] {
			left -= s.memory.takes(t, s.model(t.Model).Bytes)
		}
		take += n
	}
	return order, take
}
