package report

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/options"
	"chexp/orchestrator/internal/report/page"
)

func comparison(t *testing.T, table *findings.Table, text string) options.Ratio {
	t.Helper()
	for _, c := range table.Ratios {
		if strings.HasPrefix(c.Text, text) {
			return c
		}
	}
	t.Fatalf("no comparison %q in %+v", text, table.Ratios)
	return options.Ratio{}
}

var interval = regexp.MustCompile(`^food-int8-static is 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] times food-fp32 on cpu$`)

// Of the tutorial's run the ratios are those that were put in, and say so; every
// one is against the option that stands for the ordinary.
func TestComparisons(t *testing.T) {
	table := findings.Build(tutorial().Input)
	static := comparison(t, table, "food-int8-static is ")
	if !interval.MatchString(static.Text) || !static.Differs || static.Ratio < 0.355 || static.Ratio > 0.37 {
		t.Errorf("%+v", static)
	}
	provider := comparison(t, table, "acl is 0.9")
	if !strings.HasSuffix(provider.Text, "] times cpu on food-fp32") || provider.Axis != "provider" ||
		provider.Option != "B" || provider.Base != "A" {
		t.Errorf("%+v", provider)
	}
	for _, c := range table.Ratios {
		if c.Option == "D" || c.Base == "D" {
			t.Errorf("what the CPU provider ran is compared as acl: %s", c.Text)
		}
	}
}

func TestNoDifferenceIsSaid(t *testing.T) {
	r := newRun(fp32, static)
	for rep := 1; rep <= 2; rep++ {
		r.add(fp32, cpu, 4, 1, rep, 300, 8*ms)
		r.add(static, cpu, 4, 1, rep, 300, 8*ms)
	}
	table := findings.Build(r.inTurns(25).Input)
	c := table.Ratios[0]
	if c.Differs || !strings.HasSuffix(c.Text, "times food-fp32 on cpu: no difference shown") || c.Starts != 2 ||
		c.Pairs != 24 {
		t.Errorf("%+v", c)
	}
	if n := content.RatiosNote(table); !strings.Contains(n, "two process starts") {
		t.Errorf("%q", n)
	}
}

// A drift that makes every trial INVALID is in no ratio, and the sentence says
// what the trials are.
func TestDriftIsInNoRatio(t *testing.T) {
	r := newRun(fp32, static)
	r.add(fp32, cpu, 4, 1, 1, 500, 10*ms)
	r.add(static, cpu, 4, 1, 1, 500, 8*ms)
	for _, res := range r.inTurns(25).Results {
		retime(res, climbing)
	}
	table := findings.Build(r.Input)
	c := table.Ratios[0]
	if c.Ratio < 0.78 || c.Ratio > 0.82 || !c.Differs || !strings.Contains(c.Text, "(both are INVALID: drift)") {
		t.Errorf("%+v", c)
	}
}

// Results without blocks have a ratio without an interval.
func TestNotInTurns(t *testing.T) {
	r := newRun(fp32)
	r.add(fp32, cpu, 1, 1, 1, 200, 10*ms)
	r.add(fp32, cpu, 4, 1, 1, 200, 4*ms)
	table := findings.Build(r.Input)
	want := "4 threads take 0.402 times as long as 1 for food-fp32 on cpu (no interval: they were not measured in " +
		"turns)"
	if got := table.Ratios[0].Text; got != want {
		t.Errorf("%q", got)
	}
	var html bytes.Buffer
	if err := page.Run(&html, table); err != nil {
		t.Fatal(err)
	}
	turns := strings.Contains(html.String(), `class="plot turns"`) ||
		!strings.Contains(html.String(), "They were not measured in turns.")
	if table.Ratios[0].Differs || len(table.Spreads) != 0 || turns {
		t.Errorf("%+v", table.Ratios[0])
	}
}

// Blocks that contradict the latencies are a doubt.
func TestBlocksThatContradict(t *testing.T) {
	r := newRun(static)
	res := r.add(static, cpu, 4, 1, 1, 100, 8*ms)
	res.Blocks = []trial.Block{{Round: 1, Turn: 1, First: 0, N: 50}, {Round: 2, Turn: 2, First: 40, N: 60}}
	row := findings.Build(r.Input).Rows[0]
	if len(row.Doubts) != 1 || !strings.HasPrefix(row.Doubts[0], "block 2 of 2 holds latencies 40 to 99 of 100") {
		t.Errorf("%v", row.Doubts)
	}
}

// fallback is a run whose acl trial the CPU provider ran, with a median that
// nothing else has and a budget that it would meet.
func fallback() *run {
	r := newRun(static)
	r.Budgets = []judge.Budget{{Metric: judge.P50, Op: "<", Limit: 7 * ms, Text: "p50 < 7 ms"},
		{Metric: judge.Throughput, Op: ">", Limit: 1, Text: "throughput > 1 /s"}}
	r.add(static, cpu, 4, 1, 1, 700, 8*ms)
	res := r.add(static, acl, 4, 1, 1, 700, 6.123*ms)
	res.Placement = trial.Read(placements68["food-int8-static acl"])
	return r
}

