package cli

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chexp/experiments/compare/simulated"
)

// damageOf is what may lie where a file of a run belongs.
var damageOf = map[string]func(file, secret string) error{
	"empty": func(f, _ string) error { return os.WriteFile(f, nil, 0o644) },
	"truncated": func(f, _ string) error {
		st, err := os.Stat(f)
		return firstOf(err, func() error { return os.Truncate(f, st.Size()/2) })
	},
	"garbage":   func(f, _ string) error { return os.WriteFile(f, []byte("{\"half\n[\x1b[31m\x00\xff"), 0o644) },
	"directory": func(f, _ string) error { return os.MkdirAll(filepath.Join(f, "in"), 0o755) },
	"fifo":      func(f, _ string) error { return syscall.Mkfifo(f, 0o644) },
	"zero":      func(f, _ string) error { return os.Symlink("/dev/zero", f) },
	"secret":    func(f, secret string) error { return os.Symlink(secret, f) },
	"locked":    func(f, _ string) error { return os.WriteFile(f, []byte("{}"), 0) },
	"huge": func(f, _ string) error {
		return firstOf(os.WriteFile(f, []byte("{"), 0o644), func() error { return os.Truncate(f, 300<<20) })
	},
}

func firstOf(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// Whatever lies in a run's directory in place of whatever file: every command that
// reads there ends soon, with a sentence and a code that says what it is about, prints
// nothing of foreign files, and takes no more memory than it bounds.
func TestHostileRunDirectory(t *testing.T) {
	base := t.TempDir()
	secret := filepath.Join(base, "secret")
	if err := os.WriteFile(secret, []byte("s3cret: hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHEXP_CACHE", filepath.Join(base, "cache"))
	t.Setenv("OS_CLIENT_CONFIG_FILE", filepath.Join(base, "none.yaml"))
	t.Setenv("OS_CLOUD", "nowhere")
	t.Setenv("TMPDIR", base)
	made, err := simulated.Quiet(1, 1, 1).All()[0].Write(filepath.Join(base, "made"))
	if err != nil {
		t.Fatal(err)
	}
	const id = "20260101t000000z-odd-abcd"
	journal := `{"time":"2026-01-01T00:00:00Z","kind":"ended","phase":"plan","name":"` + id +
		`","text":"CHI@Edge"}` + "\n" +
		`{"time":"2026-01-01T00:00:01Z","kind":"intent","what":"lease","name":"` + id + `","data":{}}` + "\n"
	results, err := filepath.Glob(filepath.Join(made, "results", "*.json"))
	if err != nil || len(results) == 0 {
		t.Fatalf("a simulated run has no results: %v", err)
	}
	result := filepath.Join("results", filepath.Base(results[0]))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	names := []string{"journal.jsonl", "plan.json", "experiment.yaml", "models.json", "attempts/1.json", "events.jsonl",
		"origins.jsonl", "REHEARSAL", ".lock", result, "results/SHA256SUMS", "partial"}
	turn := 0
	for _, kind := range slices.Sorted(maps.Keys(damageOf)) {
		for n, name := range names {
			runs := filepath.Join(base, "runs")
			dir := filepath.Join(runs, id)
			file := filepath.Join(dir, name)
			commands := [][]string{{"results", "list"}, {"results", "show", id}, {"results", "report", id},
				{"results", "fetch", id}, {"results", "compare", dir}, {"run", "--resume", id}, {"gc", "--here"},
				{"experiment", "check", filepath.Join(dir, "experiment.yaml")}, {"lease", "list"}}
			if kind != "huge" { // who asks for a look into a large file waits for it
				commands = append(commands, []string{"model", "inspect", file})
			}
			if os.Getenv("CHEXP_TEST_ALL") == "" { // all of them take minutes: one each, another for each file
				turn++
				commands = commands[(n+turn)%len(commands):][:1]
			}
			os.RemoveAll(runs)
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "journal.jsonl"), []byte(journal), 0o644); err != nil {
				t.Fatal(err)
			}
			if kind != "truncated" {
				os.RemoveAll(file)
			}
			os.MkdirAll(filepath.Dir(file), 0o755)
			if err := damageOf[kind](file, secret); err != nil && !os.IsNotExist(err) && !os.IsExist(err) {
				t.Fatalf("%s %s: %v", name, kind, err)
			}
			for _, args := range commands {
				if name == "REHEARSAL" && args[0] == "run" {
					continue // it would start an emulator
				}
				t.Run(name+" "+kind+" "+strings.Join(args[:min(2, len(args))], " "), func(t *testing.T) {
					survives(t, append([]string{"chexp", "--runs", runs}, args...))
				})
			}
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 700<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}

// survives runs one command, and judges how it ends.
func survives(t *testing.T, args []string) {
	t.Helper()
	var said bytes.Buffer
	code := make(chan int, 1)
	go func() { code <- Main("test", args, strings.NewReader(""), &said, &said) }()
	select {
	case got := <-code:
		text := said.String()
		if got == 1 || got != 0 && !strings.Contains(text, "chexp: ") {
			t.Errorf("%q: exit code %d: %.500s", args, got, text)
		}
		if strings.Contains(text, "hunter2") || strings.ContainsAny(text, "\x1b\x00") {
			t.Errorf("%q: it prints a foreign file: %.500q", args, text)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%q hangs", args)
	}
}
