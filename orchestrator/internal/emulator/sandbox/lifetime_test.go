//go:build linux

package sandbox

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestHolderDiesWithHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h, err := NewHost(dir, images(t, "amd64"), "amd64", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skipf("this machine cannot run amd64 containers: %v", err)
	}
	mustStart(t, h, "sh", "-c", "sleep infinity; : "+dir)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, dir)
}

// TestHelperRunsAContainer is no test: the next one starts it as a process of its own.
func TestHelperRunsAContainer(t *testing.T) {
	dir := os.Getenv("CHEXP_TEST_SANDBOX")
	if dir == "" {
		t.Skip("helper of TestKilledParentLeavesNoProcess")
	}
	fmt.Println("starts")
	h, err := NewHost(dir, images(t, runtime.GOARCH), runtime.GOARCH, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	// The command line has dir in it, by which the test knows its processes.
	mustStart(t, h, "sh", "-c", "sleep infinity; : "+dir)
	fmt.Println("runs")
	select {}
}

// TestKilledParentLeavesNoProcess kills a process that runs a container with SIGKILL, so that it
// cannot clean up: while the container runs, and at some moments while it is made.
func TestKilledParentLeavesNoProcess(t *testing.T) {
	t.Parallel()
	newHost(t, runtime.GOARCH) // skips where no container can run
	for name, kill := range map[string]struct {
		line  string // of the helper's output
		after time.Duration
	}{
		"holder": {"starts", 0},
		"probe":  {"starts", 20 * time.Millisecond},
		"image":  {"starts", 80 * time.Millisecond},
		"late":   {"starts", time.Duration(rand.IntN(400)) * time.Millisecond},
		"runs":   {"runs", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0], "-test.run=^TestHelperRunsAContainer$", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), "CHEXP_TEST_SANDBOX="+dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && lines.Text() != kill.line {
			}
			time.Sleep(kill.after) // a moment in the middle of its work, not a wait for anything
			cmd.Process.Kill()
			cmd.Wait()
			if lines.Text() != kill.line {
				t.Fatalf("the helper never said %q", kill.line)
			}
			awaitGone(t, dir)
		})
	}
}

// awaitGone waits until no process has the text in its command line. A zombie has none.
func awaitGone(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := ""
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range all {
			if line, _ := os.ReadFile(path); strings.Contains(string(line), text) {
				left = path + ": " + strings.ReplaceAll(string(line), "\x00", " ")
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a process lives on: " + left)
		}
	}
}
