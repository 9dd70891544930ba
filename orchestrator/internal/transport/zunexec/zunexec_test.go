//go:build unix

package zunexec_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/transporttest"
	"chexp/orchestrator/internal/transport/zunexec"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) (transport.Transport, string) {
		f := newFake(t)
		return open(f, 1<<20), t.TempDir() + "/far/end"
	})
}

// An Alpine image: all tools are busybox, whose tar makes every put_archive
// end in 500 although it did its work.
func TestConformanceBusybox(t *testing.T) {
	tools := busybox(t)
	transporttest.Run(t, func(t *testing.T) (transport.Transport, string) {
		f := newFake(t)
		f.tools, f.hang = tools, 300*time.Millisecond
		return open(f, 4<<20), t.TempDir() + "/far/end"
	})
}

func open(f *fake, part int) *zunexec.Transport {
	return zunexec.New(f, "c1", zunexec.Options{MaxExec: f.limit, Poll: 5 * time.Millisecond, PartBytes: part})
}

func busybox(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox on this machine")
	}
	dir := t.TempDir()
	if out, err := exec.Command(program, "--install", "-s", dir).CombinedOutput(); err != nil {
		t.Skipf("busybox --install: %v: %s", err, out)
	}
	return dir
}

// wrap puts a shell script in the place of one tool.
func wrap(t *testing.T, f *fake, tool, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"/bin", "/usr/bin"} {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			_ = os.Symlink(filepath.Join(d, e.Name()), filepath.Join(dir, e.Name())) // those that exist stay
		}
	}
	f.tools = dir
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func archive(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644})
	if err == nil {
		_, err = w.Write(data)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// put sends 3 MiB and looks at the disk, not through the transport.
func put(t *testing.T, tr *zunexec.Transport, dir string) {
	t.Helper()
	data := noise(3 << 20)
	if err := tr.Put(t.Context(), dir, bytes.NewReader(archive(t, "f", data))); err != nil {
		t.Fatalf("Put: %v", err)
	}
	got, err := os.ReadFile(dir + "/f")
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes are there (%v), or others than were sent", len(got), err)
	}
	left, _ := filepath.Glob(filepath.Dir(dir) + "/.chexp*")
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func get(t *testing.T, tr *zunexec.Transport, dir string) ([]byte, error) {
	t.Helper()
	r, err := tr.Get(t.Context(), dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	all, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	tr2 := tar.NewReader(bytes.NewReader(all))
	for {
		h, err := tr2.Next()
		if err != nil {
			return nil, err
		}
		if filepath.Clean(h.Name) == "f" {
			return io.ReadAll(tr2)
		}
	}
}

func TestPutSurvivesFaults(t *testing.T) {
	for name, c := range map[string]func(call string, n, size int) fault{
		"500 every second time, nothing done": func(call string, n, _ int) fault {
			return when(call == "put" && n%2 == 1, fault{err: httpError(500), before: true})
		},
		"500 always, all done": func(call string, _, _ int) fault {
			if call == "put" {
				return fault{err: httpError(500)}
			}
			return fault{}
		},
		"200 and nothing done, twice": func(call string, n, _ int) fault {
			return when(call == "put" && n <= 2, fault{before: true})
		},
		"200 and damaged, twice": func(call string, n, _ int) fault {
			return when(call == "put" && n <= 2, fault{damage: true})
		},
		"413 over 1 MB": func(call string, _, size int) fault {
			return when(call == "put" && size > 1_000_000, fault{err: httpError(413), before: true})
		},
		"504 over 300 kB": func(call string, _, size int) fault {
			return when(call == "put" && size > 300_000, fault{err: httpError(504), before: true})
		},
		"every third answer of execute lost": func(call string, n, _ int) fault {
			if call == "exec" && n%3 == 0 {
				return fault{err: errors.New("connection reset by peer")}
			}
			return fault{}
		},
		"every third execute refused": func(call string, n, _ int) fault {
			return when(call == "exec" && n%3 == 0, fault{err: httpError(503), before: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.fault = c
			put(t, open(f, 2<<20), t.TempDir()+"/d")
			t.Logf("%d put_archive, %d execute", f.calls["put"], f.calls["exec"])
		})
	}
}

func TestLearnsPartSize(t *testing.T) {
	f := newFake(t)
	f.fault = func(call string, _, size int) fault {
		return when(call == "put" && size > 600_000, fault{err: httpError(413), before: true})
	}
	tr, dir := open(f, 2<<20), t.TempDir()+"/d"
	put(t, tr, dir)
	before := len(f.puts)
	put(t, tr, dir)
	for _, n := range f.puts[before:] {
		if n > 600_000 {
			t.Errorf("the second Put tried %d bytes again", n)
		}
	}
	for _, n := range f.puts {
		if n%10_240 != 0 {
			t.Errorf("an archive of %d bytes is not padded to whole records", n)
		}
	}
}

func TestPutSilentFailure(t *testing.T) {
	f := newFake(t)
	f.fault = func(call string, _, _ int) fault { return when(call == "put", fault{before: true}) }
	err := open(f, 1<<20).Put(t.Context(), t.TempDir()+"/d", bytes.NewReader(archive(t, "f", noise(3<<20))))
	if failure.KindOf(err) != failure.Device || failure.NextOf(err) == "" ||
		!strings.Contains(err.Error(), "nothing arrives") || !strings.Contains(err.Error(), "%") {
		t.Errorf("an upload that never arrives: %v", err)
	}
	if f.calls["put"] != 3 {
		t.Errorf("%d uploads were tried, want 3", f.calls["put"])
	}
}

func TestFinalErrorsAreNotRepeated(t *testing.T) {
	for _, status := range []int{401, 403, 404, 409} {
		f := newFake(t)
		f.fault = func(call string, _, _ int) fault {
			return when(call == "put", fault{err: httpError(status), before: true})
		}
		err := open(f, 1<<20).Put(t.Context(), t.TempDir()+"/d", bytes.NewReader(archive(t, "f", nil)))
		if !errors.Is(err, httpError(status)) || f.calls["put"] != 1 {
			t.Errorf("%d: %d uploads, %v", status, f.calls["put"], err)
		}
	}
	f := newFake(t)
	f.fault = func(string, int, int) fault { return fault{err: httpError(404), before: true} }
	if _, err := open(f, 1<<20).Get(t.Context(), "/d"); !errors.Is(err, httpError(404)) || f.calls["exec"] != 1 {
		t.Errorf("a container that is gone: %d calls, %v", f.calls["exec"], err)
	}
}

func TestExecNeverRepeats(t *testing.T) {
	f := newFake(t)
	f.fault = func(string, int, int) fault { return fault{err: httpError(500)} }
	_, err := open(f, 1<<20).Exec(t.Context(), transport.Command{Args: []string{"true"}})
	if !errors.Is(err, httpError(500)) || f.calls["exec"] != 1 {
		t.Errorf("%d calls, %v", f.calls["exec"], err)
	}
}

func TestPutResumes(t *testing.T) {
	f := newFake(t)
	tr, dir := open(f, 1<<20), t.TempDir()+"/d"
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = func(call string, n, _ int) fault {
		if call == "put" && n == 3 {
			cancel()
		}
		return fault{}
	}
	if err := tr.Put(ctx, dir, bytes.NewReader(archive(t, "f", noise(3<<20)))); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v", err)
	}
	// Four parts, a list of sums and a script; two parts were verified.
	before := f.calls["put"]
	put(t, tr, dir)
	if n := f.calls["put"] - before; n > 4 {
		t.Errorf("the second Put sent %d archives, want at most 4", n)
	}
}

// Steps that take longer than execute waits are polled.
func TestSlowFarEnd(t *testing.T) {
	f := newFake(t)
	f.limit = 500 * time.Millisecond
	wrap(t, f, "tar", `case "$*" in xpmof*|"cf all"*) sleep 1;; esac; exec /bin/tar "$@"`)
	tr, dir := open(f, 2<<20), t.TempDir()+"/d"
	put(t, tr, dir)
	if got, err := get(t, tr, dir); err != nil || !bytes.Equal(got, noise(3<<20)) {
		t.Errorf("Get: %v", err)
	}
}

func TestStepVanishes(t *testing.T) {
	f := newFake(t)
	wrap(t, f, "tar", `case "$*" in xpmof*) kill -KILL 0;; esac; exec /bin/tar "$@"`)
	err := open(f, 2<<20).Put(t.Context(), t.TempDir()+"/d", bytes.NewReader(archive(t, "f", noise(3<<20))))
	if failure.KindOf(err) != failure.Device || !strings.Contains(err.Error(), "vanished") {
		t.Errorf("a container that was started again: %v", err)
	}
}

// A request of a process that died may come late and end the step of another: the step
// is carried out again.
func TestAStepThatVanishesOnceIsRepeated(t *testing.T) {
	f := newFake(t)
	once := t.TempDir() + "/once"
	wrap(t, f, "tar", `case "$*" in xpmof*) mkdir `+once+` 2>/dev/null && kill -KILL 0;; esac; exec /bin/tar "$@"`)
	tr, dir := open(f, 2<<20), t.TempDir()+"/d"
	put(t, tr, dir)
	if got, err := get(t, tr, dir); err != nil || !bytes.Equal(got, noise(3<<20)) {
		t.Errorf("Get: %v", err)
	}
	if _, err := os.Stat(once); err != nil {
		t.Error("no step vanished")
	}
}

// What an earlier Put left running is stopped before anything is written.
func TestLeftoverStepIsKilled(t *testing.T) {
	f := newFake(t)
	base := t.TempDir()
	wrap(t, f, "tar",
		`case "$*" in xpmof*) : >`+base+`/started; sleep 20; : >`+base+`/survived;; esac; exec /bin/tar "$@"`)
	tr, dir := open(f, 4<<20), base+"/d"
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = func(string, int, int) fault {
		if _, err := os.Stat(base + "/started"); err == nil {
			cancel()
		}
		return fault{}
	}
	if err := tr.Put(ctx, dir, bytes.NewReader(archive(t, "f", noise(1<<20)))); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v", err)
	}
	pids, _ := filepath.Glob(base + "/.chexp-put-d/*.pid")
	if len(pids) != 1 {
		t.Fatalf("steps under way: %v", pids)
	}
	pid, err := os.ReadFile(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	f.fault, f.tools = nil, ""
	put(t, tr, dir)
	if stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat"); err == nil &&
		!strings.Contains(string(stat), ") Z ") {
		t.Errorf("the step of the first Put still runs: %s", stat)
	}
}

func TestDamagedUnpacking(t *testing.T) {
	f := newFake(t)
	wrap(t, f, "tar", `/bin/tar "$@"; r=$?; case "$*" in xpmof*) echo x >>"$4/f";; esac; exit $r`)
	err := open(f, 2<<20).Put(t.Context(), t.TempDir()+"/d", bytes.NewReader(archive(t, "f", noise(1000))))
	if failure.KindOf(err) != failure.Device || !strings.Contains(err.Error(), "differ") ||
		!strings.Contains(err.Error(), "./f: FAILED") {
		t.Errorf("a file that was changed by the disk: %v", err)
	}
}

func TestNoShell(t *testing.T) {
	f := newFake(t)
	f.tools = t.TempDir()
	tr := open(f, 1<<20)
	for name, err := range map[string]error{
		"Put": tr.Put(t.Context(), "/x/y", bytes.NewReader(archive(t, "f", nil))),
		"Get": func() error { _, err := tr.Get(t.Context(), "/x/y"); return err }(),
	} {
		if failure.KindOf(err) != failure.Device || !strings.Contains(failure.NextOf(err), "image") {
			t.Errorf("%s with an image without a shell: %v", name, err)
		}
	}
}

func TestGetSurvivesFaults(t *testing.T) {
	for name, c := range map[string]func(call string, n, size int) fault{
		"damaged once": func(call string, n, _ int) fault { return when(call == "get" && n == 1, fault{damage: true}) },
		"500 three times": func(call string, n, _ int) fault {
			return when(call == "get" && n <= 3, fault{err: httpError(500), before: true})
		},
		"413 twice": func(call string, n, _ int) fault {
			return when(call == "get" && n <= 2, fault{err: httpError(413), before: true})
		},
		"every third answer of execute lost": func(call string, n, _ int) fault {
			if call == "exec" && n%3 == 0 {
				return fault{err: io.ErrUnexpectedEOF}
			}
			return fault{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			tr, dir := open(f, 1<<20), t.TempDir()+"/d"
			put(t, tr, dir)
			f.fault = c
			if got, err := get(t, tr, dir); err != nil || !bytes.Equal(got, noise(3<<20)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			left, _ := filepath.Glob(filepath.Dir(dir) + "/.chexp*")
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestGetGivesUp(t *testing.T) {
	f := newFake(t)
	tr, dir := open(f, 1<<20), t.TempDir()+"/d"
	put(t, tr, dir)
	f.fault = func(call string, _, _ int) fault { return when(call == "get", fault{damage: true}) }
	if _, err := get(t, tr, dir); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a transfer that is damaged each time: %v", err)
	}
	f.fault = nil
	small := zunexec.New(f, "c1", zunexec.Options{Poll: 5 * time.Millisecond, MaxGet: 1 << 20})
	if _, err := get(t, small, dir); failure.KindOf(err) != failure.Device ||
		!strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("a directory over the limit: %v", err)
	}
}

func TestExecRefusesWhatDoesNotFit(t *testing.T) {
	f := newFake(t)
	tr := open(f, 1<<20)
	for _, arg := range []string{strings.Repeat("x", 7000), strings.Repeat("\n", 2400), "\xff"} {
		_, err := tr.Exec(t.Context(), transport.Command{Args: []string{"echo", arg}})
		if err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%.10q…: %v", arg, err)
		}
	}
	if f.calls["exec"] != 0 {
		t.Error("it was sent all the same")
	}
}

// acked is a stream that keeps what it is told about its progress.
type acked struct {
	io.Reader
	seen []int64
}

func (a *acked) Acknowledge(n int64) { a.seen = append(a.seen, n) }

func TestAcknowledgesVerifiedBytesOnly(t *testing.T) {
	f := newFake(t)
	// The third part never arrives.
	f.fault = func(call string, n, _ int) fault { return when(call == "put" && n > 2, fault{before: true}) }
	s := &acked{Reader: bytes.NewReader(archive(t, "f", noise(4<<20)))}
	if err := open(f, 1<<20).Put(t.Context(), t.TempDir()+"/d", s); err == nil {
		t.Fatal("Put worked")
	}
	if !slices.Equal(s.seen, []int64{1 << 20, 2 << 20}) {
		t.Errorf("acknowledged: %v", s.seen)
	}
}
