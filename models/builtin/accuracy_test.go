package builtin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"chexp/experiments/stats"
	"chexp/models/infer"
	"chexp/models/infer/infertest"
	"chexp/models/onnx"
	"chexp/models/plates"
	"chexp/models/quant"
)

const moduleRoot = "../.."

// The models that chexp carries are what MODEL.md says of them. It tells of
// 2,000 pictures; the first 44 must not be far from that, and the INT8 models
// must answer nearly always what the float one does.
func TestBuiltinsAreAccurate(t *testing.T) {
	agent := infertest.Agent(t, moduleRoot)
	const n = 44
	float := answers(t, agent, "plates11-fp32", n)
	judge(t, "plates11-fp32", float, float)
	if right := right(float); right < 37 {
		t.Errorf("plates11-fp32: %d of %d right", right, n)
	}
	for _, name := range []string{"plates11-int8-static", "plates11-int8-dynamic"} {
		list := answers(t, agent, name, n)
		if slices.EqualFunc(list, float, slices.Equal[[]float32]) {
			t.Errorf("%s answers to the last bit what plates11-fp32 does: is it that?", name)
		}
		if same := judge(t, name, float, list); right(list) < 37 || same < n-3 {
			t.Errorf("%s: %d of %d right, %d as plates11-fp32", name, right(list), n, same)
		}
	}
}

// The ranges are those of the committed float model on the pictures that MODEL.md
// names, so the static model follows from the weights alone. The runtime's sums
// depend on the processor, and so may a range's last bits.
func TestTheRangesFollowFromTheWeights(t *testing.T) {
	agent := infertest.Agent(t, moduleRoot)
	m, err := plates11Prepared()
	if err != nil {
		t.Fatal(err)
	}
	const pictures = 6 * plates.Classes // six of each kind
	var samples []quant.Sample
	for id := range pictures {
		samples = append(samples, quant.Sample{input(t, plates.Calibration, id)})
	}
	c, err := quant.Calibrate(t.Context(), agent, m, staticOptions, samples)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]quant.Range
	if err := json.Unmarshal(plates11Ranges, &want); err != nil {
		t.Fatal(err)
	}
	got := c.Ranges(quant.MinMax)
	if len(got) != len(want) {
		t.Errorf("%d ranges, want %d", len(got), len(want))
	}
	exact := 0
	for name, w := range want {
		g := got[name]
		if g == w {
			exact++
		}
		off := max(math.Abs(float64(g.Low-w.Low)), math.Abs(float64(g.High-w.High)))
		if width := float64(w.High - w.Low); !(off <= 1e-4*width) {
			t.Errorf("%s: %v to %v, but the file says %v to %v", name, g.Low, g.High, w.Low, w.High)
		}
	}
	t.Logf("%d of %d ranges are the file's to the last bit", exact, len(want))
}

// arm64Pictures asks for what no other test has the time for: the agent's arm64
// runner and ONNX Runtime on an emulated Cortex-A76, on so many held-out
// pictures (make accuracy-arm64). Answers are kept in bin/accuracy, so that a
// run which is cut off, or asked for more pictures, goes on.
const arm64Pictures = "CHEXP_ARM64_PICTURES"

// arm64Float is on how many of them the float model runs there as well: it is
// three times slower, and answers what it answers on this machine.
const arm64Float = "CHEXP_ARM64_FLOAT"

// What MODEL.md says of INT8 on arm64: static INT8 loses less than a point.
func TestAccuracyOnArm64(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(arm64Pictures))
	if err != nil || n < 1 {
		t.Skipf("it takes minutes to hours: %s=N asks for N pictures (MODEL.md: 2000)", arm64Pictures)
	}
	float := min(n, plates.Classes)
	if s := os.Getenv(arm64Float); s != "" {
		if float, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", arm64Float, err)
		}
	}
	here := infertest.Agent(t, moduleRoot)
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("no qemu-aarch64-static (apt-get install qemu-user-static)")
	}
	library := arm64Library(t)
	trial := filepath.Join(moduleRoot, "bin", ".agent-arm64", "chexp-trial")
	// ONNX Runtime dies of an x86's /proc/cpuinfo, which qemu's user mode shows.
	there := infertest.Start(t, trial, "bwrap", "--dev-bind", "/", "/",
		"--ro-bind", filepath.Join(moduleRoot, "agent", "acl", "check", "cpuinfo-a76"), "/proc/cpuinfo",
		qemu, "-cpu", "cortex-a76", "-L", "/usr/aarch64-linux-gnu", trial, "-ort", library, "-infer")

	reference := keptAnswers(t, here, runtime.GOARCH, "plates11-fp32", n)
	judge(t, "plates11-fp32, here", reference, reference)
	judge(t, "plates11-int8-static, here", reference, keptAnswers(t, here, runtime.GOARCH, "plates11-int8-static", n))
	if got := keptAnswers(t, there, "cortex-a76", "plates11-fp32", float); judge(t, "plates11-fp32, Cortex-A76",
		reference, got) != len(got) {
		t.Error("the float model answers otherwise on arm64: the reference above is not the one there")
	}
	static := keptAnswers(t, there, "cortex-a76", "plates11-int8-static", n)
	judge(t, "plates11-int8-static, Cortex-A76", reference, static)
	if lost := right(reference[:n]) - right(static); 100*lost > n {
		t.Errorf("static INT8 loses %d of %d pictures on arm64: more than a point", lost, n)
	}
}

