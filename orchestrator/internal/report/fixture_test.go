package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chexp/experiments/spec"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// The runs in this file are made up: their latencies come from a random
// generator and say nothing about any model, provider or board.

var day = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

var (
	fp32    = trial.Model{Name: "food-fp32", SHA256: strings.Repeat("a1", 32), Bytes: 8_911_656, Origin: "path food-fp32.onnx"}
	static  = trial.Model{Name: "food-int8-static", SHA256: strings.Repeat("b2", 32), Bytes: 2_415_126, Origin: "url https://example.org/static.onnx"}
	dynamic = trial.Model{Name: "food-int8-dynamic", SHA256: strings.Repeat("c3", 32), Bytes: 2_417_556, Origin: "url https://example.org/dynamic.onnx"}
	cpu     = trial.Provider{Name: "cpu"}
	acl     = trial.Provider{Name: "acl", Optional: true}
)

const ms = 1e6

var twoBudgets = []spec.Budget{
	{Metric: "size", Op: "<", Limit: 5e6, Text: "size < 5 MB"},
	{Metric: "p50", Op: "<", Limit: 15e6, Text: "p50 < 15 ms"},
}

// latencies draws n skewed values around a median, with a rare slow one.
func latencies(seed uint64, n int, median float64) []int64 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]int64, n)
	for i := range out {
		v := median * math.Exp(0.04*r.NormFloat64())
		if r.IntN(40) == 0 {
			v *= 1.3 + r.Float64()
		}
		out[i] = int64(v)
	}
	return out
}

type run struct{ Input }

func newRun(models ...trial.Model) *run {
	return &run{Input{
		Run: Run{ID: "20260314T092653Z-serve-edge-abcd", Experiment: "serve-edge", Description: "Made up for the tests: which model fits the camera?",
			Site: "CHI@Edge", Region: "CHI@Edge", Device: Device{Name: "nyu-rpi5-01", UID: "3f2a0c9e-0000-4000-8000-000000000001", MachineName: "raspberrypi5"},
			LeaseID: "lease-1", ContainerID: "container-1", Image: "docker.io/library/debian:12-slim",
			Started: day, Ended: day.Add(7*time.Minute + 12*time.Second), ChexpVersion: "v0.0.0-test", Dir: "runs/20260314T092653Z-serve-edge-abcd"},
		Plan: &trial.Plan{Schema: trial.PlanSchema, Experiment: "serve-edge", RunID: "run-1", Seed: 7, Models: models,
			Policy: trial.Policy{Warmup: 10, MinRuns: 100, MinTime: 2 * time.Second, MaxTime: time.Minute, Timeout: 2 * time.Minute}},
		Budgets: twoBudgets,
		Phases: []Phase{
			{Name: "plan", Start: day, End: day.Add(120 * time.Millisecond), Outcome: "ok"},
			{Name: "lease", Start: day.Add(time.Second), End: day.Add(71 * time.Second), Outcome: "ok"},
			{Name: "container", Start: day.Add(71 * time.Second), End: day.Add(160 * time.Second), Outcome: "ok"},
			{Name: "push", Start: day.Add(160 * time.Second), End: day.Add(185 * time.Second), Outcome: "ok"},
			{Name: "run", Start: day.Add(185 * time.Second), End: day.Add(412 * time.Second), Outcome: "ok"},
			{Name: "fetch", Start: day.Add(412 * time.Second), End: day.Add(416 * time.Second), Outcome: "ok"},
			{Name: "release", Start: day.Add(416 * time.Second), End: day.Add(432 * time.Second), Outcome: "ok"},
		},
	}}
}

