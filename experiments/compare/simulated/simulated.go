// Package simulated makes up runs for tests: latencies from a random generator,
// with known spreads between devices, runs, process starts and blocks, in the
// same documents and folders as real ones. They say so in every name that they
// carry, and nothing about any model or board.
package simulated

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chexp/experiments/compare"
	"chexp/experiments/files"
	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
)

// Class is a set of runs of one experiment.
type Class struct {
	Seed    uint64
	Devices int
	Runs    int // run i is on device i % Devices, on day i / Devices
	Day     int // of the first runs
	Models  int
	Threads []int // default: 1
	Starts  int   // repetitions
	Blocks  int   // of each process
	N       int   // inferences of each block
	// Relative standard deviations.
	Device, Run, Start, Block, Inference float64
	// Factor, where not nil, multiplies the latencies of a run.
	Factor func(device, run int) float64
	// Change, where not nil, may spoil a result before its folder is written.
	Change func(run int, r *trial.Result)
}

// Run is one run's documents.
type Run struct {
	Plan    *trial.Plan
	Results []*trial.Result
	Device  string
}

// Quiet is a class on boards that differ by 2 %.
func Quiet(seed uint64, devices, runs int) Class {
	return Class{Seed: seed, Devices: devices, Runs: runs, Models: 2, Threads: []int{1}, Starts: 3, Blocks: 4, N: 15,
		Device: 0.02, Run: 0.005, Start: 0.004, Block: 0.006, Inference: 0.02}
}

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// All runs of the class. A device keeps its speed from class to class; the seed
// is of everything else.
func (c Class) All() (out []Run) {
	rng := rand.New(rand.NewPCG(c.Seed, 0x51))
	boards := rand.New(rand.NewPCG(7, 0x51))
	device := make([]float64, c.Devices)
	for i := range device {
		device[i] = math.Exp(c.Device * boards.NormFloat64())
	}
	for i := range c.Runs {
		d := i % c.Devices
		level := device[d] * math.Exp(c.Run*rng.NormFloat64())
		if c.Factor != nil {
			level *= c.Factor(d, i)
		}
		out = append(out, c.run(rng, i, d, level))
	}
	return out
}

func (c Class) run(rng *rand.Rand, i, d int, level float64) Run {
	day := epoch.AddDate(0, 0, c.Day+i/c.Devices).Add(time.Duration(i%c.Devices) * time.Hour)
	letters := fmt.Sprintf("%c%c%c%c", 'a'+c.Seed%26, 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26)
	id := day.Format("20060102t150405z") + "-simulated-" + letters
	r := Run{Device: fmt.Sprintf("sim-%d", d+1), Plan: &trial.Plan{Schema: trial.PlanSchema, Experiment: "simulated",
		RunID: id, Seed: c.Seed,
		Policy: trial.Policy{Warmup: 10, MinRuns: c.Blocks * c.N, MinTime: time.Second, MaxTime: time.Minute,
			Timeout: time.Minute, Block: 250 * time.Millisecond}}}
	at := day
	for m := range c.Models {
		name := fmt.Sprintf("sim-%c", 'a'+m)
		model := trial.Model{Name: name, SHA256: files.Sum([]byte(name)), Bytes: int64(m+1) * 3_000_000,
			Origin: "simulated"}
		r.Plan.Models = append(r.Plan.Models, model)
		for _, threads := range c.Threads {
			for rep := range c.Starts {
				t := trial.Trial{ID: trial.NewID(name, "cpu", threads, 1, rep+1), Model: name,
					Provider: trial.Provider{Name: "cpu"},
					Threads:  threads, Batch: 1, Repetition: rep + 1}
				r.Plan.Trials = append(r.Plan.Trials, t)
				res := c.result(rng, r.Plan, t, model, level*float64(m+1)*8e6/math.Sqrt(float64(threads)))
				res.Start, res.End = at, at.Add(20*time.Second)
				at = res.End
				if c.Change != nil {
					c.Change(i, res)
				}
				r.Results = append(r.Results, res)
			}
		}
	}
	return r
}

