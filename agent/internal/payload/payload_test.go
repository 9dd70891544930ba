package payload

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var contents = map[string]string{"ld.so": "loader", "runner": noise(10000),
	"libonnxruntime.so.1": "ort", "COPYRIGHT": "(c)"}

// noise does not compress.
func noise(n int) string {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// agent writes an agent file with the contents above and returns its path.
func agent(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	paths := map[string]string{}
	for name, content := range contents {
		paths[name] = filepath.Join(dir, "src-"+name)
		must(t, os.WriteFile(paths[name], []byte(content), 0o644))
	}
	h := Header{Arch: "arm64", Loader: "ld.so", Runner: "runner", Library: "libonnxruntime.so.1"}
	must(t, Describe(paths, &h))
	data, err := Compress(paths, h)
	must(t, err)
	again, err := Compress(paths, h)
	must(t, err)
	if !bytes.Equal(data, again) {
		t.Fatal("compressing twice gives other bytes")
	}
	var out bytes.Buffer
	must(t, Append(&out, strings.NewReader("\x7fELF launcher"), data, h))
	path := filepath.Join(dir, "agent")
	must(t, os.WriteFile(path, out.Bytes(), 0o755))
	return path
}

func open(t *testing.T, path string) *Payload {
	t.Helper()
	p, err := Open(path)
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func unpack(t *testing.T, p *Payload, bases ...string) string {
	t.Helper()
	dir, err := p.Unpack(context.Background(), bases)
	must(t, err)
	for name, want := range contents {
		got, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		if string(got) != want {
			t.Errorf("%s has the wrong content", name)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if exec := info.Mode()&0o100 != 0; exec != (name == "ld.so" || name == "runner") {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	return dir
}

func only(t *testing.T, base string, want string) {
	t.Helper()
	entries, err := os.ReadDir(base)
	must(t, err)
	if len(entries) != 1 || filepath.Join(base, entries[0].Name()) != want {
		t.Errorf("%s holds %v, want only %s", base, entries, want)
	}
}

func TestUnpackReuseRepair(t *testing.T) {
	p := open(t, agent(t))
	base := t.TempDir()
	dir := unpack(t, p, base)
	if filepath.Base(dir) != "chexp-"+p.Header.ID[:16] {
		t.Errorf("unpacked into %s", dir)
	}
	before, err := os.Stat(filepath.Join(dir, "runner"))
	must(t, err)
	if again := unpack(t, p, base); again != dir {
		t.Errorf("second time %s, first %s", again, dir)
	}
	after, err := os.Stat(filepath.Join(dir, "runner"))
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("it was unpacked a second time")
	}
	// What a cleaner of /tmp or a bad disk leaves is replaced.
	must(t, os.Remove(filepath.Join(dir, "ld.so")))
	unpack(t, p, base)
	must(t, os.Truncate(filepath.Join(dir, "runner"), 5))
	unpack(t, p, base)
	// Somebody else could write here: not trusted.
	must(t, os.Chmod(dir, 0o777))
	unpack(t, p, base)
	only(t, base, dir)
}

func TestUnpackTriesBases(t *testing.T) {
	p := open(t, agent(t))
	full := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(full, nil, 0o600))
	good := t.TempDir()
	dir := unpack(t, p, "/nonexistent", full, good)
	if filepath.Dir(dir) != good {
		t.Errorf("unpacked into %s", dir)
	}
	_, err := p.Unpack(context.Background(), []string{"/nonexistent", full, "/proc"})
	if err == nil || !strings.Contains(err.Error(), CacheEnv) || !strings.Contains(err.Error(), "/nonexistent") ||
		!strings.Contains(err.Error(), "/proc") {
		t.Errorf("error %v, want one that names every place and the remedy", err)
	}
}

func TestUnpackSweepsOldLeftovers(t *testing.T) {
	p := open(t, agent(t))
	base := t.TempDir()
	old := filepath.Join(base, "chexp-"+p.Header.ID[:16]+".tmp-old")
	fresh := filepath.Join(base, "chexp-"+p.Header.ID[:16]+".tmp-fresh")
	must(t, os.Mkdir(old, 0o700))
	must(t, os.Mkdir(fresh, 0o700))
	hourAgo := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(old, hourAgo, hourAgo))
	unpack(t, p, base)
	if _, err := os.Stat(old); err == nil {
		t.Error("a killed unpacking's directory is still there")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error("a running unpacking's directory was taken away")
	}
}

func TestUnpackStops(t *testing.T) {
	p := open(t, agent(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	base := t.TempDir()
	if _, err := p.Unpack(ctx, []string{base}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if entries, _ := os.ReadDir(base); len(entries) != 0 {
		t.Errorf("left over: %v", entries)
	}
}

func TestDamaged(t *testing.T) {
	path := agent(t)
	whole, err := os.ReadFile(path)
	must(t, err)
	h := open(t, path).Header
	if h.Arch != "arm64" || len(h.Files) != len(contents) {
		t.Fatalf("header %+v", h)
	}
	// A byte of the compressed data: found when unpacking, by checksum.
	broken := slices.Clone(whole)
	broken[len("\x7fELF launcher")+5000] ^= 0xff
	must(t, os.WriteFile(path, broken, 0o755))
	base := t.TempDir()
	if _, err := open(t, path).Unpack(context.Background(), []string{base}); err == nil {
		t.Error("damaged contents were unpacked")
	}
	if entries, _ := os.ReadDir(base); len(entries) != 0 {
		t.Errorf("left over: %v", entries)
	}
	// The header: its own hash does not fit.
	broken = slices.Clone(whole)
	broken[bytes.LastIndex(whole, []byte(`"sha256":"`))+len(`"sha256":"`)] ^= 1 // another hex digit
	must(t, os.WriteFile(path, broken, 0o755))
	if _, err := Open(path); err == nil {
		t.Error("opened with a damaged header")
	}
	// Truncated anywhere: no payload, or a damaged one; never a panic.
	for n := 0; n < len(whole); n += 37 {
		must(t, os.WriteFile(path, whole[:n], 0o755))
		if p, err := Open(path); err == nil {
			p.Close()
			t.Fatalf("opened with %d of %d bytes", n, len(whole))
		}
	}
	// Lengths that point out of the file.
	for _, at := range []int{0, 8} {
		broken := slices.Clone(whole)
		broken[len(whole)-trailerSize+at] = 0xff
		must(t, os.WriteFile(path, broken, 0o755))
		if _, err := Open(path); err == nil {
			t.Errorf("opened with a wrong length at %d", at)
		}
	}
}

func TestNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bare")
	must(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 1000), 0o755))
	if _, err := Open(path); !errors.Is(err, ErrNone) {
		t.Errorf("error %v", err)
	}
}

func TestCommandAndEnviron(t *testing.T) {
	h := Header{Loader: "ld.so", Runner: "runner", Library: "lib.so"}
	got := h.Command("/d", "-x")
	want := []string{"/d/ld.so", "--inhibit-cache", "--library-path", "/d", "--argv0", "runner", "/d/runner",
		"-ort", "/d/lib.so", "-x"}
	if !slices.Equal(got, want) {
		t.Errorf("command %q", got)
	}
	env := Environ([]string{"PATH=/bin", "LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/x", "LD_AUDIT=y",
		"GLIBC_TUNABLES=z", "LDX=kept"})
	if !slices.Equal(env, []string{"PATH=/bin", "LDX=kept"}) {
		t.Errorf("environment %q", env)
	}
}
