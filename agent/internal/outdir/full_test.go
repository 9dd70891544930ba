package outdir

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A full disk of the device is named as what it is, wherever the error comes from.
func TestAFullDiskIsNamed(t *testing.T) {
	err := Named(fmt.Errorf("the result of m cannot be written: %w", syscall.ENOSPC))
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "the device's disk is full: the result of m") {
		t.Error(err)
	}
	if other := errors.New("x"); Named(other) != other || Named(nil) != nil {
		t.Error("another error was changed")
	}
	if got := fullText(4096); got != "the device's disk is full (4096 bytes are free)" {
		t.Error(got)
	}
	if got := fullText(1 << 30); got != "" {
		t.Error(got)
	}
}
