package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chexp/experiments/trial"
)

// emptyRoot is a root file system that holds the agent and a bundle, and nothing
// else: no libc, no shell, no /proc, /dev or /tmp.
func emptyRoot(t *testing.T, arch string, policy trial.Policy) *bundleDir {
	t.Helper()
	agent, err := os.ReadFile(agentFor(t, arch))
	must(t, err)
	b := newBundle(t, policy).add("tiny", tiny(), nil).seal()
	b.write(trial.AgentFile, agent)
	must(t, os.Chmod(filepath.Join(b.dir, trial.AgentFile), 0o755))
	return b
}

// checkAlone checks the results of a run in an empty root.
func checkAlone(t *testing.T, b *bundleDir, arch string) {
	t.Helper()
	res := b.result("tiny.cpu.t1.b1.r1")
	if res.Outcome != trial.OK || len(res.LatenciesNS) != 5 || res.Agent.Arch != arch || res.Runtime.Version == "" {
		t.Errorf("%s %v: %d latencies, agent %+v, runtime %+v", res.Outcome, res.Reasons,
			len(res.LatenciesNS), res.Agent, res.Runtime)
	}
	// What cannot be read there says so.
	for name, why := range map[string]string{"model": res.Device.Model.Unavailable,
		"memory": res.Device.MemoryBytes.Unavailable, "peak": res.PeakMemoryBytes.Unavailable} {
		if why == "" {
			t.Errorf("%s has a value where there is no /proc", name)
		}
	}
	if len(res.Blocks) == 0 || res.Blocks[0].Conditions == nil {
		t.Fatalf("blocks without conditions: %+v", res.Blocks)
	}
	c := res.Blocks[0].Conditions
	for name, why := range map[string]string{
		"roof": res.Device.Roof.Unavailable, "features": res.Device.Features.Unavailable,
		"quota":        res.Device.Quota.Unavailable,
		"outside load": c.Outside.Unavailable, "throttled": c.Throttled.Unavailable,
		"temperature": c.Temperature.Unavailable,
		"clock":       c.ClockHz.Unavailable, "probe": c.ProbeHz.Unavailable, "firmware": c.Firmware.Unavailable,
		"swapped": c.Swapped.Unavailable,
	} {
		if why == "" {
			t.Errorf("%s has a value where there is neither /proc nor /sys", name)
		}
	}
	unpacked, _ := filepath.Glob(filepath.Join(b.dir, "chexp-*", "libonnxruntime.so.1"))
	if len(unpacked) != 1 {
		t.Errorf("unpacked: %v", unpacked)
	}
}

func TestAloneInChroot(t *testing.T) {
	arch := runtime.GOARCH
	b := emptyRoot(t, arch, trial.Policy{MinRuns: 5})
	inChroot := func(args ...string) (int, string, string) {
		cmd := exec.Command("/"+trial.AgentFile, args...)
		cmd.Path = "/" + trial.AgentFile
		cmd.Dir = "/"
		cmd.Env = []string{"LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/nowhere", "GLIBC_TUNABLES=glibc.malloc.check=3"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: b.dir}
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		var out, errOut bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errOut
		if err := cmd.Start(); err != nil {
			t.Skip("no chroot here (needs root or user namespaces):", err)
		}
		cmd.Wait()
		return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
	}
	code, out, errOut := inChroot("version")
	if code != 0 || !strings.Contains(out, arch) {
		t.Fatalf("version: exit %d: %s%s", code, out, errOut)
	}
	if code, out, errOut := inChroot("start", "/"); code != 0 {
		t.Fatalf("start: exit %d: %s%s", code, out, errOut)
	}
	b.awaitPhase(trial.Finished)
	b.checkComplete()
	checkAlone(t, b, arch)
}

// qemuNamespace runs a command in user, mount and PID namespaces of its own,
// whose kernel executes arm64 programs through qemu. Nothing outside changes:
// binfmt_misc is per user namespace since Linux 6.7. The F flag opens the
// emulator at registration, so it need not be in the chroot. /proc/cpuinfo is a
// Raspberry Pi 5's: ONNX Runtime reads it when it is loaded, and from 1.28 on dies
// of an x86's, which qemu's user mode shows.
const qemuNamespace = `set -e
mount -t proc proc /proc
mount --bind "$CPUINFO" /proc/cpuinfo
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":qemu-aarch64:M::$magic:$mask:$QEMU:F" > /proc/sys/fs/binfmt_misc/register
exec "$@"`