// add plans a trial and returns its result, which a test may change; p50 in
// nanoseconds.
func (r *run) add(m trial.Model, p trial.Provider, threads, batch, rep, n int, p50 float64) *trial.Result {
	t := trial.Trial{ID: trial.NewID(m.Name, p.Name, threads, batch, rep), Model: m.Name, Provider: p, Threads: threads, Batch: batch, Repetition: rep}
	r.Plan.Trials = append(r.Plan.Trials, t)
	k := len(r.Plan.Trials)
	lat := latencies(uint64(k), n, p50)
	res := &trial.Result{Schema: trial.ResultSchema, RunID: "run-1", TrialID: t.ID, Model: m, Provider: p, Threads: threads, Batch: batch,
		Repetition: rep, Policy: r.Plan.Policy, Seed: 7, Outcome: trial.OK, LatenciesNS: lat, WarmupNS: latencies(uint64(1000+k), 9, 1.2*p50),
		SessionCreateNS: trial.Read(int64(40 * ms)), FirstInferenceNS: trial.Read(int64(3 * p50)), PeakMemoryBytes: trial.Read(int64(61_000_000)),
		Summary: stats.Summarize(lat, batch),
		Runtime: trial.Runtime{Name: "onnxruntime", Version: "1.27.0", Providers: []string{"cpu", "acl"}},
		Agent:   trial.Agent{Version: "v0.0.0-test", OS: "linux", Arch: "arm64", SHA256: strings.Repeat("d4", 32)},
		Device: trial.Device{Model: trial.Read("Raspberry Pi 5 Model B Rev 1.0"), CPU: trial.Read("Cortex-A76"), Cores: 4,
			MemoryBytes: trial.Read(int64(8_000_000_000)), Kernel: trial.Read("6.6.31-v8"), Governor: trial.Read("ondemand"),
			ClockHz: trial.Read(int64(2_400_000_000)), Temperature: trial.Read(52.5 + float64(k))},
		Start: day.Add(time.Duration(k) * 20 * time.Second), End: day.Add(time.Duration(k)*20*time.Second + 12*time.Second)}
	r.Results = append(r.Results, res)
	return res
}

func failed(res *trial.Result, outcome trial.Outcome, code, text, next string) {
	res.Outcome = outcome
	res.Reasons = []trial.Reason{{Code: code, Text: text, Next: next}}
	res.LatenciesNS, res.WarmupNS, res.Summary = nil, nil, nil
	res.PeakMemoryBytes = trial.Unread[int64]("the process ended before it was asked")
}

// tutorial is a run with something of everything.
func tutorial() *run {
	r := newRun(fp32, static, dynamic)
	for rep := 1; rep <= 2; rep++ {
		r.add(fp32, cpu, 4, 1, rep, 700, 22.4*ms)
		r.add(fp32, acl, 4, 1, rep, 700, 20.8*ms)
		r.add(static, cpu, 4, 1, rep, 900, 8.13*ms)
		res := r.add(static, acl, 4, 1, rep, 150, 8.2*ms)
		if rep == 2 {
			failed(res, trial.Failed, "runner_crashed", "the runner was killed by signal 11 (segmentation fault) after 34 inferences", "run it with provider cpu")
		}
		res = r.add(dynamic, cpu, 4, 1, rep, 120, 14.98*ms)
		res.Device.Temperature = trial.Unread[float64]("/sys/class/thermal is not there")
		failed(r.add(dynamic, acl, 4, 1, rep, 10, ms), trial.Skipped, "provider_absent", "the runtime was built without acl", "")
	}
	return r
}

func emulatedRun() *run {
	model := trial.Model{Name: "mobilenetv2", SHA256: strings.Repeat("e5", 32), Bytes: 8_900_000, Origin: "builtin mobilenetv2-11 (untrained)"}
	r := newRun(model)
	r.Run.Rehearsal = true
	for _, threads := range []int{1, 2} {
		r.add(model, cpu, threads, 1, 1, 64, 310*ms/float64(threads)).Device.Emulated = "qemu-aarch64"
	}
	return r
}

func (r *run) reverse() *run {
	slices.Reverse(r.Results)
	return r
}
