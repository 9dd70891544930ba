//go:build linux

package sandbox

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// images is where `make images` puts them.
func images(t *testing.T, arch string) string {
	t.Helper()
	dir, err := filepath.Abs("../../../../bin/images")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "debian-"+arch+".tar")); err != nil {
		t.Skipf("no image for %s: run make images", arch)
	}
	return dir
}

func newHost(t *testing.T, arch string) *Host {
	t.Helper()
	h, err := NewHost(t.TempDir(), images(t, arch), arch, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skipf("this machine cannot run %s containers: %v", arch, err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

func pi5() world.Board {
	d := world.Device{MachineName: "raspberrypi5"}
	b, _ := d.Board()
	return b
}

// run executes a command to its end.
func run(t *testing.T, c *Container, argv ...string) (string, int) {
	t.Helper()
	p, err := c.Exec(argv, false, true)
	if err != nil {
		t.Fatalf("exec %q: %v", argv, err)
	}
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		t.Fatalf("exec %q did not end", argv)
	}
	code, _ := p.Result()
	return string(p.Output()), code
}

func forEachArch(t *testing.T, f func(t *testing.T, h *Host)) {
	for _, arch := range []string{"arm64", "amd64"} {
		t.Run(arch, func(t *testing.T) { f(t, newHost(t, arch)) })
	}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	forEachArch(t, func(t *testing.T, h *Host) {
		spec := Spec{Name: "box", Command: []string{"sleep", "infinity"}, Env: map[string]string{"GREETING": "hello"},
			Dir: "/srv/dir", Files: map[string][]byte{"/etc/given": []byte("given\n")}}
		if h.Arch() == "arm64" {
			spec.Board = pi5()
		}
		c, err := h.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		machine := map[string]string{"arm64": "aarch64\n", "amd64": "x86_64\n"}[h.Arch()]
		for _, tt := range []struct {
			argv []string
			want string
			code int
		}{
			{[]string{"uname", "-m"}, machine, 0},
			{[]string{"sh", "-c", "pwd; echo $GREETING; id -u; cat /etc/given; exit 7"},
				"/srv/dir\nhello\n0\ngiven\n", 7},
			{[]string{"sh", "-c", "echo out; echo err >&2; echo out2"}, "out\nerr\nout2\n", 0},
			{[]string{"sh", "-c", "kill -9 $$"}, "", 137},
			{[]string{"cat", "/proc/1/comm"}, "sleep\n", 0},
			{[]string{"sh", "-c", "exec 2>&1; (echo x >/etc/given) 2>/dev/null || echo read-only"}, "read-only\n", 0},
		} {
			if tt.argv[0] == "cat" && h.Arch() == "arm64" {
				continue // the emulator's own name shows there
			}
			if got, code := run(t, c, tt.argv...); got != tt.want || code != tt.code {
				t.Errorf("%q: %q, exit %d; want %q, exit %d", tt.argv, got, code, tt.want, tt.code)
			}
		}
		p, err := c.Exec([]string{"/no/such/program"}, false, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, found := p.Result(); found {
			t.Errorf("a program that does not exist was found; output %q", p.Output())
		}
		if h.Arch() == "arm64" {
			out, _ := run(t, c, "sh", "-c", "grep -c 'CPU part.*0xd0b' /proc/cpuinfo; cat "+
				"/sys/firmware/devicetree/base/model")
			if out != "4\nRaspberry Pi 5 Model B (chexp emulator)\x00" {
				t.Errorf("the board shows as %q", out)
			}
		}
		if err := c.Remove(); err != nil {
			t.Errorf("Remove: %v", err)
		}
		if left, _ := os.ReadDir(filepath.Join(h.dir, "containers")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if _, err := c.Exec([]string{"true"}, false, true); err == nil {
			t.Error("Exec in a removed container worked")
		}
	})
}

func TestContainersDoNotShareFiles(t *testing.T) {
	t.Parallel()
	h := newHost(t, "amd64")
	a := mustStart(t, h, "sleep", "infinity")
	b := mustStart(t, h, "sleep", "infinity")
	run(t, a, "sh", "-c", "echo mine >/root/x; rm -rf /usr/bin/id")
	if out, code := run(t, b, "sh", "-c", "cat /root/x"); code == 0 {
		t.Errorf("b sees a's file: %q", out)
	}
	if _, code := run(t, b, "id"); code != 0 {
		t.Error("a removed a program of b")
	}
}

func mustStart(t *testing.T, h *Host, argv ...string) *Container {
	t.Helper()
	c, err := h.Start(Spec{Name: "box", Command: argv, Address: "192.168.64.9"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMainProcessEnds(t *testing.T) {
	t.Parallel()
	h := newHost(t, "amd64")
	c := mustStart(t, h, "sh", "-c", "echo bye; exit 3")
	select {
	case <-c.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the end of the main process was not noticed")
	}
	if c.ExitCode() != 3 || c.Logs() != "bye\n" {
		t.Errorf("exit %d, logs %q", c.ExitCode(), c.Logs())
	}
}

func TestBackgroundProcessSurvivesItsExec(t *testing.T) {
	t.Parallel()
	h := newHost(t, "amd64")
	c := mustStart(t, h, "sleep", "infinity")
	out, code := run(t, c, "sh", "-c", "setsid nohup sh -c 'while ! test -e /go; do sleep 0.05; done; echo done "+
		">/result' >/dev/null 2>&1 </dev/null & echo started")
	if out != "started\n" || code != 0 {
		t.Fatalf("%q, exit %d", out, code)
	}
	run(t, c, "touch", "/go")
	deadline := time.Now().Add(20 * time.Second)
	for {
		if out, _ := run(t, c, "cat", "/result"); out == "done\n" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the background process did not go on")
		}
	}
}

// TestExecWaitsForInheritedOutput: like the real exec, it does not end while a
// background child still holds its output.
func TestExecWaitsForInheritedOutput(t *testing.T) {
	t.Parallel()
	h := newHost(t, "amd64")
	c := mustStart(t, h, "sleep", "infinity")
	p, err := c.Exec([]string{"sh", "-c", "(while ! test -e /go; do sleep 0.05; done; echo late) & echo early"},
		false, true)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); string(p.Output()) != "early\n"; {
		if time.Now().After(deadline) {
			t.Fatalf("output %q", p.Output())
		}
		time.Sleep(20 * time.Millisecond)
	}
	select {
	case <-p.Done():
		t.Fatal("the exec ended while its output was held")
	default:
	}
	run(t, c, "touch", "/go")
	if code, _ := p.Result(); code != 0 || string(p.Output()) != "early\nlate\n" {
		t.Errorf("exit %d, output %q", code, p.Output())
	}
}

func TestKillingTheContainerKillsEverything(t *testing.T) {
	t.Parallel()
	h := newHost(t, "amd64")
	c := mustStart(t, h, "sleep", "infinity")
	p, err := c.Exec([]string{"sh", "-c", "echo up; exec sleep 1000"}, false, true)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); string(p.Output()) != "up\n"; {
		if time.Now().After(deadline) {
			t.Fatal("the exec did not start")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the exec outlived its container")
	}
	if code, _ := p.Result(); code != 137 {
		t.Errorf("exit %d, want 137", code)
	}
}

func TestSSHServerIsReachable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("reaching into a container's network needs root")
	}
	forEachArch(t, func(t *testing.T, h *Host) {
		c, err := h.Start(Spec{Name: "box", Command: []string{"/usr/sbin/sshd", "-D", "-e"}, Address: "192.168.64.9",
			HostKeys: true})
		if err != nil {
			t.Fatal(err)
		}
		var banner [8]byte
		deadline := time.Now().Add(60 * time.Second)
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			err := func() error {
				conn, err := c.Dial(ctx, 22)
				if err != nil {
					return err
				}
				defer conn.Close()
				conn.SetReadDeadline(time.Now().Add(20 * time.Second))
				_, err = io.ReadFull(conn, banner[:])
				return err
			}()
			cancel()
			if err == nil {
				break
			}
			select {
			case <-c.Done():
				deadline = time.Time{}
			default:
			}
			if time.Now().After(deadline) {
				t.Fatalf("no answer on port 22: %v; logs: %s", err, c.Logs())
			}
			time.Sleep(50 * time.Millisecond)
		}
		if string(banner[:]) != "SSH-2.0-" {
			t.Errorf("banner %q", banner)
		}
	})
}

func TestMissingImageIsExplained(t *testing.T) {
	t.Parallel()
	_, err := NewHost(t.TempDir(), t.TempDir(), "", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "debian-arm64.tar") {
		t.Errorf("error %v; want one that names the missing image", err)
	}
}

// TestNoteSaysWhyNotARM64: without an arm64 image the boards have this machine's
// architecture, and the note says why.
func TestNoteSaysWhyNotARM64(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH == "arm64" {
		t.Skip("this machine is arm64 itself")
	}
	from, only := images(t, runtime.GOARCH), t.TempDir()
	name := "debian-" + runtime.GOARCH + ".tar"
	if err := os.Symlink(filepath.Join(from, name), filepath.Join(only, name)); err != nil {
		t.Fatal(err)
	}
	h, err := NewHost(t.TempDir(), only, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skipf("this machine cannot run containers: %v", err)
	}
	defer h.Close()
	if h.Arch() != runtime.GOARCH || !strings.Contains(h.Note(), "debian-arm64.tar") {
		t.Errorf("arch %s, note %q", h.Arch(), h.Note())
	}
}