func qemu(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if runtime.GOARCH == "arm64" {
		t.Skip("this machine is arm64: nothing to emulate")
	}
	static, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("no qemu-aarch64-static (apt-get install qemu-user-static):", err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command("unshare",
			append([]string{"--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
				qemuNamespace, "sh"}, args...)...)
		cmd.Env = append(os.Environ(), "QEMU="+static, "QEMU_CPU=cortex-a76", "CPUINFO=../../acl/check/cpuinfo-a76")
		return cmd
	}
	if out, err := command("true").CombinedOutput(); err != nil {
		t.Skipf("no namespace with binfmt_misc here (needs user namespaces and Linux 6.7): %v: %s", err, out)
	}
	return command(args...)
}

func TestAloneInChrootEmulated(t *testing.T) {
	b := emptyRoot(t, "arm64", trial.Policy{MinRuns: 5})
	if code, out, errOut := execute(t, qemu(t, "chroot", b.dir, "/"+trial.AgentFile, "run", "/")); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	checkAlone(t, b, "arm64")
}

// With /proc, the result says that the processor is emulated and by what.
func TestEmulationIsSaid(t *testing.T) {
	b := newBundle(t, trial.Policy{MinRuns: 5}).add("tiny", tiny(), nil).seal()
	agent := agentFor(t, "arm64")
	if code, out, errOut := execute(t, qemu(t, agent, "run", b.dir)); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	res := b.result("tiny.cpu.t1.b1.r1")
	if res.Outcome != trial.OK || !strings.Contains(res.Device.Emulated, "qemu-aarch64") {
		t.Errorf("%s %v, emulated %q", res.Outcome, res.Reasons, res.Device.Emulated)
	}
	// What was probed there would be the emulator's speed.
	for name, why := range map[string]string{"roof": res.Device.Roof.Unavailable,
		"probe": res.Blocks[0].Conditions.ProbeHz.Unavailable} {
		if !strings.HasPrefix(why, "emulated: ") {
			t.Errorf("%s is unavailable because %q", name, why)
		}
	}
	var manifest struct{ Runtime trial.Runtime }
	raw, err := os.ReadFile(agent + ".json")
	must(t, err)
	must(t, json.Unmarshal(raw, &manifest))
	slices.Sort(res.Runtime.Providers) // the library has its own order of priority
	if fmt.Sprint(manifest.Runtime.Version, manifest.Runtime.Providers) !=
		fmt.Sprint(res.Runtime.Version, res.Runtime.Providers) {
		t.Errorf("the manifest says %+v, the library %+v", manifest.Runtime, res.Runtime)
	}
}

// Nowhere to unpack: the run is dead and says why, and nothing is left.
func TestNowhereToUnpack(t *testing.T) {
	agent := agentFor(t, runtime.GOARCH)
	b := newBundle(t, trial.Policy{MinRuns: 1}).add("tiny", tiny(), nil).seal()
	bin := t.TempDir()
	content, err := os.ReadFile(agent)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(bin, "agent"), content, 0o755))
	// The agent's own directory becomes read-only, the working directory and
	// every other candidate noexec.
	script := `set -e
for d in /tmp /var/tmp /dev/shm /run; do
  test -d $d || continue
  case "$1" in
  $d/*) mount --bind $d $d; mount -o remount,bind,noexec $d ;;
  *) mount -t tmpfs -o noexec none $d ;;
  esac
done
mount --bind "$2" "$2"; mount -o remount,bind,ro,exec "$2"
cd "$1"; export CHEXP_AGENT_CACHE=/proc TMPDIR=/sys
exec "$2/agent" run "$1"`
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", b.dir, bin)
	if out, err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "true").
		CombinedOutput(); err != nil {
		t.Skipf("no user namespaces here: %v: %s", err, out)
	}
	code, out, errOut := execute(t, cmd)
	if code != exitUnexpected || !strings.Contains(errOut, "CHEXP_AGENT_CACHE") || !strings.Contains(errOut, "noexec") {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	if reply := b.ask("status"); reply.State.Phase != trial.Dead || !strings.Contains(reply.State.Text, "noexec") {
		t.Errorf("state %+v", reply.State)
	}
}
