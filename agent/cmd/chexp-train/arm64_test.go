//go:build cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"chexp/experiments/stats"
	"chexp/models/builtin"
	"chexp/models/infer"
	"chexp/models/onnx"
	"chexp/models/plates"
)

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
	here := start(t, filepath.Join("..", "..", "..", "bin", "chexp-agent-linux-amd64"), "infer")
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("no qemu-aarch64-static (apt-get install qemu-user-static)")
	}
	found, _ := filepath.Glob(filepath.Join(cache(t), "downloads", "onnxruntime-*-linux-arm64", "libonnxruntime.so.1"))
	if len(found) == 0 {
		t.Skip("no ONNX Runtime for arm64 in the cache; `make agents` downloads it")
	}
	there := start(t, qemu, "-cpu", "cortex-a76", "-L", "/usr/aarch64-linux-gnu",
		filepath.Join("..", "..", "..", "bin", ".agent-arm64", "chexp-trial"), "-ort", found[len(found)-1], "-infer")

	reference := answers(t, here, "x86-64", "plates11-fp32", n)
	judge(t, "plates11-fp32, x86-64 exact", reference, reference)
	judge(t, "plates11-int8-static, x86-64 exact", reference, answers(t, here, "x86-64", "plates11-int8-static", n))
	if got := answers(t, there, "cortex-a76", "plates11-fp32", float); judge(t, "plates11-fp32, Cortex-A76", reference, got) != len(got) {
		t.Error("the float model answers otherwise on arm64: the reference above is not the one there")
	}
	static := answers(t, there, "cortex-a76", "plates11-int8-static", n)
	judge(t, "plates11-int8-static, Cortex-A76", reference, static)
	if lost := right(reference[:n]) - right(static); 100*lost > n {
		t.Errorf("static INT8 loses %d of %d pictures on arm64: more than a point", lost, n)
	}
}

func start(t *testing.T, command ...string) *infer.Process {
	t.Helper()
	p, err := infer.Start(command...)
	if err != nil {
		t.Skip("`make agents` makes what this needs:", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// answers gives a model's outputs for the first n held-out pictures, from the
// file that keeps them and then from the runner.
func answers(t *testing.T, r infer.Runner, processor, name string, n int) (list [][]float32) {
	t.Helper()
	model, err := builtin.Generate(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "..", "bin", "accuracy")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%x-%s.jsonl", name, sha256.Sum256(model), processor))
	kept, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	kept = kept[:bytes.LastIndexByte(kept, '\n')+1] // the last line may be cut off
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
	if _, err := f.Seek(0, 2); err != nil {
		t.Fatal(err)
	}
	s, err := r.Open(context.Background(), model, infer.Options{Config: infer.Exact()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for len(list) < n {
		row := answer(t, s, len(list))
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

func answer(t *testing.T, s infer.Session, picture int) []float32 {
	t.Helper()
	const side = 224
	pixels, err := plates.Draw(plates.Evaluation, picture, side)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, len(pixels))
	plates.Input(values, pixels)
	out, _, err := s.Run(context.Background(), []*onnx.Tensor{onnx.FloatTensor("input", []int64{1, 3, side, side}, values)})
	if err != nil {
		t.Fatal(err)
	}
	row, err := out[0].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return row
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
	t.Logf("%-36s %4d of %4d right, %.2f %% (%.2f to %.2f); same class as the reference %d; lost %d, won %d: loss %s points",
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
	return fmt.Sprintf("%.2f (%.2f to %.2f; at most %.2f)", points*float64(lost-won), (2*i.Low-1)*differing, (2*i.High-1)*differing, most)
}
