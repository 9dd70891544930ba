package payload

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Command is the argument vector that starts the runner out of an unpacked
// directory: the carried loader runs it with the carried libraries only.
// --inhibit-cache keeps the loader from the image's /etc/ld.so.cache.
func (h Header) Command(dir string, args ...string) []string {
	in := func(name string) string { return filepath.Join(dir, name) }
	return append([]string{
		in(h.Loader), "--inhibit-cache", "--library-path", dir, "--argv0", h.Runner, in(h.Runner),
		// Its own executable is the loader, so it must be told where the library is.
		"-ort", in(h.Library),
	}, args...)
}

// Environ drops what would make the carried loader load or tune anything of the
// surroundings.
func Environ(env []string) []string {
	var kept []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, "LD_") && !strings.HasPrefix(kv, "GLIBC_TUNABLES=") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// Self is the path of the running agent. Without /proc the kernel does not tell,
// and the name it was called by must do.
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