// arm64Library is the ONNX Runtime that the arm64 agent was built with.
func arm64Library(t *testing.T) string {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(moduleRoot, "bin", "chexp-agent-linux-arm64.json"))
	if err != nil {
		t.Skip("there is no agent for arm64: `make agents`:", err)
	}
	var agent struct{ Runtime struct{ Version string } }
	if err := json.Unmarshal(manifest, &agent); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache(t), "downloads", "onnxruntime-"+agent.Runtime.Version+"-linux-arm64",
		"libonnxruntime.so.1")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no ONNX Runtime for arm64 in the cache; `make agents` downloads it:", err)
	}
	return path
}

// cache is where the build keeps what it downloads.
func cache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("CHEXP_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no cache directory: ", err)
	}
	return filepath.Join(dir, "chexp")
}

// keptAnswers is answers, but for those that an earlier call has left in bin/.
func keptAnswers(t *testing.T, r infer.Runner, processor, name string, n int) [][]float32 {
	t.Helper()
	dir := filepath.Join(moduleRoot, "bin", "accuracy")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%x-%s.jsonl", name, sha256.Sum256(generate(t, name)), processor))
	kept, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	kept = kept[:bytes.LastIndexByte(kept, '\n')+1] // the last line may be cut off
	var list [][]float32
	for lines := bufio.NewScanner(bytes.NewReader(kept)); lines.Scan() && len(list) < n; {
		var row []float32
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil || len(row) != plates.Classes {
			t.Fatalf("%s, line %d: %v", path, len(list)+1, err)
		}
		list = append(list, row)
	}
	if len(list) == n {
		return list
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(len(kept))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	for row := range rows(t, r, name, len(list), n) {
		line, err := json.Marshal(row) // the shortest text that reads back as the same float32
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(append(line, '\n')); err != nil {
			t.Fatal(err)
		}
		list = append(list, row)
	}
	return list
}

// answers gives a model's outputs for the first n held-out pictures.
func answers(t *testing.T, r infer.Runner, name string, n int) [][]float32 {
	t.Helper()
	return slices.Collect(rows(t, r, name, 0, n))
}

// rows gives a model's outputs for the held-out pictures first, first+1 … end-1.
func rows(t *testing.T, r infer.Runner, name string, first, end int) iter.Seq[[]float32] {
	t.Helper()
	return func(yield func([]float32) bool) {
		s, err := r.Open(t.Context(), generate(t, name), infer.Options{Config: infer.Exact()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for id := first; id < end; id++ {
			out, _, err := s.Run(t.Context(), []*onnx.Tensor{input(t, plates.Evaluation, id)})
			if err != nil {
				t.Fatal(err)
			}
			row, err := out[0].Float32s()
			if err != nil {
				t.Fatal(err)
			}
			if !yield(row) {
				return
			}
		}
	}
}

// input is a drawn picture as the models want it.
func input(t *testing.T, set string, id int) *onnx.Tensor {
	t.Helper()
	const side = 224
	pixels, err := plates.Draw(set, id, side)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, len(pixels))
	plates.Input(values, pixels)
	return onnx.FloatTensor("input", []int64{1, 3, side, side}, values)
}

func argmax(row []float32) int { return slices.Index(row, slices.Max(row)) }

func right(list [][]float32) (n int) {
	for i, row := range list {
		if argmax(row) == plates.Label(i) {
			n++
		}
	}
	return n
}

// judge says how many of the answers are right, and how they differ from the
// reference's on the same pictures. It returns on how many both say the same.
func judge(t *testing.T, name string, reference, got [][]float32) (same int) {
	t.Helper()
	n, lost, won := len(got), 0, 0
	for i, row := range got {
		a, b, label := argmax(reference[i]), argmax(row), plates.Label(i)
		if a == b {
			same++
		}
		if a == label && b != label {
			lost++
		} else if a != label && b == label {
			won++
		}
	}
	hits := right(got)
	i := stats.Proportion(hits, n)
	t.Logf("%-36s %4d of %4d right, %.2f %% (%.2f to %.2f); same class as the reference %d; lost %d, won %d: loss %s "+
		"points",
		name, hits, n, 100*float64(hits)/float64(n), 100*i.Low, 100*i.High, same, lost, won, loss(lost, won, n))
	return same
}

// loss is the difference of two accuracies on the same pictures, with the exact
// 95 % interval given on how many of them just one of the two is right (as
// McNemar's test takes it): among those, which one it is is a coin of unknown
// bias. The last bound, 95 % as well, does without that condition: the most
// that may be lost less the least that may be won.
func loss(lost, won, n int) string {
	if lost+won == 0 {
		return "0"
	}
	points := 100 / float64(n)
	i := stats.Proportion(lost, lost+won)
	differing := points * float64(lost+won)
	most := 100 * (stats.Proportion(lost, n).High - stats.Proportion(won, n).Low)
	return fmt.Sprintf("%.2f (%.2f to %.2f; at most %.2f)", points*float64(lost-won), (2*i.Low-1)*differing,
		(2*i.High-1)*differing, most)
}
