package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

// Advice is typed as the program was called: people call it bin/chexp, and from
// folders with a blank in their name.
func TestAdviceIsPasteable(t *testing.T) {
	for program, want := range map[string]string{
		"chexp":               "what to do: `chexp help` lists them\n",
		"bin/chexp":           "what to do: `bin/chexp help` lists them\n",
		"/opt/my tools/chexp": "what to do: `'/opt/my tools/chexp' help` lists them\n",
	} {
		var told strings.Builder
		if code := Main("test", []string{program, "lose"}, strings.NewReader(""), &told, &told); code != 2 ||
			!strings.Contains(told.String(), want) {
			t.Errorf("%s: code %d, %s", program, code, told.String())
		}
	}
}

// What ends because of a signal is an interruption, whatever was being done.
func TestASignalsErrorIsAnInterruption(t *testing.T) {
	err := fmt.Errorf("looking for the lease x: %w", received{syscall.SIGHUP, ""})
	if !errors.Is(err, context.Canceled) {
		t.Error("it is no end of a context")
	}
	a := &app{err: io.Discard}
	if code := a.explain(err); code != 130 {
		t.Errorf("exit code %d", code)
	}
}
