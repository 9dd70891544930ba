package probe

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readBlocks loads blocks × blockSize bytes into registers and forgets them.
//
//go:noescape
func readBlocks(p unsafe.Pointer, blocks int64)

const (
	blockSize = 256
	// The buffer is read again and again, and the fastest pass counts: for
	// budget, and longer, up to patience, as long as every pass was disturbed.
	budget   = 50 * time.Millisecond
	patience = 200 * time.Millisecond
	// undisturbed is how much longer a pass may take than the processor time
	// of its slowest thread. Beyond that, other programs or a quota kept the
	// threads from reading at the same time, and the rate is not the memory's.
	undisturbed = 1.15
)

// ReadRate is how many bytes of memory per second cores threads read together. The
// buffer of size bytes is taken from the system and given back; it should be well
// larger than the last-level cache. It is an error when the machine is too busy to
// tell.
func ReadRate(cores int, size int64) (float64, error) {
	share := size / int64(max(cores, 1)) / blockSize * blockSize
	if cores < 1 || share < blockSize {
		return 0, fmt.Errorf("no reading probe of %d bytes on %d cores", size, cores)
	}
	// Not the Go heap: what the probe took must go back at once.
	buf, err := syscall.Mmap(-1, 0, int(share*int64(cores)), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS)
	if err != nil {
		return 0, fmt.Errorf("no memory for the reading probe: %w", err)
	}
	defer syscall.Munmap(buf)
	// Since Go 1.25 the default follows the cgroup's quota, which says nothing
	// about how many cores may read at the same moment.
	if runtime.GOMAXPROCS(0) < cores {
		runtime.GOMAXPROCS(cores)
		defer runtime.SetDefaultGOMAXPROCS()
	}
	each := func(f func(part []byte)) time.Duration {
		used := make([]time.Duration, cores)
		var wg sync.WaitGroup
		for i := range cores {
			wg.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				begin := threadTime()
				f(buf[int64(i)*share : int64(i+1)*share])
				used[i] = threadTime() - begin
			})
		}
		wg.Wait()
		return slices.Max(used)
	}
	// A page that was only read would be the kernel's one page of zeros.
	each(func(part []byte) {
		for i := 0; i < len(part); i += 4096 {
			part[i] = 1
		}
	})
	var fastest time.Duration
	start := time.Now()
	for time.Since(start) < budget || fastest == 0 && time.Since(start) < patience {
		begin := time.Now()
		used := each(func(part []byte) { readBlocks(unsafe.Pointer(&part[0]), share/blockSize) })
		took := time.Since(begin)
		if float64(took) <= undisturbed*float64(used) && (fastest == 0 || took < fastest) {
			fastest = took
		}
	}
	if fastest == 0 {
		return 0, fmt.Errorf("the memory's reading rate is not known: for %v other programs or a quota kept the %d "+
			"cores from reading at the same time", patience, cores)
	}
	return float64(share*int64(cores)) / fastest.Seconds(), nil
}

// threadTime is the processor time of the calling thread so far.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
