package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
)

// maxBenchLines bounds the lines of one trial in the benchmark format.
// benchstat compares any two samples of this size in no time; of a longer
// trial evenly spaced inferences are written, and a comment says so.
const maxBenchLines = 1000

// Bench writes the latencies in the Go benchmark format, so that the real
// benchstat can compare two runs: one line per inference,
//
//	BenchmarkInference/model=m/provider=cpu/threads=4/batch=1-4  1  7523000 ns/op
//
// and one line per trial for what a session costs. Repetitions of a trial have
// the same name: they are one sample to benchstat. As in Go's own output the
// number after the last dash is how many threads ran.
//
// INVALID trials are marked: /validity=INVALID stands in their names, so that no sample
// mixes them with others. Trials without a latency of their own are comments. The
// configuration lines hold what makes two files incomparable and nothing else, because
// benchstat by default splits its tables on every one of them; run and device are comments.
func Bench(w io.Writer, t *findings.Table) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# chexp run %s, experiment %s, device %s\n", benchWord(t.Run.ID), benchWord(t.Run.Experiment),
		benchWord(t.Run.Device.Name))
	for _, c := range t.Caveats {
		fmt.Fprintf(b, "# %s\n", c)
	}
	b.WriteString("\nUnit model-B assume=exact\n")
	last := ""
	for _, r := range t.Rows {
		if !Exported(r) {
			fmt.Fprintf(b, "# left out: %s (%s)\n", r.ID, content.Validity(r).Full())
			continue
		}
		if c := benchConfig(r); c != last {
			fmt.Fprintf(b, "\n%s\n", c)
			last = c
		}
		benchRow(b, r)
	}
	return b.Flush()
}

func benchConfig(r *findings.Row) string {
	lines := []string{"goos: " + benchWord(r.Agent.OS), "goarch: " + benchWord(r.Agent.Arch), "pkg: chexp/inference"}
	if v, ok := r.Device.CPU.Get(); ok {
		lines = append(lines, "cpu: "+words.Line(v, 64))
	}
	emulated := "cannot be told"
	if by := r.Device.EmulatedBy(); by != "" {
		emulated = benchWord(by)
	} else if r.Device.OnProcessor() {
		emulated = "no"
	}
	lines = append(lines, "emulated: "+emulated)
	return strings.Join(lines, "\n")
}

func benchRow(b *bufio.Writer, r *findings.Row) {
	mark := words.When(r.Invalid(), "/validity=INVALID")
	name := fmt.Sprintf("model=%s/provider=%s/threads=%d/batch=%d%s-%d", benchWord(r.Model), benchWord(r.Provider),
		r.Threads, r.Batch, mark, r.Threads)
	n := len(r.Result.LatenciesNS)
	spaced := Spaced(r.Result.LatenciesNS, maxBenchLines)
	if len(spaced) < n {
		fmt.Fprintf(b, "# %s: %d of %d inferences, evenly spaced\n", r.ID, len(spaced), n)
	}
	for _, ns := range spaced {
		fmt.Fprintf(b, "BenchmarkInference/%s 1 %d ns/op\n", name, ns)
	}
	fmt.Fprintf(b, "BenchmarkSession/%s 1", name)
	for _, v := range []struct {
		unit  string
		value trial.Reading[float64]
	}{{"create-ns", r.SessionCreate}, {"first-inference-ns", r.FirstInference}, {"peak-memory-B", r.PeakMemory}} {
		if x, ok := v.value.Get(); ok {
			fmt.Fprintf(b, " %.0f %s", x, v.unit)
		}
	}
	fmt.Fprintf(b, " %d model-B\n", r.Bytes)
}

// benchWord replaces what would end a name or a configuration value.
func benchWord(s string) string {
	if s == "" {
		return "unknown"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_.-", r):
			return r
		}
		return '_'
	}, words.Line(s, 64))
}
