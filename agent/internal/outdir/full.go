package outdir

import (
	"errors"
	"fmt"
	"syscall"
)

// Named says of an error that the device's disk is full, where it is that; else it is
// the error.
func Named(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the device's disk is full: %w; free some space there, or use another device", err)
	}
	return err
}

// tooLittle is the free space with which an agent cannot write what it must: a state,
// an event and a result.
const tooLittle = 64 << 10

// full says that a directory's disk has no room for what the agent writes, "" where it
// has, or where that cannot be told.
func full(dir string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return ""
	}
	return fullText(s.Bavail * uint64(s.Bsize))
}

func fullText(free uint64) string {
	if free >= tooLittle {
		return ""
	}
	return fmt.Sprintf("the device's disk is full (%d bytes are free)", free)
}
