// Package infertest starts, for tests, the programs that run models.
package infertest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"chexp/models/infer"
)

// Agent starts this machine's agent, which runs models on its standard streams.
// root is the module's folder, seen from the test.
func Agent(t testing.TB, root string) *infer.Process {
	t.Helper()
	program := filepath.Join(root, "bin", "chexp-agent-linux-"+runtime.GOARCH)
	return Start(t, program, program, "infer")
}

// Start starts a command that runs program, itself or by way of an emulator. The
// test is skipped if program, which `make agents` builds, is not there. At the
// test's end the process must end well.
func Start(t testing.TB, program string, command ...string) *infer.Process {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not built: `make agents` (or `make test`)", program)
	}
	p, err := infer.Start(command...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("%s ended with %v", program, err)
		}
	})
	return p
}
