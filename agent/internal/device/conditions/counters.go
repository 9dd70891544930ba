package conditions

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"chexp/agent/internal/device/kernelfs"
	"chexp/experiments/trial"
)

const (
	// tick is the unit of the times in /proc/stat, /proc/<pid>/stat and
	// time_in_state: USER_HZ is 100 on every architecture that Go has Linux for.
	tick = 10 * time.Millisecond
	// maxTicks bounds a counter: 10^13 ticks are 3 years of 1000 processors; sums
	// stay far from overflow.
	maxTicks = 1e13
	// tolerated is the error that a figure in cores, or a share, may have.
	tolerated = 0.25
)

func seconds(ticks int64) float64 { return float64(ticks) * tick.Seconds() }

// tooShort says why steps of one tick are too coarse for a stretch of time, ""
// when they are not.
func tooShort(steps int, total time.Duration) string {
	if float64(steps)*float64(tick) <= tolerated*float64(total) {
		return ""
	}
	return fmt.Sprintf("%v is too short: the kernel counts in steps of %v", total.Round(100*time.Microsecond), tick)
}

// stat is the sum over all processors of the machine, from the first line of
// /proc/stat, in ticks. In a container it is still the machine's.
type stat struct {
	cpus                      int
	idle, iowait, steal, busy int64
}

func (s *Sampler) stat() trial.Reading[stat] {
	text, err := kernelfs.Read(s.root, "proc/stat")
	if err != nil {
		return trial.Unread[stat](err.Error())
	}
	var st stat
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "cpu") {
			break
		}
		if !strings.HasPrefix(line, "cpu ") {
			st.cpus++
			continue
		}
		// user nice system idle iowait irq softirq steal; guest time, which
		// follows, is in user and nice already [proc_stat(5)].
		f := strings.Fields(line)
		if len(f) < 9 {
			return trial.Unread[stat](fmt.Sprintf("/proc/stat begins with %q", kernelfs.Clip(line)))
		}
		var v [8]int64
		for i := range v {
			if v[i], err = kernelfs.ParseCount(f[i+1]); err != nil || v[i] > maxTicks {
				return trial.Unread[stat](fmt.Sprintf("/proc/stat begins with %q", kernelfs.Clip(line)))
			}
		}
		st.idle, st.iowait, st.steal = v[3], v[4], v[7]
		st.busy = v[0] + v[1] + v[2] + v[5] + v[6]
	}
	if st.cpus == 0 {
		return trial.Unread[stat]("/proc/stat names no processor")
	}
	return trial.Read(st)
}

// moved checks that two readings are the kernel's, and of the stretch that the
// monotonic clock saw: an emulated /proc (gVisor's stands still, lxcfs shows the
// container's share) or a stopped virtual machine says nothing about other
// processes.
func moved(b, a stat, elapsed time.Duration) string {
	if b.cpus != a.cpus {
		return fmt.Sprintf("the number of processors went from %d to %d", b.cpus, a.cpus)
	}
	if a.steal < b.steal || a.busy < b.busy {
		return "the counters of /proc/stat went backwards"
	}
	total := seconds(a.idle + a.iowait + a.steal + a.busy - b.idle - b.iowait - b.steal - b.busy)
	want := elapsed.Seconds() * float64(b.cpus)
	// Every processor's own sampling may be off by a few of the kernel's ticks.
	slack := want/4 + seconds(4*int64(b.cpus))
	if math.Abs(total-want) > slack {
		return fmt.Sprintf("/proc/stat counted %.3g s in %.3g s on %d processors", total, elapsed.Seconds(), b.cpus)
	}
	return ""
}

// outside is the processor time, in cores, that went neither to the process that
// measured, nor to this one, nor to idling. Idle time is what is counted, not busy
// time: the kernel measures it exactly wherever it stops the tick while idle, and
// only samples who was busy [kernel/sched/cputime.c, get_cpu_idle_time_us]. What
// is left of the error is the rounding of three numbers.
func outside(b, a stat, p, q processTime, own, elapsed time.Duration) trial.Reading[float64] {
	if why := tooShort(3, elapsed); why != "" {
		return trial.Unread[float64](why)
	}
	if why := moved(b, a, elapsed); why != "" {
		return trial.Unread[float64](why)
	}
	trialTime, err := spent(p, q)
	if err != nil {
		return trial.Unread[float64](err.Error())
	}
	notBusy := seconds(a.idle - b.idle + a.iowait - b.iowait + a.steal - b.steal)
	rest := elapsed.Seconds()*float64(b.cpus) - notBusy - trialTime - own.Seconds()
	return trial.Read(max(0, rest/elapsed.Seconds()))
}

