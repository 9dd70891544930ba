package tryout

import (
	"context"
	"os/exec"
	"syscall"
	"testing"
)

// The process that runs a model sees no network but its own loopback.
func TestNoNetwork(t *testing.T) {
	probe := exec.Command("true")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET}
	if err := probe.Run(); err != nil {
		t.Skip("no namespaces for everybody here:", err)
	}
	// Two lines of head, and lo.
	a := agent(t, `[ $(wc -l </proc/net/dev) = 3 ] && echo '{"outcome":"ok"}' || cat /proc/net/dev >&2`)
	if v, err := a.Try(context.Background(), batched); err != nil || v != (Verdict{}) {
		t.Errorf("%+v, %v", v, err)
	}
}
