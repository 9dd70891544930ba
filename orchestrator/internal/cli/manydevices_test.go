package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator"
	"chexp/orchestrator/internal/emulator/world"
)

// counting counts an emulator's requests by what its log says of each.
type counting struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counting) Enabled(context.Context, slog.Level) bool { return true }
func (c *counting) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *counting) WithGroup(string) slog.Handler            { return c }

func (c *counting) Handle(_ context.Context, r slog.Record) error {
	path := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "path" {
			path = a.Value.String()
		}
		return true
	})
	if path == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls["all"]++
	for _, verb := range []string{"execute", "put_archive", "get_archive", "logs"} {
		if strings.HasSuffix(path, "/"+verb) {
			c.calls[verb]++
		}
	}
	return nil
}

// BenchmarkManyDevices runs the real program with real agents on 20 boards of the
// emulator, and prints what it costs: the memory of chexp at its highest, and requests
// and executes per device and minute.
func BenchmarkManyDevices(b *testing.B) {
	const n = 20
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		b.Fatal(err)
	}
	counts := &counting{calls: map[string]int{}}
	var boards []world.Device
	for i := range n {
		boards = append(boards, world.Device{Name: fmt.Sprintf("nyu-rpi5-%02d", i+1), UID: world.FixedUUID(fmt.Sprint(i)),
			MachineName: "raspberrypi5", DeviceName: "Raspberry Pi 5", Reservable: true, InBlazar: true})
	}
	em, err := emulator.Start(b.Context(), emulator.Options{Dir: b.TempDir(), Images: filepath.Join(bin, "images"),
		Arch: "amd64", Tick: time.Second, PullDelay: time.Second, Devices: boards, Log: slog.New(counts)})
	if err != nil {
		b.Fatal(err)
	}
	defer em.Close()
	if note := em.ArchNote(); strings.Contains(note, "no containers") {
		b.Skip(note + ": `make images`")
	}
	dir := b.TempDir()
	file := filepath.Join(dir, "many.yaml")
	text := fmt.Sprintf(manyDevices, n)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "chexp"), "--runs", filepath.Join(dir, "runs"), "run", file)
	cmd.Env = append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+em.CloudsFile(), "OS_CLOUD="+em.Cloud())
	var said bytes.Buffer
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v\n%s", err, said.String())
	}
	minutes := time.Since(began).Minutes()
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	per := func(calls int) float64 { return float64(calls) / n / minutes }
	streams := counts.calls["execute"] + counts.calls["put_archive"] + counts.calls["get_archive"]
	b.ReportMetric(float64(usage.Maxrss)/1024, "MiB-peak")
	b.ReportMetric(per(counts.calls["all"]), "requests/device/min")
	b.ReportMetric(per(counts.calls["logs"]), "logs/device/min")
	b.ReportMetric(per(streams), "streams/device/min")
	b.ReportMetric(float64(streams)/n, "streams/device")
	b.Logf("%d devices in %.1f min: %v", n, minutes, counts.calls)
	if left := em.Leftovers(); !left.Empty() {
		b.Errorf("left on the cloud: %v", left)
	}
}

const manyDevices = `apiVersion: chexp/v1
name: many
site: CHI@Edge
lease: {machine_name: raspberrypi5, devices: %d, duration: 60m}
container: {image: "debian:bookworm-slim"}
models: [{name: tiny, builtin: tiny-cnn}]
trials: {warmup: 2, min_runs: 20, min_time: 100ms, max_time: 5s, timeout: 300s}
`
