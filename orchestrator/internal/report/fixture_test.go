package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
)

// The runs in this file are made up: their latencies come from a random
// generator and say nothing about any model, provider or board.

var day = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

var (
	fp32 = trial.Model{Name: "food-fp32", SHA256: strings.Repeat("a1", 32), Bytes: 8_911_656,
		Origin: "path food-fp32.onnx"}
	static = trial.Model{Name: "food-int8-static", SHA256: strings.Repeat("b2", 32), Bytes: 2_415_126,
		Origin: "url https://example.org/static.onnx"}
	dynamic = trial.Model{Name: "food-int8-dynamic", SHA256: strings.Repeat("c3", 32), Bytes: 2_417_556,
		Origin: "url https://example.org/dynamic.onnx"}
	cpu = trial.Provider{Name: "cpu"}
	acl = trial.Provider{Name: "acl", Optional: true}
)

const ms = 1e6

var twoBudgets = []judge.Budget{
	{Metric: judge.Size, Op: "<", Limit: 5e6, Text: "size < 5 MB"},
	{Metric: judge.P50, Op: "<", Limit: 15e6, Text: "p50 < 15 ms"},
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

type run struct{ findings.Input }

func newRun(models ...trial.Model) *run {
	return &run{findings.Input{
		Run: findings.Run{ID: "20260314T092653Z-serve-edge-abcd", Experiment: "serve-edge",
			Description: "Made up for the tests: which model fits the camera?",
			Site:        "CHI@Edge", Region: "CHI@Edge", Device: findings.Device{Name: "nyu-rpi5-01",
				UID: "3f2a0c9e-0000-4000-8000-000000000001", MachineName: "raspberrypi5"},
			LeaseID: "lease-1", ContainerID: "container-1", Image: "docker.io/library/debian:12-slim",
			Started: day, Ended: day.Add(7*time.Minute + 12*time.Second), ChexpVersion: "v0.0.0-test",
			Dir: "runs/20260314T092653Z-serve-edge-abcd"},
		Plan: &trial.Plan{Schema: trial.PlanSchema, Experiment: "serve-edge", RunID: "run-1", Seed: 7, Models: models,
			Policy: trial.Policy{Warmup: 10, MinRuns: 100, MinTime: 2 * time.Second, MaxTime: time.Minute,
				Timeout: 2 * time.Minute}},
		Budgets: twoBudgets,
		Phases: []findings.Phase{
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
	t := trial.Trial{ID: trial.NewID(m.Name, p.Name, threads, batch, rep), Model: m.Name, Provider: p,
		Threads: threads, Batch: batch, Repetition: rep}
	r.Plan.Trials = append(r.Plan.Trials, t)
	k := len(r.Plan.Trials)
	lat := latencies(uint64(k), n, p50)
	res := &trial.Result{Schema: trial.ResultSchema, RunID: "run-1", TrialID: t.ID, Model: m, Provider: p,
		Threads: threads, Batch: batch,
		Repetition: rep, Policy: r.Plan.Policy, Seed: 7, Outcome: trial.OK, LatenciesNS: lat,
		WarmupNS:        latencies(uint64(1000+k), 9, 1.2*p50),
		SessionCreateNS: trial.Read(int64(40 * ms)), FirstInferenceNS: trial.Read(int64(3 * p50)),
		PeakMemoryBytes: trial.Read(int64(61_000_000)),
		Summary:         stats.NewSample(lat).Summary(batch),
		Runtime:         trial.Runtime{Name: "onnxruntime", Version: "1.27.0", Providers: []string{"cpu", "acl"}},
		Agent: trial.Agent{Version: "v0.0.0-test", OS: "linux", Arch: "arm64",
			SHA256: strings.Repeat("d4", 32)},
		Device: trial.Device{Model: trial.Read("Raspberry Pi 5 Model B Rev 1.0"), CPU: trial.Read("Cortex-A76"),
			Cores: 4, FloatInAdds: trial.Read(4.0),
			MemoryBytes: trial.Read(int64(8_000_000_000)), Kernel: trial.Read("6.6.31-v8"),
			Governor: trial.Read("ondemand"),
			ClockHz:  trial.Read(int64(2_400_000_000)), Temperature: trial.Read(52.5 + float64(k))},
		Start: day.Add(time.Duration(k) * 20 * time.Second),
		End:   day.Add(time.Duration(k)*20*time.Second + 12*time.Second)}
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
			failed(res, trial.Failed, "runner_crashed", "the runner was killed by signal 11 (segmentation fault) "+
				"after 34 inferences", "run it with provider cpu")
		}
		res = r.add(dynamic, cpu, 4, 1, rep, 120, 14.98*ms)
		res.Device.Temperature = trial.Unread[float64]("/sys/class/thermal is not there")
		failed(r.add(dynamic, acl, 4, 1, rep, 10, ms), trial.Skipped, "provider_absent",
			"the runtime was built without acl", "")
	}
	r.inTurns(25)
	for _, res := range r.Results {
		if res.Outcome != trial.OK {
			continue
		}
		res.Harness = trial.Read(trial.Harness{NullNS: 2410, NullCNS: trial.Read(int64(2130)), Calls: 20000})
		res.Device.Roof = trial.Read(trial.Roof{Cores: 4, ClockHz: 2_400_000_000, FloatPerCycle: 8, IntegerPerCycle: 32,
			MemoryBytesPerSecond: trial.Read(12e9), Source: "asimddp at 2.4 GHz"})
		res.Device.Quota, res.Device.PageSize, res.Device.Board = trial.Read(0.0), 16384, trial.Read("d04170")
		work := trial.Work{Float: 300_774_272, WeightBytes: 8_900_000, ActivationBytes: 602_156}
		if res.Model.Name != fp32.Name {
			work = trial.Work{Integer: 300_774_272, WeightBytes: 2_400_000, ActivationBytes: 602_156}
		}
		res.Model.Work = trial.Read(work)
		res.Placement = trial.Read(placements68[res.Model.Name+" "+res.Provider.Name])
	}
	return r
}

// on is one kind of operator on one provider, with its share of the time.
func on(provider, operator string, nodes int, time int64) trial.OperatorsShare {
	return trial.OperatorsShare{Operator: operator, Provider: provider, Nodes: nodes, TimeNS: time * 10_000}
}

func onProviders(operators ...trial.OperatorsShare) (p trial.Placement) {
	p.Inferences, p.Operators = 5, operators
	for _, o := range operators {
		p.Nodes, p.TimeNS = p.Nodes+o.Nodes, p.TimeNS+o.TimeNS
		i := slices.IndexFunc(p.Providers, func(s trial.ProviderShare) bool { return s.Provider == o.Provider })
		if i < 0 {
			i = len(p.Providers)
			p.Providers = append(p.Providers, trial.ProviderShare{Provider: o.Provider})
		}
		p.Providers[i].Nodes += o.Nodes
		p.Providers[i].TimeNS += o.TimeNS
	}
	return p
}

// placements68 has counts of nodes as the tutorial's models have them; the times
// are made up.
var placements68 = map[string]trial.Placement{
	"food-fp32 cpu": onProviders(on("cpu", "Conv", 52, 930), on("cpu", "Gemm", 1, 20),
		on("cpu", "Add", 10, 30), on("cpu", "GlobalAveragePool", 1, 10), on("cpu", "Flatten", 1, 10)),
	"food-fp32 acl": onProviders(on("acl", "Conv", 52, 850), on("cpu", "Add", 10, 70),
		on("cpu", "Gemm", 1, 50), on("acl", "GlobalAveragePool", 1, 20), on("cpu", "Flatten", 1, 10)),
	"food-int8-static cpu": onProviders(on("cpu", "QLinearConv", 52, 820), on("cpu", "QLinearAdd", 11, 90),
		on("cpu", "QuantizeLinear", 1, 40), on("cpu", "QLinearMatMul", 1, 20),
		on("cpu", "QLinearGlobalAveragePool", 1, 20), on("cpu", "Flatten", 1, 5), on("cpu", "DequantizeLinear", 1, 5)),
	"food-int8-static acl": onProviders(on("cpu", "QLinearConv", 52, 820), on("cpu", "QLinearAdd", 11, 90),
		on("cpu", "QuantizeLinear", 1, 40), on("cpu", "QLinearMatMul", 1, 20),
		on("cpu", "QLinearGlobalAveragePool", 1, 20), on("cpu", "Flatten", 1, 5), on("cpu", "DequantizeLinear", 1, 5)),
	"food-int8-dynamic cpu": onProviders(on("cpu", "ConvInteger", 52, 340), on("cpu", "Mul", 158, 170),
		on("cpu", "DynamicQuantizeLinear", 53, 150), on("cpu", "Cast", 105, 110), on("cpu", "Add", 63, 80),
		on("cpu", "Div", 52, 60),
		on("cpu", "Floor", 52, 40), on("cpu", "Clip", 35, 30), on("cpu", "Reshape", 52, 10),
		on("cpu", "MatMulInteger", 1, 5), on("cpu", "GlobalAveragePool", 2, 5)),
}

// inTurns cuts the latencies into blocks of which every trial of a repetition
// has one in each round, in an order that changes, and makes up what a
// supervisor read around them. The second half of the run is slower by up to 4 %.
func (r *run) inTurns(size int) *run {
	rng := rand.New(rand.NewPCG(5, 5))
	turn, clock := 0, int64(0)
	for rep := 1; rep <= 2; rep++ {
		for round := 1; ; round++ {
			any := false
			for _, i := range rng.Perm(len(r.Results)) {
				res := r.Results[i]
				at := (round - 1) * size
				if res.Repetition != rep || res.Outcome != trial.OK || at >= len(res.LatenciesNS) {
					continue
				}
				any = true
				turn++
				b := trial.Block{Round: round, Turn: turn, First: at, N: min(size, len(res.LatenciesNS)-at),
					StartNS: clock}
				took := int64(0)
				for j := at; j < at+b.N; j++ {
					res.LatenciesNS[j] = int64(float64(res.LatenciesNS[j]) * (1 + 0.04*float64(turn)/250))
					took += res.LatenciesNS[j]
				}
				t := 50 + 8*float64(turn)/250
				b.Conditions = &trial.Conditions{DurationNS: took,
					ClockHz:  trial.Read(trial.Range{Low: 2.4e9, High: 2.4e9}),
					ProbeHz:  trial.Read(trial.Range{Low: 2.38e9, High: 2.39e9}),
					BelowTop: trial.Read(0.01), Temperature: trial.Read(trial.Range{Low: t, High: t + 1}),
					Outside: trial.Read(0.05), Steal: trial.Read(0.0), Throttled: trial.Read(int64(0)),
					Pressure: trial.Read(took / 100), Swapped: trial.Read(int64(0)),
					Firmware: trial.Unread[string]("/dev/vcio is not there")}
				res.Blocks = append(res.Blocks, b)
				clock += took + 2*ms
			}
			if !any {
				break
			}
		}
		// Those that take turns are there together.
		var from, to time.Time
		for _, res := range r.Results {
			if res.Repetition == rep && len(res.Blocks) > 0 {
				if from.IsZero() {
					from = res.Start
				}
				res.Start, to = from, res.End
			}
		}
		for _, res := range r.Results {
			if res.Repetition == rep && len(res.Blocks) > 0 {
				res.End = to
			}
		}
	}
	for _, res := range r.Results {
		if res.Outcome == trial.OK {
			res.Summary = stats.NewSample(res.LatenciesNS).Summary(res.Batch)
		}
	}
	return r
}

func emulatedRun() *run {
	model := trial.Model{Name: "mobilenetv2", SHA256: strings.Repeat("e5", 32), Bytes: 8_900_000,
		Origin: "builtin mobilenetv2-11 (untrained)"}
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

// edge is a run as large as serve-edge: 18 options of three repetitions, of which
// half were skipped.
func edge() *run {
	r := newRun(fp32, static, dynamic)
	for rep := 1; rep <= 3; rep++ {
		for i, m := range []trial.Model{fp32, static, dynamic} {
			for _, threads := range []int{1, 2, 4} {
				r.add(m, cpu, threads, 1, rep, 200, (50-20*float64(i%2))*ms/math.Sqrt(float64(threads)))
				failed(r.add(m, acl, threads, 1, rep, 10, ms), trial.Skipped, "provider_absent",
					"the runtime was built without acl", "")
			}
		}
	}
	return r
}
