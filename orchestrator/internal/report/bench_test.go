package report

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"chexp/orchestrator/internal/report/findings"

	"golang.org/x/perf/benchfmt"
)

// readBench reads what Bench wrote with the reader that benchstat uses. A line
// that this reader does not understand is an error.
func readBench(t *testing.T, table *findings.Table) (values map[string][]float64, config map[string]string) {
	t.Helper()
	var out bytes.Buffer
	if err := Bench(&out, table); err != nil {
		t.Fatal(err)
	}
	values, config = map[string][]float64{}, map[string]string{}
	r := benchfmt.NewReader(&out, "bench.txt")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Errorf("benchfmt: %v", rec)
		case *benchfmt.Result:
			for _, c := range rec.Config {
				config[c.Key] = string(c.Value)
			}
			for _, v := range rec.Values {
				key := fmt.Sprintf("%s %s", rec.Name, v.Unit)
				values[key] = append(values[key], v.Value)
			}
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return values, config
}

func TestBench(t *testing.T) {
	in := tutorial()
	values, config := readBench(t, findings.Build(in.Input))
	got := values["Inference/model=food-int8-static/provider=cpu/threads=4/batch=1-4 sec/op"]
	var want []float64
	for _, r := range in.Results { // two repetitions, 900 each: below the bound
		if r.Model.Name == "food-int8-static" && r.Provider.Name == "cpu" {
			for _, ns := range r.LatenciesNS {
				want = append(want, float64(ns)*1e-9)
			}
		}
	}
	near := func(a, b float64) bool { return a-b < 1e-12 && b-a < 1e-12 }
	if len(want) != 1800 || !slices.EqualFunc(got, want, near) {
		t.Errorf("benchfmt reads %d inferences, want the %d of the results, in order", len(got), len(want))
	}
	for name := range values {
		if bytes.Contains([]byte(name), []byte("food-int8-dynamic/provider=acl")) {
			t.Errorf("a skipped trial was written: %s", name)
		}
	}
	for unit, want := range map[string]float64{"model-B": 2415126, "peak-memory-B": 61e6, "create-sec": 0.04} {
		v := values["Session/model=food-int8-static/provider=cpu/threads=4/batch=1-4 "+unit]
		if len(v) != 2 || !near(v[0], want) {
			t.Errorf("%s = %v, want %v twice", unit, v, want)
		}
	}
	for key, want := range map[string]string{"goos": "linux", "goarch": "arm64", "cpu": "Cortex-A76",
		"emulated": "no"} {
		if config[key] != want {
			t.Errorf("%s: %q, want %q", key, config[key], want)
		}
	}
}

func TestBenchIsBounded(t *testing.T) {
	r := newRun(static)
	r.add(static, cpu, 4, 1, 1, 10*maxBenchLines+7, 8*ms)
	values, _ := readBench(t, findings.Build(r.Input))
	got := values["Inference/model=food-int8-static/provider=cpu/threads=4/batch=1-4 sec/op"]
	if len(got) != maxBenchLines {
		t.Fatalf("%d lines, want %d", len(got), maxBenchLines)
	}
	slices.Sort(got)
	if m := got[len(got)/2]; m < 7.9e-3 || m > 8.1e-3 {
		t.Errorf("the median of the thinned sample is %v s, of the whole 8 ms", m)
	}
}

func TestBenchHostile(t *testing.T) {
	in := hostile()
	in.Plan = nil
	values, config := readBench(t, findings.Build(in))
	for name := range values {
		if bytes.Contains([]byte(name), []byte("Fake")) && !bytes.HasPrefix([]byte(name), []byte("Inference/")) &&
			!bytes.HasPrefix([]byte(name), []byte("Session/")) {
			t.Errorf("a device's text became a benchmark: %s", name)
		}
	}
	if len(config) > 5 {
		t.Errorf("a device's text became configuration: %v", config)
	}
}
