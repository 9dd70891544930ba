package payload

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tools are the paths of the files that a runner is started with.
type Tools struct {
	Loader, Runner, Library string
	Dirs                    []string // where libraries are looked for, and nowhere else
}

// Tools of a payload unpacked into dir.
func (h Header) Tools(dir string) Tools {
	t := Tools{Loader: filepath.Join(dir, h.Loader), Library: filepath.Join(dir, h.Library), Dirs: []string{dir}}
	if h.Runner != "" {
		t.Runner = filepath.Join(dir, h.Runner)
	}
	return t
}

// Command is the argument vector that starts the runner: the carried loader runs
// it with the carried libraries only. --inhibit-cache keeps the loader from the
// image's /etc/ld.so.cache. /proc/self/exe is then the loader, so the runner must
// be told where the library is.
func (t Tools) Command(args ...string) []string {
	return append([]string{
		t.Loader, "--inhibit-cache", "--library-path", strings.Join(t.Dirs, ":"), "--argv0",
		filepath.Base(t.Runner), t.Runner,
		"-ort", t.Library,
	}, args...)
}

// Command starts the runner of a payload unpacked into dir with its own library.
func (h Header) Command(dir string, args ...string) []string { return h.Tools(dir).Command(args...) }

// Environ drops the variables that would make the carried loader load libraries of
// the image or change its behaviour.
func Environ(env []string) []string {
	var kept []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, "LD_") && !strings.HasPrefix(kv, "GLIBC_TUNABLES=") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// Self is the path of the running agent. Without /proc the kernel does not tell
// it, and Self goes by the name that the agent was called by.
func Self() (string, error) {
	if path, err := os.Executable(); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}
