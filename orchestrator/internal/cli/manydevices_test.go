package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

// BenchmarkManyDevices runs the real program on many boards of the emulator, and prints
// what that costs: the memory of chexp at its highest, and requests and streams (executes
// and archives) per device and minute. Real agents measure on 20 boards; on 200, agents
// are played by testdata/played-agent.sh. That is larger than what goes up in one piece,
// which is what pushing holds in memory.
func BenchmarkManyDevices(b *testing.B) {
	b.Run("20", func(b *testing.B) { startMany(b, 20, nil).whole(b) })
	b.Run("200-played", func(b *testing.B) { startMany(b, 200, played(b, 60)).whole(b) })
	b.Run("200-interrupted", func(b *testing.B) { startMany(b, 200, played(b, 7200)).interrupted(b) })
}

// played is a played agent for many devices.
func played(b *testing.B, seconds int) []byte {
	agent, err := playedAgent(seconds, 5<<20)
	if err != nil {
		b.Fatal(err)
	}
	return agent
}

// many is a run of chexp with many devices.
type many struct {
	n      int
	em     *emulator.Emulator
	counts *counting
	cmd    *exec.Cmd
	said   *bytes.Buffer
	runs   string
	began  time.Time
	ended  chan error
	peak   int // of memory, in KiB; once it has ended
}

// startMany starts a run on n boards. Where an agent is given, it takes the place of
// the real one beside the program.
func startMany(b *testing.B, n int, agent []byte) *many {
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		b.Fatal(err)
	}
	m := &many{n: n, counts: &counting{calls: map[string]int{}}, said: new(bytes.Buffer), runs: b.TempDir()}
	var boards []world.Device
	for i := range n {
		boards = append(boards, world.Device{Name: fmt.Sprintf("nyu-rpi5-%03d", i+1), UID: world.FixedUUID(fmt.Sprint(i)),
			MachineName: "raspberrypi5", DeviceName: "Raspberry Pi 5", Reservable: true, InBlazar: true})
	}
	m.em, err = emulator.Start(b.Context(), emulator.Options{Dir: b.TempDir(), Images: filepath.Join(bin, "images"),
		Arch: "amd64", Tick: time.Second, PullDelay: time.Second, Devices: boards,
		Containers: n, Log: slog.New(m.counts)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.em.Close() })
	if note := m.em.ArchNote(); strings.Contains(note, "no containers") {
		b.Skip(note + ": `make images`")
	}
	dir := b.TempDir()
	file := filepath.Join(dir, "many.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, manyDevices, n), 0o600); err != nil {
		b.Fatal(err)
	}
	if agent != nil {
		if err := programs(bin, dir, agent); err != nil {
			b.Fatal(err)
		}
		bin = dir
	}
	m.cmd = exec.Command(filepath.Join(bin, "chexp"), "--runs", m.runs, "run", "--no-try", file)
	m.cmd.Env = append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+m.em.CloudsFile(), "OS_CLOUD="+m.em.Cloud())
	m.cmd.Stderr = m.said
	m.began = time.Now()
	if err := m.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	m.ended = make(chan error, 1)
	go m.watch()
	return m
}

// watch waits for the program's end, and looks how much memory it has had meanwhile:
// what the kernel says of that afterwards starts from the memory of this test.
func (m *many) watch() {
	ended := make(chan error, 1)
	go func() { ended <- m.cmd.Wait() }()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			m.ended <- err
			return
		case <-look.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
			if _, line, ok := strings.Cut(string(status), "VmHWM:"); ok {
				fmt.Sscan(line, &m.peak)
			}
		}
	}
}

// whole waits for the run's end.
func (m *many) whole(b *testing.B) {
	if err := <-m.ended; err != nil {
		b.Fatalf("%v\n%s", err, m.said)
	}
	m.tell(b)
	if want := fmt.Sprintf("boards: %d whole", m.n); !strings.Contains(m.said.String(), want) {
		b.Errorf("not %q:\n%s", want, m.said)
	}
}

