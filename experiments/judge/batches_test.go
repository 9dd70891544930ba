package judge

import (
	"strings"
	"testing"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// addBatch is add with so many inputs in an inference, whose time p50 is.
func (r *run) addBatch(model string, batch int, p50 float64) *trial.Result {
	x := r.add(model, 1e6, 2, 1, 200, p50)
	p := &r.plan.Trials[len(r.plan.Trials)-1]
	p.ID = trial.NewID(model, "cpu", 2, batch, 1)
	p.Batch, x.Batch, x.TrialID = batch, batch, p.ID
	x.Scenario = trial.ScenarioOf(batch)
	x.Summary = stats.NewSample(x.LatenciesNS).Summary(batch)
	return x
}

// "p50 < 3 ms" and "throughput >= 1000/s" are about batch 1 and about batches: held
// against every batch, no option could ever meet both.
func TestLatencyOfOneThroughputOfBatches(t *testing.T) {
	both := []Budget{budget(Size, "<", 5e6), budget(P50, "<", 3*ms), budget(Throughput, ">=", 1000)}
	var r run
	r.addBatch("good", 1, 2*ms)     // 500/s
	r.addBatch("good", 8, 10*ms)    // 800/s
	r.addBatch("good", 32, 20*ms)   // 1600/s
	r.addBatch("good", 64, 30*ms)   // 2133/s
	r.addBatch("slow", 1, 4*ms)     // 250/s
	r.addBatch("slow", 32, 20*ms)   // 1600/s
	r.addBatch("narrow", 1, 2*ms)   // 500/s
	r.addBatch("narrow", 32, 40*ms) // 800/s
	judged := r.judge(both...)
	d := judged.Decide()
	if d.Conclusion != SomeMeet || d.Of != 3 || len(d.Meeting) != 1 || len(d.Open)+len(d.Unusable) != 0 {
		t.Fatalf("%+v", d)
	}
	m := d.Meeting[0]
	if m.Label != "good on cpu, batches of 1 and 32" || m.Batched.batch() != 32 || m != d.Fastest ||
		*m.P50.Value > 3*ms || len(m.Evidence(1)) != 1 || m.Evidence(2)[0].Batch != 32 {
		t.Errorf("%+v", m)
	}
	if a, b := d.Tallies[1], d.Tallies[2]; a.Met != 2 || b.Met != 2 || b.Nearest.Label != "good on cpu, batch 64" {
		t.Errorf("%+v, %+v", a, b)
	}
	want := map[string]string{"A": "met met elsewhere: met", "B": "met elsewhere not_met: not_met",
		"C": "met elsewhere met: met", "D": "met elsewhere met: met", "E": "met not_met elsewhere: not_met",
		"F": "met elsewhere met: not_met", "G": "met met elsewhere: not_met", "H": "met elsewhere not_met: not_met"}
	for _, o := range judged.Options {
		var own []string
		for _, v := range o.Verdicts {
			own = append(own, v.Name())
		}
		if got := strings.Join(own, " ") + ": " + o.Verdict().Name(); got != want[o.Letter] {
			t.Errorf("%s: %s, want %s", o.Label, got, want[o.Letter])
		}
	}
}

func TestWhichBatchesAnswer(t *testing.T) {
	latency, rate := budget(P50, "<", 3*ms), budget(Throughput, ">=", 1000)
	memory := budget(PeakMemory, "<", 100e6)
	for _, c := range []struct {
		name    string
		batches []int
		budgets []Budget
		want    Conclusion
		of      int
		label   string // of those that meet all
	}{
		{"only batch 1 was asked for", []int{1}, []Budget{latency, rate}, NoneMeets, 1, ""},
		{"only a larger one was", []int{32}, []Budget{latency, rate}, NoneMeets, 1, ""},
		{"no throughput is asked for", []int{1, 32}, []Budget{latency}, SomeMeet, 1, "m on cpu, batch 1"},
		{"no latency is asked for", []int{1, 8, 32}, []Budget{rate}, SomeMeet, 1, "m on cpu, batch 32"},
		{"neither is", []int{1, 32}, []Budget{budget(Size, "<", 5e6)}, SomeMeet, 2,
			"m on cpu, batch 1; m on cpu, batch 32"},
		{"no budget", []int{1, 32}, nil, NoBudget, 2, "m on cpu, batch 1; m on cpu, batch 32"},
		{"the batch that is fast enough has too much memory", []int{1, 8, 32}, []Budget{latency, rate, memory},
			NoneMeets, 1, ""},
	} {
		var r run
		p50s := map[int]float64{1: 2 * ms, 8: 10 * ms, 32: 20 * ms}
		for _, b := range c.batches {
			if x := r.addBatch("m", b, p50s[b]); b == 32 {
				x.PeakMemoryBytes = trial.Read(int64(200e6))
			}
		}
		d := r.judge(c.budgets...).Decide()
		if d.Conclusion != c.want || d.Of != c.of || Labels(d.Meeting) != c.label {
			t.Errorf("%s: %s, %d options, %q meet", c.name, d.Conclusion, d.Of, Labels(d.Meeting))
		}
	}
}

// What was not measured is unknown, at whichever batch; a batch that fails leaves the
// option to another one.
func TestABatchThatFails(t *testing.T) {
	budgets := []Budget{budget(P50, "<", 3*ms), budget(Throughput, ">=", 1000)}
	var r run
	r.addBatch("m", 1, 2*ms)
	r.addBatch("m", 32, 20*ms)
	r.addBatch("m", 64, 30*ms).Outcome = trial.Failed
	if d := r.judge(budgets...).Decide(); d.Conclusion != SomeMeet || len(d.Unusable) != 0 {
		t.Errorf("one of two larger batches failed: %+v", d)
	}
	r.results[1].Outcome, r.results[2].Outcome = trial.OK, trial.Failed
	missed := []Budget{budgets[0], budget(Throughput, ">=", 1e6)}
	if d := r.judge(missed...).Decide(); d.Conclusion != NoneMeets || len(d.Unusable) != 0 {
		t.Errorf("one of two larger batches missed, the other failed: %+v", d)
	}
	r.results[1].Outcome = trial.Failed
	if d := r.judge(budgets...).Decide(); d.Conclusion != NoneKnown || d.Open[0].Verdicts[1] != Unknown {
		t.Errorf("all larger batches failed: %+v", d)
	}
	r.results[0].Outcome, r.results[1].Outcome = trial.Failed, trial.OK
	if d := r.judge(budgets...).Decide(); d.Conclusion != NoneKnown || d.Open[0].Verdicts[0] != Unknown {
		t.Errorf("batch 1 failed: %+v", d)
	}
}

// Two devices of one run need not have measured the same batches.
func TestADeviceWithoutTheOtherBatches(t *testing.T) {
	r := run{origins: Origins{}}
	for i, batch := range []int{1, 1, 32} {
		r.origins[r.addBatch("m", batch, 2*ms)] = Origin{Attempt: i%2 + 1, Device: []string{"a", "b"}[i%2]}
	}
	r.plan = nil
	judged := r.judge(budget(P50, "<", 3*ms), budget(Throughput, ">=", 1000))
	for _, o := range judged.Options {
		if o.batch() == 1 && o.Device == "b" && (o.Verdict() != Unknown || o.Verdicts[1] != Elsewhere) {
			t.Errorf("%+v", o)
		}
	}
	if d := judged.Decide(); d.Of != 2 || len(d.Meeting) != 1 || len(d.Open) != 1 {
		t.Errorf("%+v", d)
	}
}
