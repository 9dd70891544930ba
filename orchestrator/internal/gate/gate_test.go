package gate

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Two processes with four goroutines each add to one file, a number at a time. They
// would lose some if two were let through at once.
func TestOneAtATime(t *testing.T) {
	const each, rounds = 4, 25
	dir := os.Getenv("GATE_DIR")
	if dir == "" {
		dir = t.TempDir()
		other := exec.Command(os.Args[0], "-test.run", "^TestOneAtATime$")
		other.Env = append(os.Environ(), "GATE_DIR="+dir)
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := other.Wait(); err != nil {
				t.Error("the other process:", err)
			}
			data, err := os.ReadFile(filepath.Join(dir, "count"))
			if n := strings.Count(string(data), "x"); err != nil || n != 2*each*rounds {
				t.Errorf("%d of %d times counted, %v", n, 2*each*rounds, err)
			}
		}()
	}
	g := To(dir, "zun.example")
	if g != To(dir, "zun.example") || g == To(dir, "other.example") {
		t.Fatal("a service has one gate, another service another")
	}
	var inside atomic.Int32
	var all sync.WaitGroup
	for range each {
		all.Go(func() {
			for range rounds {
				err := g.Pass(t.Context(), func() error {
					if inside.Add(1) != 1 {
						t.Error("two at once")
					}
					defer inside.Add(-1)
					file := filepath.Join(dir, "count")
					data, _ := os.ReadFile(file)
					return os.WriteFile(file, append(data, 'x'), 0o600)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if g.Alone() != nil {
		t.Error(g.Alone())
	}
}

// Who waits at the gate can be called away, and what failed inside is told.
func TestWaitingEnds(t *testing.T) {
	g := To(t.TempDir(), "s")
	other := &Gate{file: g.file, turn: make(chan struct{}, 1)} // as in another process
	in, out := make(chan struct{}), make(chan struct{})
	go func() {
		_ = other.Pass(context.Background(), func() error { close(in); <-out; return nil })
	}()
	<-in
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := g.Pass(ctx, func() error { t.Error("let through"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(out)
	failed := errors.New("failed")
	if err := g.Pass(t.Context(), func() error { return failed }); err != failed {
		t.Error(err)
	}
}

// Where no lock can be, the process goes on, and says why it is alone.
func TestNoLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g := To(filepath.Join(file, "locks"), "s")
	done := false
	if err := g.Pass(t.Context(), func() error { done = true; return nil }); err != nil || !done {
		t.Error(err, done)
	}
	if g.Alone() == nil {
		t.Error("it is not said that nobody else is kept out")
	}
}

// A gate that a process holds is another's only once that has ended; without a file
// nobody is kept out.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	g := To(dir, "held")
	for range 2 {
		if !g.Hold() {
			t.Fatal("it is nobody else's")
		}
	}
	other := &Gate{file: g.file, turn: make(chan struct{}, 1)} // as another process has it
	if other.Hold() {
		t.Error("two hold it")
	}
	g.held.Close()
	if !other.Hold() {
		t.Error("its holder is gone")
	}
	if none := To(filepath.Join(dir, "none\x00"), "x"); !none.Hold() || none.Alone() == nil {
		t.Error("without a file")
	}
}
