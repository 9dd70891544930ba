package probe

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// readBlocks loads blocks × blockSize bytes into registers and forgets them.
//
//go:noescape
func readBlocks(p unsafe.Pointer, blocks int64)

const (
	blockSize = 256
	// The buffer is read again and again until the budget is spent, and at
	// least leastPasses times; the fastest pass counts.
	budget      = 50 * time.Millisecond
	leastPasses = 3
)

// ReadRate is how many bytes of memory per second cores threads read together. The
// buffer of size bytes is taken from the system and given back; it should be well
// larger than the last-level cache.
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
	each := func(f func(part []byte)) {
		var wg sync.WaitGroup
		for i := range int64(cores) {
			wg.Go(func() { f(buf[i*share : (i+1)*share]) })
		}
		wg.Wait()
	}
	// A page that was only read would be the kernel's one page of zeros.
	each(func(part []byte) {
		for i := 0; i < len(part); i += 4096 {
			part[i] = 1
		}
	})
	var fastest time.Duration
	start := time.Now()
	for pass := 0; pass < leastPasses || time.Since(start) < budget; pass++ {
		begin := time.Now()
		each(func(part []byte) { readBlocks(unsafe.Pointer(&part[0]), share/blockSize) })
		if took := time.Since(begin); pass == 0 || took < fastest {
			fastest = took
		}
	}
	if fastest <= 0 {
		return 0, errors.New("the clock did not move during the reading probe")
	}
	return float64(share*int64(cores)) / fastest.Seconds(), nil
}