func (c Class) result(rng *rand.Rand, p *trial.Plan, t trial.Trial, m trial.Model, level float64) *trial.Result {
	res := &trial.Result{Schema: trial.ResultSchema, RunID: p.RunID, TrialID: t.ID, Model: m, Provider: t.Provider,
		Threads: t.Threads, Batch: 1,
		Repetition: t.Repetition, Policy: p.Policy, Seed: p.Seed, Outcome: trial.OK, Scenario: trial.SingleStream,
		WarmupNS:        []int64{},
		SessionCreateNS: trial.Unread[int64]("simulated"), FirstInferenceNS: trial.Unread[int64]("simulated"),
		PeakMemoryBytes: trial.Unread[int64]("simulated"),
		Runtime: trial.Runtime{Name: "simulated", Version: "1.0", Settings: &trial.Settings{IntraOpThreads: t.Threads,
			InterOpThreads: 1}},
		Agent: trial.Agent{Version: "simulated", OS: "linux", Arch: "arm64", SHA256: strings.Repeat("51", 32)},
		Device: trial.Device{Model: trial.Read("Simulated Pi Rev 1.0"), CPU: trial.Read("simulated"), Cores: 4,
			MemoryBytes: trial.Read(int64(8e9)),
			Kernel:      trial.Read("simulated"), Governor: trial.Read("ondemand"), ClockHz: trial.Read(int64(24e8)),
			Temperature: trial.Read(50.0),
			MaxClockHz:  trial.Read(int64(24e8)), PageSize: 16384, Board: trial.Read("d04170"), Cmdline: trial.Read(""),
			Quota: trial.Read(0.0)},
		Placement: trial.Read(trial.Placement{Inferences: 1, Nodes: 1, TimeNS: 1,
			Providers: []trial.ProviderShare{{Provider: "cpu", Nodes: 1, TimeNS: 1}}, Operators: []trial.OperatorsShare{}}),
	}
	level *= math.Exp(c.Start * rng.NormFloat64())
	clock := int64(0)
	for b := range c.Blocks {
		block := level * math.Exp(c.Block*rng.NormFloat64())
		res.Blocks = append(res.Blocks, trial.Block{Round: b + 1, Turn: 2*b + 1, First: len(res.LatenciesNS), N: c.N,
			StartNS: clock})
		for range c.N {
			v := int64(block * math.Exp(c.Inference*rng.NormFloat64()))
			res.LatenciesNS = append(res.LatenciesNS, v)
			clock += 2 * v
		}
	}
	res.Summary = stats.NewSample(res.LatenciesNS).Summary(1)
	return res
}

var budget = judge.Budget{Text: "p50 < 15 ms", Metric: judge.P50, Op: judge.Below, Limit: 15e6}

// Judged is the run as a comparison takes it, with two facts and one budget.
func (r Run) Judged() compare.Run {
	out := compare.Run{ID: r.Plan.RunID, Device: r.Device, Kind: compare.Real, Started: r.Results[0].Start}
	for _, res := range r.Results {
		x := compare.Trial{Trial: &judge.Trial{ID: res.TrialID, Result: res}, Board: *res.Device.Model.Value,
			Why: []string{"failed: simulated"},
			Facts: []compare.Fact{{Name: "kernel", Value: *res.Device.Kernel.Value},
				{Name: "runtime", Value: res.Runtime.Version}}}
		if res.Device.EmulatedBy() != "" {
			out.Kind = compare.Emulated
		}
		if res.Outcome == trial.OK {
			x.Sample, _ = stats.SampleOf(res)
			checks := validity.Checks(res, x.Sample)
			x.Validity, x.Why = stats.Worst(checks), nil
			for _, c := range checks {
				if c.Outcome == x.Validity && c.Outcome != stats.Valid {
					x.Why = append(x.Why, c.Name)
				}
			}
			answer := judge.Answer{Budget: budget, Verdict: judge.NotMet}
			if budget.Holds(x.Sample.Median()) {
				answer.Verdict = judge.Met
			}
			x.Answers = []judge.Answer{answer}
		}
		out.Trials = append(out.Trials, x)
	}
	return out
}

// Group judges all runs of the class.
func (c Class) Group(label string) compare.Group {
	g := compare.Group{Label: label}
	for _, r := range c.All() {
		g.Runs = append(g.Runs, r.Judged())
	}
	return g
}

// Experiment is the experiment file of a simulated run, as a run keeps it.
const Experiment = `apiVersion: chexp/v1
name: simulated
description: Made up by a random generator for a test.
site: CHI@Edge
lease: {machine_name: raspberrypi5, duration: 30m}
container: {image: "debian:bookworm-slim"}
models: [{name: sim-a, builtin: tiny-cnn}, {name: sim-b, builtin: mobilenetv2-11}]
providers: [cpu]
budgets:
  - size < 5 MB
  - p50 < 15 ms
`

// Write makes the run's folder below root as a real run leaves it, and returns
// its path.
func (r Run) Write(root string) (string, error) {
	dir := filepath.Join(root, r.Plan.RunID)
	if err := os.MkdirAll(filepath.Join(dir, "results"), 0o755); err != nil {
		return "", err
	}
	sums := files.Sums{}
	for _, res := range r.Results {
		data, err := json.Marshal(res)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "results", res.TrialID+".json"), data, 0o644); err != nil {
			return "", err
		}
		sums[res.TrialID+".json"] = files.Sum(data)
	}
	plan, err := json.Marshal(r.Plan)
	if err != nil {
		return "", err
	}
	for name, data := range map[string]string{
		"results/SHA256SUMS": string(sums.Bytes()), "plan.json": string(plan), "experiment.yaml": Experiment,
		"journal.jsonl": fmt.Sprintf("{\"time\":%q,\"kind\":\"finished\"}\n", epoch.Format(time.RFC3339)),
		"site.json": fmt.Sprintf(`{"site":{"site":"simulated"},"lease":{"device":{"name":%q,"uid":%q}}}`, r.Device,
			r.Device),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}
