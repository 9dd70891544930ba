package quant

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// The same bytes on the other processor: its compiler may fuse a
// multiplication with an addition, which amd64's does not.
func TestEmissionOnArm64(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil || runtime.GOARCH == "arm64" {
		t.Skip("no qemu-aarch64-static (Debian: qemu-user-static), or this is arm64 already")
	}
	if testing.Short() {
		t.Skip("-short: it compiles these tests for arm64")
	}
	other := filepath.Join(t.TempDir(), "quant.test")
	build := exec.Command("go", "test", "-c", "-o", other, ".")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const tests = "^(TestEmissionIsPinned|TestTheHalfModelIsPinned|TestWhatDoesNotFitStays|" +
		"TestBatchNormalisationsAreFolded)$"
	out, err := exec.Command(qemu, other, "-test.run", tests, "-test.v").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("under qemu-aarch64:\n%s", out)
}