// steal is the processor time, in cores, that the hypervisor gave to others while
// this machine had something to run.
func steal(b, a stat, elapsed time.Duration) trial.Reading[float64] {
	if why := tooShort(1, elapsed); why != "" {
		return trial.Unread[float64](why)
	}
	if why := moved(b, a, elapsed); why != "" {
		return trial.Unread[float64](why)
	}
	return trial.Read(seconds(a.steal-b.steal) / elapsed.Seconds())
}

// processTime is the processor time of all threads of a process so far.
type processTime struct {
	ticks int64 // with those of threads that have ended, rounded twice
	exact int64 // ns of the living threads, -1 where the kernel does not say
}

func (s *Sampler) processTime(pid int) trial.Reading[processTime] {
	if why := s.foreign(); why != "" {
		return trial.Unread[processTime](why)
	}
	if pid <= 0 {
		return trial.Unread[processTime]("the process that measured is not known")
	}
	dir := "proc/" + strconv.Itoa(pid)
	path := dir + "/stat"
	text, err := kernelfs.Read(s.root, path)
	if err != nil {
		return trial.Unread[processTime](err.Error())
	}
	// The second field is the program's name in parentheses, which may hold
	// anything; utime and stime are fields 14 and 15 [proc_pid_stat(5)].
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 13 {
		return trial.Unread[processTime](fmt.Sprintf("/%s is %q", path, kernelfs.Clip(text)))
	}
	user, errUser := kernelfs.ParseCount(f[11])
	system, errSystem := kernelfs.ParseCount(f[12])
	if errUser != nil || errSystem != nil || user > maxTicks || system > maxTicks {
		return trial.Unread[processTime](fmt.Sprintf("/%s is %q", path, kernelfs.Clip(text)))
	}
	return trial.Read(processTime{ticks: user + system, exact: s.exactTime(dir)})
}

// maxThreads bounds how many threads of a process are asked for their time.
const maxThreads = 1024

// exactTime adds up the first number of every thread's schedstat: nanoseconds on a
// processor.
func (s *Sampler) exactTime(dir string) int64 {
	threads, err := fs.ReadDir(s.root, dir+"/task")
	if err != nil || len(threads) == 0 || len(threads) > maxThreads {
		return -1
	}
	var sum int64
	for _, t := range threads {
		text, err := kernelfs.Read(s.root, dir+"/task/"+t.Name()+"/schedstat")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errGone) {
			if len(threads) == 1 {
				return -1
			}
			continue // ended meanwhile
		}
		first, _, _ := strings.Cut(text, " ")
		ns, errNS := kernelfs.ParseCount(first)
		if err != nil || errNS != nil || ns > kernelfs.MaxCount/maxThreads {
			return -1
		}
		sum += ns
	}
	return sum
}

// spent is the time between two readings of a process, in seconds.
func spent(b, a processTime) (float64, error) {
	if a.ticks < b.ticks {
		return 0, errors.New("the processor time of the process that measured went backwards")
	}
	rough := seconds(a.ticks - b.ticks)
	if b.exact < 0 || a.exact < 0 {
		return rough, nil
	}
	// A thread that ended between took its nanoseconds with it: what the
	// rounded number shows beyond its error is true.
	return max(float64(a.exact-b.exact)/1e9, rough-seconds(2)), nil
}

// foreign says why the numbers of processes here are not this process's: /proc may
// be that of another PID namespace.
func (s *Sampler) foreign() string {
	text, err := kernelfs.Read(s.root, "proc/self/stat")
	if err != nil {
		return err.Error()
	}
	if pid, _, _ := strings.Cut(text, " "); pid != strconv.Itoa(s.self) {
		return fmt.Sprintf("/proc belongs to another PID namespace: this process is %s there, and %d here",
			kernelfs.Clip(pid), s.self)
	}
	return ""
}
