package validity

import (
	"math"
	"math/rand/v2"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// The devices in these tests are simulated: latencies from a random generator,
// and the conditions that a supervisor would have read around each block.

const ms = 1e6

// device makes trials of a quiet Raspberry Pi 5.
type device struct {
	rng *rand.Rand
	// Noise: of single latencies, of blocks, and of the clock probe.
	sd, blocks, probe float64
	slow              float64 // share of slow inferences
}

func newDevice(seed uint64) device {
	return device{rand.New(rand.NewPCG(seed, 7)), 0.03, 0.008, 0.006, 0.02}
}

// fault is what happens to block b of n; the zero value is nothing.
type fault struct {
	factor   func(b, n, i int) float64 // on the latency of inference i of the block
	change   func(b, n int, c *trial.Conditions)
	result   func(r *trial.Result)
	inBlocks int
}

// trial draws one of 24 blocks of 25 inferences around 10 ms.
func (d device) trial(f fault) *trial.Result {
	r := &trial.Result{Outcome: trial.OK, Provider: trial.Provider{Name: "cpu"}, Threads: 4, Batch: 1,
		Model: trial.Model{Name: "m", Work: trial.Read(trial.Work{Float: 300e6, WeightBytes: 9e6, ActivationBytes: 6e5})},
		Device: trial.Device{Model: trial.Read("Raspberry Pi 5 Model B Rev 1.0"), Cores: 4, Governor: trial.Read("ondemand"),
			Quota: trial.Read(0.0), FloatInAdds: trial.Read(4.0),
			Roof: trial.Read(trial.Roof{Cores: 4, ClockHz: 2.4e9, FloatPerCycle: 8, IntegerPerCycle: 32,
				MemoryBytesPerSecond: trial.Read(12e9)})},
		Harness:   trial.Read(trial.Harness{NullNS: 2500, NullCNS: trial.Read(int64(2200)), Calls: 10000}),
		Placement: trial.Read(placed("cpu", 65, "", 0)),
	}
	n := max(24, f.inBlocks)
	start := int64(0)
	for b := range n {
		block := trial.Block{Round: b + 1, Turn: 2*b + 1, First: len(r.LatenciesNS), N: 25, StartNS: start}
		level := 10 * ms * math.Exp(d.blocks*d.rng.NormFloat64())
		took := int64(0)
		for i := range block.N {
			v := level * math.Exp(d.sd*d.rng.NormFloat64())
			if f.factor != nil {
				v *= f.factor(b, n, i)
			}
			if d.rng.Float64() < d.slow {
				v *= 1.3 + d.rng.Float64()
			}
			r.LatenciesNS = append(r.LatenciesNS, int64(v))
			took += int64(v)
		}
		c := d.conditions(took)
		if f.change != nil {
			f.change(b, n, c)
		}
		block.Conditions = c
		r.Blocks = append(r.Blocks, block)
		start += 2 * took
	}
	if f.result != nil {
		f.result(r)
	}
	return r
}

func (d device) conditions(took int64) *trial.Conditions {
	probe := func() float64 { return 2.4e9 * math.Exp(-d.probe*math.Abs(d.rng.NormFloat64())) }
	one, two := probe(), probe()
	if d.rng.IntN(15) == 0 { // something disturbed one of the two
		one *= 0.7
	}
	t := 55 + 3*d.rng.Float64()
	return &trial.Conditions{DurationNS: took + 5*ms,
		ClockHz:     trial.Read(trial.Range{Low: 1.5e9, High: 2.4e9}),
		ProbeHz:     trial.Read(trial.Range{Low: min(one, two), High: max(one, two)}),
		BelowTop:    trial.Read(0.03 * d.rng.Float64()),
		Temperature: trial.Read(trial.Range{Low: t, High: t + 1}),
		Outside:     trial.Read(0.08 * d.rng.Float64()),
		Steal:       trial.Read(0.004 * d.rng.Float64()),
		Throttled:   trial.Read(int64(0)),
		Pressure:    trial.Read(int64(float64(took) * 0.02 * d.rng.Float64())),
		Swapped:     trial.Read(int64(d.rng.IntN(3))),
		Firmware:    trial.Read(""),
	}
}

// placed is a placement of nodes on two providers, with time in proportion.
func placed(one string, n int, other string, m int) trial.Placement {
	p := trial.Placement{Inferences: 5, Nodes: n + m, TimeNS: int64(1000 * (n + m))}
	p.Providers = []trial.ProviderShare{{Provider: one, Nodes: n, TimeNS: int64(1000 * n)}}
	p.Operators = []trial.OperatorsShare{{Operator: "Conv", Provider: one, Nodes: n, TimeNS: int64(1000 * n)}}
	if m > 0 {
		p.Providers = append(p.Providers, trial.ProviderShare{Provider: other, Nodes: m, TimeNS: int64(1000 * m)})
		p.Operators = append(p.Operators, trial.OperatorsShare{Operator: "QLinearConv", Provider: other, Nodes: m,
			TimeNS: int64(1000 * m)})
	}
	return p
}

func when(yes bool, factor float64) float64 {
	if yes {
		return factor
	}
	return 1
}

func bad(o stats.Validity) bool { return o == stats.Suspect || o == stats.Invalid }
