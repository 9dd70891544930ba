package patient

import (
	"context"
	"testing"
	"time"
)

// A part of the time leaves the rest to what comes afterwards.
func TestPart(t *testing.T) {
	whole, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
	defer cancel()
	part, cancel := Part(whole, 3)
	defer cancel()
	if end, ok := part.Deadline(); !ok || time.Until(end) > time.Hour || time.Until(end) < time.Hour/2 {
		t.Errorf("%v, %v", end, ok)
	}
	endless, cancel := Part(t.Context(), 3)
	defer cancel()
	if _, ok := endless.Deadline(); ok {
		t.Error("a part of endless time has an end")
	}
}