// In no renderer stands another provider's latency under the name of the one
// that was asked for, and no budget or decision is taken from it.
func TestFallbackIsNobodysLatency(t *testing.T) {
	table := findings.Build(fallback().Input)
	row := table.Rows[1]
	if row.Validity != stats.Invalid || row.P50.Value != nil || row.Throughput.Value != nil ||
		row.Answers[0].Verdict != judge.Unknown || row.Answers[1].Verdict != judge.Unknown {
		t.Fatalf("%s, p50 %+v, %+v", row.Validity, row.P50, row.Answers)
	}
	if d := table.Decision; d.Verdict != judge.NoneMeets && d.Verdict != judge.NoneKnown ||
		slices.Contains(d.Options, "B") || d.Fastest == "B" {
		t.Errorf("%+v", d)
	}
	s := row.Sample.Summary(1)
	p95, _ := s.P95NS.Get()
	numbers := []string{words.Digits(s.MedianNS / ms), fmt.Sprintf("%.0f", s.MedianNS), fmt.Sprintf("%.0f", p95),
		fmt.Sprint(s.MinNS)}
	shows := func(text string) (found []string) {
		return slices.DeleteFunc(slices.Clone(numbers), func(n string) bool { return !strings.Contains(text, n) })
	}
	for _, r := range renderers {
		var out bytes.Buffer
		if err := r.render(&out, table); err != nil {
			t.Fatal(err)
		}
		s := out.String()
		if found := shows(s); len(found) > 0 {
			t.Errorf("%s shows numbers of the fallback: %v", r.suffix, found)
		}
		if r.suffix != "bench.txt" && !strings.Contains(s, "not an ACL result") {
			t.Errorf("%s does not say that it is no ACL result", r.suffix)
		}
	}
	// The same run with its nodes on acl shows what the test looks for.
	r := fallback()
	r.Results[1].Placement = trial.Read(onProviders(on("acl", "QLinearConv", 68, 100)))
	var csv, text bytes.Buffer
	if err := errors.Join(CSV(&csv, findings.Build(r.Input)),
		Terminal(&text, findings.Build(r.Input), 0, false, false)); err != nil ||
		len(shows(csv.String()+text.String())) != len(numbers) {
		t.Errorf("this test shows nothing: %v of %v", shows(csv.String()+text.String()), numbers)
	}
}

// Most of the time elsewhere: SUSPECT, and the table says how much.
func TestPartlyOnProvider(t *testing.T) {
	r := newRun(static)
	res := r.add(static, acl, 4, 1, 1, 700, 6*ms)
	res.Placement = trial.Read(onProviders(on("cpu", "QLinearConv", 52, 95), on("acl", "Conv", 16, 5)))
	table := findings.Build(r.Input)
	if row := table.Rows[0]; row.Validity != stats.Suspect || content.Validity(row).Full() != "SUSPECT: provider" {
		t.Errorf("%s %q", row.Validity, content.Validity(row).Full())
	}
	p := table.Placements[0]
	if p.Truth != "16 of 68 nodes, 5 % of the time" || p.Wrong || !slices.Equal(p.Left, []string{"52 QLinearConv"}) {
		t.Errorf("%+v", p)
	}
}

// A result that is faster than the processor can be is INVALID.
func TestBeyondTheRoof(t *testing.T) {
	r := tutorial()
	for _, res := range r.Results {
		res.Device.Roof = trial.Read(trial.Roof{Cores: 1, ClockHz: 1_000_000_000, FloatPerCycle: 4, IntegerPerCycle: 8})
	}
	table := findings.Build(r.Input)
	if row := table.Rows[0]; row.Validity != stats.Invalid || content.Validity(row).Full() != "INVALID: physics" ||
		table.Decision.Verdict != judge.NoResults {
		t.Errorf("%s %q, %+v", row.Validity, content.Validity(row).Full(), table.Decision)
	}
	if len(table.Ratios) > 0 {
		t.Errorf("impossible latencies are compared: %+v", table.Ratios[0])
	}
}

func TestSpreads(t *testing.T) {
	table := findings.Build(tutorial().Input)
	if len(table.Spreads) != 4 {
		t.Fatalf("%d options have a spread, want those with a result", len(table.Spreads))
	}
	s := table.Spreads[0]
	if len(s.Components) != 3 || s.Components[0].Level != "process start" || s.Components[0].Groups != 2 ||
		!strings.Contains(s.Text, "food-fp32 on cpu: 2 process starts differ by ") {
		t.Errorf("%+v", s)
	}
}

// Two options whose medians' intervals overlap, because everything drifts, are
// told apart by their turns; equal ones are not.
func TestFastestIsToldByTurns(t *testing.T) {
	for factor, want := range map[float64]bool{1.03: false, 1: true} {
		r := newRun(fp32, static)
		r.Budgets = nil
		r.add(fp32, cpu, 4, 1, 1, 600, 8*factor*ms)
		r.add(static, cpu, 4, 1, 1, 600, 8*ms)
		r.inTurns(25)
		for _, res := range r.Results {
			retime(res, func(i, n int) float64 { return 1 + 0.12*float64(i)/float64(n) })
		}
		table := findings.Build(r.Input)
		if got := strings.Contains(table.Decision.Text, "cannot tell it from"); got != want {
			t.Errorf("options %v apart: %q", factor, table.Decision.Text)
		}
		if a, b := table.Rows[0], table.Rows[1]; !(*a.P50Low.Value <= *b.P50High.Value) {
			t.Errorf("the intervals do not overlap: this test shows nothing: %v to %v, %v to %v", *a.P50Low.Value,
				*a.P50High.Value, *b.P50Low.Value, *b.P50High.Value)
		}
	}
}