// interrupted is Ctrl-C when an agent measures on every board.
func (m *many) interrupted(b *testing.B) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for m.agents(b) < m.n {
		select {
		case err := <-m.ended:
			b.Fatalf("%v\n%s", err, m.said)
		case <-look.C:
		}
	}
	if err := m.cmd.Process.Signal(os.Interrupt); err != nil {
		b.Fatal(err)
	}
	at := time.Now()
	<-m.ended
	b.ReportMetric(time.Since(at).Seconds(), "s-to-give-back")
	m.tell(b)
	if code := m.cmd.ProcessState.ExitCode(); code != 130 {
		b.Errorf("exit %d:\n%s", code, m.said)
	}
}

// agents is how many have been started, as the run's journal says.
func (m *many) agents(b *testing.B) int {
	journals, err := filepath.Glob(filepath.Join(m.runs, "*", "journal.jsonl"))
	if err != nil || len(journals) == 0 {
		return 0
	}
	data, err := os.ReadFile(journals[0])
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Count(data, []byte(`"what":"agent"`))
}

// tell prints what the run has cost, and wants nothing left.
func (m *many) tell(b *testing.B) {
	minutes := time.Since(m.began).Minutes()
	m.counts.mu.Lock()
	calls := maps.Clone(m.counts.calls)
	m.counts.mu.Unlock()
	per := func(calls int) float64 { return float64(calls) / float64(m.n) / minutes }
	streams := calls["execute"] + calls["put_archive"] + calls["get_archive"]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(minutes, "min")
	b.ReportMetric(float64(m.peak)/1024, "MiB-peak")
	b.ReportMetric(per(calls["all"]), "requests/device/min")
	b.ReportMetric(per(calls["logs"]), "logs/device/min")
	b.ReportMetric(per(streams), "streams/device/min")
	b.ReportMetric(float64(streams)/float64(m.n), "streams/device")
	b.Logf("%d devices in %.1f min: %v", m.n, minutes, calls)
	if m.peak > 100<<10 {
		b.Errorf("a peak of %d MiB, 100 at most are to be", m.peak>>10)
	}
	if left := m.em.Leftovers(); !left.Empty() {
		b.Errorf("left on the cloud: %v", left)
	}
}

// playedAgent is an agent that says that it measures for so many seconds: its result is one
// that a real agent measured on an emulated board. So many bytes stand behind it.
func playedAgent(seconds, bytes int) ([]byte, error) {
	script, err := os.ReadFile("testdata/played-agent.sh")
	if err != nil {
		return nil, err
	}
	result, err := os.ReadFile("testdata/played-result.json")
	if err != nil {
		return nil, err
	}
	agent := strings.NewReplacer("SECONDS", fmt.Sprint(seconds), "RESULT", string(result)).Replace(string(script))
	rest := make([]byte, bytes)
	_, err = rand.NewChaCha8([32]byte{}).Read(rest)
	return append([]byte(agent), rest...), err
}

// programs makes a folder with chexp, and with this agent in the place of the real ones:
// chexp takes those that lie beside it.
func programs(from, to string, agent []byte) error {
	const amd64, arm64 = "chexp-agent-linux-amd64", "chexp-agent-linux-arm64" // arm64's is planned with
	for _, name := range []string{"chexp", amd64 + ".json", arm64 + ".json"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(os.WriteFile(filepath.Join(to, amd64), agent, 0o755),
		os.WriteFile(filepath.Join(to, arm64), agent, 0o755))
}

const manyDevices = `apiVersion: chexp/v1
name: many
site: CHI@Edge
lease: {machine_name: raspberrypi5, devices: %d, duration: 4h}
container: {image: "debian:bookworm-slim"}
models: [{name: tiny, builtin: tiny-cnn}]
trials: {warmup: 2, min_runs: 20, min_time: 100ms, max_time: 5s, timeout: 300s}
`
