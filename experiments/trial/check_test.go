package trial

import (
	"strings"
	"testing"
)

func sound() (*Result, *Plan) {
	sum := strings.Repeat("a", 64)
	p := &Plan{
		Schema: PlanSchema, RunID: "run-1", Models: []Model{{Name: "m", SHA256: sum}},
		Trials: []Trial{{ID: NewID("m", "cpu", 2, 1, 3), Model: "m", Provider: Provider{Name: "cpu"}, Threads: 2,
			Batch: 1, Repetition: 3}},
	}
	return &Result{
		Schema: ResultSchema, RunID: p.RunID, TrialID: p.Trials[0].ID, Model: p.Models[0],
		Provider: p.Trials[0].Provider,
		Threads:  2, Batch: 1, Repetition: 3, Outcome: OK, LatenciesNS: []int64{5}, Summary: &Summary{N: 1},
	}, p
}

func TestResultChecks(t *testing.T) {
	r, p := sound()
	if err := r.Fits(p, p.Trials[0]); err != nil {
		t.Fatal(err)
	}
	for says, spoil := range map[string]func(*Result){
		"schema":                  func(r *Result) { r.Schema = "chexp.result/v9" },
		"names run":               func(r *Result) { r.RunID = "../x" },
		"and trial":               func(r *Result) { r.TrialID = "x" },
		"names model":             func(r *Result) { r.Model.Name = "../x" },
		"with sha256":             func(r *Result) { r.Model.SHA256 = "0" },
		"names provider":          func(r *Result) { r.Provider.Name = "CPU" },
		"of runtime":              func(r *Result) { r.Provider.Runtime = "../x" },
		"0 threads":               func(r *Result) { r.Threads = 0 },
		"batch 100000":            func(r *Result) { r.Batch = 100000 },
		"repetition -1":           func(r *Result) { r.Repetition = -1 },
		"the scenario":            func(r *Result) { r.Scenario = "Server" },
		"the outcome":             func(r *Result) { r.Outcome = "fine" },
		"nothing was timed":       func(r *Result) { r.LatenciesNS = nil },
		"says ok":                 func(r *Result) { r.Summary = nil },
		"holds a latency of 0 ns": func(r *Result) { r.LatenciesNS = []int64{1, 0} },
		"(number 2)":              func(r *Result) { r.LatenciesNS = []int64{1, int64(maxLatency) + 1} },
		"than anybody measures":   func(r *Result) { r.Blocks = make([]Block, maxLatencies+1) },
		"holds 5000001 latencies": func(r *Result) { r.LatenciesNS = make([]int64, maxLatencies+1) },
	} {
		r, p := sound()
		spoil(r)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), says) ||
			!strings.HasPrefix(err.Error(), "it ") {
			t.Errorf("%s: %v", says, err)
		}
		if err := r.Fits(p, p.Trials[0]); err == nil {
			t.Errorf("%s: it fits the plan", says)
		}
	}
	for says, spoil := range map[string]func(*Result){
		"belongs to run":      func(r *Result) { r.RunID = "run-2" },
		"describes trial":     func(r *Result) { r.TrialID = NewID("m", "cpu", 2, 1, 4) },
		"(n, cpu":             func(r *Result) { r.Model.Name = "n" },
		"(m, acl":             func(r *Result) { r.Provider.Name = "acl" },
		"cpu-debian":          func(r *Result) { r.Provider.Runtime = "debian" },
		"1 threads":           func(r *Result) { r.Threads = 1 },
		"batch 8":             func(r *Result) { r.Batch = 8 },
		"repetition 1":        func(r *Result) { r.Repetition = 1 },
		"model with sha256 b": func(r *Result) { r.Model.SHA256 = strings.Repeat("b", 64) },
	} {
		r, p := sound()
		spoil(r)
		if err := r.Check(); err != nil {
			t.Errorf("%s: alone it is one: %v", says, err)
		}
		if err := r.Fits(p, p.Trials[0]); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
