package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where Debian's package cannot be had, agent/acl/build.sh says why in one
// sentence and ends with the status by which agent/build.sh goes on without the
// plugin; it keeps nothing of what it got.
func TestACLPluginIsLeftOutWithASentence(t *testing.T) {
	compiler, err := exec.LookPath("aarch64-linux-gnu-g++")
	if err != nil {
		if compiler, err = exec.LookPath("g++"); err != nil {
			t.Skip("no C++ compiler; run: apt-get install -y g++-aarch64-linux-gnu")
		}
	}
	if _, err := os.Stat("/usr/lib/apt/apt-helper"); err != nil {
		t.Skip("no apt: agent/acl/build.sh would say that instead")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed := "http://" + l.Addr().String()
	must(t, l.Close())
	mirror := func(answer http.HandlerFunc) string {
		s := httptest.NewServer(answer)
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, c := range map[string]struct{ mirror, says string }{
		"offline": {closed, "build again when it can be reached"},
		// What a point release of Debian does to the version that is pinned.
		"superseded": {mirror(http.NotFound),
			"Debian has replaced it. The new version and its SHA-256 belong into agent/acl/build.sh"},
		//nolint:errcheck // the script's to notice
		"other bytes": {mirror(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("not the package")) }),
			"is not what agent/acl/build.sh pins"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache, out := t.TempDir(), t.TempDir()
			cmd := exec.Command("../../acl/build.sh", out)
			cmd.Env = append(os.Environ(), "CXX="+compiler, "CHEXP_CACHE="+cache, "DEBIAN_MIRROR="+c.mirror+"/debian",
				"http_proxy=", "HTTP_PROXY=", "APT_CONFIG=")
			var said bytes.Buffer
			cmd.Stderr = &said
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 3 {
				t.Errorf("%v, not status 3", err)
			}
			lines := strings.Split(strings.TrimSpace(said.String()), "\n")
			last := lines[len(lines)-1]
			if len(lines) > 2 || !strings.HasPrefix(last, "agent/acl/build.sh: ") || !strings.Contains(last, c.says) ||
				!strings.Contains(last, c.mirror) {
				t.Errorf("it says\n%s\nnot one sentence with %q and the mirror", &said, c.says)
			}
			left, err := os.ReadDir(filepath.Join(cache, "downloads"))
			must(t, err)
			made, err := os.ReadDir(out)
			must(t, err)
			if len(left)+len(made) > 0 {
				t.Errorf("left behind: %v %v", left, made)
			}
		})
	}
}
