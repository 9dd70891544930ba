package report

import (
	"slices"
	"strings"
	"testing"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

func TestNoVerdictWithoutASample(t *testing.T) {
	r := newRun(static)
	r.add(static, cpu, 1, 1, 1, 5, 1*ms)
	r.add(static, acl, 1, 1, 1, 6, 1*ms)
	table := findings.Build(r.Input)
	if v := table.Rows[0].Answers[1]; v.Verdict != judge.Unknown {
		t.Errorf("five inferences gave %+v", v)
	}
	if v := table.Rows[1].Answers[1]; v.Verdict != judge.Met {
		t.Errorf("six inferences gave %+v", v)
	}
}

func TestDecision(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      func() *run
		verdict judge.Conclusion
		options []string
		words   []string
		not     []string
	}{
		{"one option meets all", func() *run {
			r := newRun(fp32, static)
			r.add(fp32, cpu, 4, 1, 1, 200, 8*ms)
			r.add(static, cpu, 4, 1, 1, 200, 8*ms)
			return r
		}, judge.SomeMeet, []string{"B"}, []string{"One of 2 options meets every budget: food-int8-static on cpu " +
			"(2.42 MB, p50 "}, nil},
		{"a failed trial is never an option", func() *run {
			r := newRun(static)
			res := r.add(static, cpu, 4, 1, 1, 200, 1*ms)
			res.Outcome, res.Reasons = trial.Failed, []trial.Reason{{Code: "runner_crashed",
				Text: "it crashed"}} // with latencies
			r.add(static, acl, 4, 1, 1, 200, 20*ms)
			return r
		}, judge.NoneMeets, nil, []string{"No option meets every budget",
			"p50 < 15 ms: met by none; nearest is food-int8-static on acl"}, []string{"1.0", "met by 1 of 2"}},
		{"a failed repetition leaves its option open", func() *run {
			r := newRun(static)
			r.add(static, cpu, 4, 1, 1, 200, 8*ms)
			failed(r.add(static, cpu, 4, 1, 2, 200, 8*ms), trial.Failed, "timeout", "it hung", "")
			return r
		}, judge.NoneKnown, nil, []string{"UNDECIDED", "Open: food-int8-static on cpu"},
			[]string{"meets every budget."}},
		{"repetitions on both sides of a limit decide nothing", func() *run {
			r := newRun(static)
			r.add(static, cpu, 4, 1, 1, 200, 8*ms)
			r.add(static, cpu, 4, 1, 2, 200, 16*ms)
			return r
		}, judge.NoneKnown, nil, []string{"p50 < 15 ms UNDECIDED: its repetitions disagree; more of them would tell"}, nil},
		{"a limit within the interval decides nothing", func() *run {
			r := newRun(static)
			r.add(static, cpu, 4, 1, 1, 200, 15*ms)
			return r
		}, judge.NoneKnown, nil, []string{"p50 < 15 ms UNDECIDED: "}, []string{"meets every budget:"}},
		{"smallest and fastest differ", func() *run {
			r := newRun(static, dynamic)
			r.add(static, cpu, 4, 1, 1, 200, 14*ms)
			r.add(dynamic, cpu, 4, 1, 1, 200, 7*ms)
			return r
		}, judge.SomeMeet, []string{"A", "B"}, []string{"Smallest model: food-int8-static (2.42 MB)",
			"Fastest: food-int8-dynamic on cpu"}, []string{"cannot tell"}},
		{"samples that overlap are called so", func() *run {
			r := newRun(static)
			r.add(static, cpu, 4, 1, 1, 200, 8*ms)
			r.add(static, acl, 4, 1, 1, 200, 8.01*ms)
			return r
		}, judge.SomeMeet, []string{"A", "B"}, []string{"cannot tell it from"}, nil},
		{"a doubtful result is never an option", func() *run {
			r := newRun(static)
			r.add(static, cpu, 4, 1, 1, 200, 20*ms).Summary.MedianNS = 1 * ms
			return r
		}, judge.NoResults, nil, []string{"1 doubtful"}, nil},
		{"another run's result is never an option", func() *run {
			r := newRun(static)
			r.add(static, cpu, 4, 1, 1, 200, 8*ms).RunID = "run-2"
			return r
		}, judge.NoResults, nil, []string{"1 doubtful"}, nil},
		{"another model's result is never an option", func() *run {
			r := newRun(static)
			r.add(static, cpu, 4, 1, 1, 200, 8*ms).Model = fp32
			return r
		}, judge.NoResults, nil, []string{"1 doubtful"}, nil},
		{"a percentile that the sample cannot carry is open", func() *run {
			r := newRun(static)
			r.Budgets = []judge.Budget{{Metric: judge.P99, Op: "<", Limit: 1e12, Text: "p99 < 1000 s"}}
			r.add(static, cpu, 4, 1, 1, 100, 8*ms)
			return r
		}, judge.NoneKnown, nil, []string{"UNDECIDED"}, nil},
		{"no budget", func() *run {
			r := newRun(static)
			r.Budgets = nil
			r.add(static, cpu, 4, 1, 1, 100, 8*ms)
			return r
		}, judge.NoBudget, nil, []string{"No budget was set", "Fastest: food-int8-static on cpu"}, nil},
		{"batch 1 answers for latency, a larger one for throughput", func() *run {
			r := newRun(static)
			r.Budgets = []judge.Budget{{Metric: judge.P50, Op: "<", Limit: 3 * ms, Text: "p50 < 3 ms"},
				{Metric: judge.Throughput, Op: ">=", Limit: 1000, Text: "throughput >= 1000/s"}}
			r.add(static, cpu, 4, 1, 1, 200, 2*ms)
			r.add(static, cpu, 4, 32, 1, 200, 20*ms)
			return r
		}, judge.SomeMeet, []string{"A", "B"}, []string{"The only option meets every budget: food-int8-static on cpu, " +
			"batches of 1 and 32 (2.42 MB, p50 1.99 ms; 1560/s in batches of 32)."}, []string{"UNDECIDED"}},
		{"no larger batch is fast enough", func() *run {
			r := newRun(static)
			r.Budgets = []judge.Budget{{Metric: judge.P50, Op: "<", Limit: 3 * ms, Text: "p50 < 3 ms"},
				{Metric: judge.Throughput, Op: ">=", Limit: 5000, Text: "throughput >= 5000/s"}}
			r.add(static, cpu, 4, 1, 1, 200, 2*ms)
			r.add(static, cpu, 4, 8, 1, 200, 10*ms)
			r.add(static, cpu, 4, 32, 1, 200, 20*ms)
			return r
		}, judge.NoneMeets, nil, []string{"No option meets every budget.", "p50 < 3 ms: met by 1 of 1.",
			"throughput >= 5000/s: met by none; nearest is food-int8-static on cpu, batch 32 with 1"}, nil},
		{"a rehearsal decides nothing about the device", func() *run {
			r := emulatedRun()
			r.Budgets = []judge.Budget{{Metric: judge.Size, Op: "<", Limit: 1e9, Text: "size < 1 GB"}}
			return r
		}, judge.SomeMeet, []string{"A", "B"}, []string{"Rehearsal, no verdict about the real device"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := c.in()
			d := findings.Build(in.Input).Decision
			all := d.Text + "\n" + strings.Join(d.Details, "\n")
			if d.Verdict != c.verdict || !slices.Equal(d.Options, c.options) {
				t.Errorf("verdict %s with options %v, want %s with %v: %s", d.Verdict, d.Options, c.verdict,
					c.options, all)
			}
			for _, w := range c.words {
				if !strings.Contains(all, w) {
					t.Errorf("%q lacks %q", all, w)
				}
			}
			for _, w := range c.not {
				if strings.Contains(all, w) {
					t.Errorf("%q holds %q", all, w)
				}
			}
			if real := !in.Run.Rehearsal; d.RealDevice != (real && len(in.Results) > 0) {
				t.Errorf("RealDevice = %v", d.RealDevice)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	for in, want := range map[float64]string{0: "0.00 ns", 999: "999 ns", 999.6: "1.00 µs", 1e3: "1.00 µs",
		123456: "123 µs", 8.127e6: "8.13 ms",
		14.98e6: "15.0 ms", 9.996e6: "10.0 ms", 1.2345e9: "1.23 s", 99.96e9: "100 s"} {
		if got := words.Nanoseconds(in); got != want && !(in == 0 && got == "0 ns") {
			t.Errorf("words.Nanoseconds(%v) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[float64]string{2415126: "2.42 MB", 8911656: "8.91 MB", 512: "512 B", 4e9: "4.00 GB"} {
		if got := words.Bytes(in); got != want {
			t.Errorf("words.Bytes(%v) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[float64]string{1154: "1150", 43.72: "43.7", 0.0123: "0.0123", 0.99951: "1.00",
		12345678: "1.23e+07"} {
		if got := words.Digits(in); got != want {
			t.Errorf("words.Digits(%v) = %q, want %q", in, got, want)
		}
	}
}
