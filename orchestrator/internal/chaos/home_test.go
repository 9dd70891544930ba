//go:build linux

package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// damages are what can happen to a file of a run's directory.
var damages = map[string]func(file string) error{}

func init() {
	for _, file := range []string{"plan.json", "experiment.yaml", "models.json", "journal.jsonl", "attempts/1.json",
		"events.jsonl", "origins.jsonl", ".lock", "results/tiny.cpu.t1.b1.r1.json", ".ballast"} {
		for how, do := range map[string]func(string) error{
			"gone":  os.RemoveAll,
			"half":  half,
			"zeros": func(f string) error { return overwrite(f, strings.Repeat("\x00", 300)) },
			"text":  func(f string) error { return overwrite(f, "{\"half\n[\x1b[31m") },
			"fifo":  func(f string) error { os.RemoveAll(f); return syscall.Mkfifo(f, 0o644) },
			"dir":   func(f string) error { os.RemoveAll(f); return os.Mkdir(f, 0o755) },
			"zero":  func(f string) error { os.RemoveAll(f); return os.Symlink("/dev/zero", f) },
			"link":  func(f string) error { os.RemoveAll(f); return os.Symlink("/etc/passwd", f) },
			"deaf":  func(f string) error { return os.Chmod(f, 0) },
		} {
			if file == "journal.jsonl" && how != "half" && how != "deaf" {
				continue // nothing can know then what there is to give back
			}
			damages[file+" "+how] = func(run string) error { return do(filepath.Join(run, file)) }
		}
	}
}

// half cuts a file in the middle of a line.
func half(file string) error {
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	n := st.Size() / 2
	if strings.HasSuffix(file, "journal.jsonl") { // its last line only: it was cut off while it was written
		n = st.Size() - 7
	}
	return os.Truncate(file, n)
}

func overwrite(file, text string) error {
	os.RemoveAll(file)
	return os.WriteFile(file, []byte(text), 0o644)
}

// harm damages the run, looks at it with every command that does, and wants each to
// end soon and in words.
func (s *session) harm(e ended) {
	s.general(e)
	runs := s.runs()
	if len(runs) != 1 {
		s.fail("there is no run to damage: %s", e.out)
		return
	}
	if err := damages[s.damage](runs[0]); err != nil && !os.IsNotExist(err) {
		s.fail("%v", err)
	}
	for _, args := range [][]string{{"results", "list"}, {"results", "show", "latest"}, {"results", "report", "latest"},
		{"results", "compare", runs[0]}} {
		look := s.execute(20*time.Second, nil, args...)
		if look.hung || panics.MatchString(look.out) || strings.Contains(look.out, "root:x:") {
			s.fail("HANG or worse: chexp %s: %.300s", strings.Join(args, " "), look.out)
		}
	}
}
