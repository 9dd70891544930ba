package report

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

// retime gives a result other latencies, with a summary that agrees.
func retime(res *trial.Result, factor func(i, n int) float64) {
	for i, v := range res.LatenciesNS {
		res.LatenciesNS[i] = int64(float64(v) * factor(i, len(res.LatenciesNS)))
	}
	res.Summary = stats.NewSample(res.LatenciesNS).Summary(res.Batch)
}

func climbing(i, n int) float64 { return 1 + float64(i)/float64(n) }

// The board slows down to half its speed: the p50 is below the limit and yet
// decides nothing, but the trial is drawn, so that one can see why.
func TestInvalidDecidesNothing(t *testing.T) {
	r := newRun(static)
	retime(r.add(static, cpu, 4, 1, 1, 200, 8*ms), climbing)
	table := findings.Build(r.Input)
	row := table.Rows[0]
	if row.Validity != stats.Invalid || row.Valid() {
		t.Fatalf("the row is %s: %+v", row.Validity, row.Checks)
	}
	if v := row.Answers[1]; v.Verdict != judge.Unknown || !strings.HasPrefix(v.Why, "the result is INVALID: the last "+
		"third took ") {
		t.Errorf("the p50 is judged: %+v", v)
	}
	if v := row.Answers[0]; v.Verdict != judge.Met {
		t.Errorf("the size does not depend on latencies: %+v", v)
	}
	if d := table.Decision; d.Verdict != judge.NoResults || !strings.Contains(d.Text, "1 invalid") ||
		len(d.Options) > 0 {
		t.Errorf("decided: %+v", d)
	}
	var html bytes.Buffer
	if err := page.Run(&html, table); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(html.String(), `<figure class="card">`); n != 1 {
		t.Errorf("%d rows are drawn, want the INVALID one", n)
	}
	values, _ := readBench(t, table)
	for name := range values { // in a sample of their own
		if !strings.Contains(name, "/validity=INVALID") {
			t.Errorf("benchstat gets INVALID latencies without a mark: %s", name)
		}
	}
	marks := row.Marks["validity"]
	if len(marks) == 0 || !slices.Equal(row.Marks[findings.BudgetColumn(1)], marks[:1]) {
		t.Fatalf("validity has the notes %v, the budget %v", marks, row.Marks[findings.BudgetColumn(1)])
	}
	note := table.Notes[marks[0]-1].Text
	for _, part := range []string{"INVALID, drift: the last third took ", " %", "limit 5 %. ",
		"let the device cool down"} {
		if !strings.Contains(note, part) {
			t.Errorf("%q lacks %q", note, part)
		}
	}
}

// One INVALID repetition leaves its option open; another option still decides.
func TestInvalidRepetition(t *testing.T) {
	r := newRun(static)
	r.add(static, cpu, 4, 1, 1, 200, 8*ms)
	retime(r.add(static, cpu, 4, 1, 2, 200, 8*ms), climbing)
	r.add(static, acl, 4, 1, 1, 200, 9*ms)
	d := findings.Build(r.Input).Decision
	if d.Verdict != judge.SomeMeet || !slices.Equal(d.Options, []string{"B"}) {
		t.Errorf("%+v", d)
	}
}

// Few inferences: SUSPECT, one footnote for the validity, the p95 and the p99.
func TestFewInferences(t *testing.T) {
	r := newRun(static)
	r.add(static, cpu, 4, 1, 1, 6, 8*ms)
	r.add(static, cpu, 2, 1, 1, 12, 8*ms)
	table := findings.Build(r.Input)
	if len(table.Notes) != 1 {
		t.Fatalf("a short policy has the notes %+v", table.Notes)
	}
	want := "SUSPECT, sample size: 12 inferences, it takes 30 to see whether the trial was steady, 130 for a p95 and " +
		"662 for a p99 " +
		"(so or alike in 2 trials). Raise trials.min_runs or trials.min_time."
	if got := table.Notes[0].Text; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, row := range table.Rows {
		for _, column := range []string{"validity", "p95", "p99"} {
			if !slices.Equal(row.Marks[column], []int{1}) {
				t.Errorf("%s of %d inferences has the notes %v", column, row.N, row.Marks[column])
			}
		}
		if row.Validity != stats.Suspect || row.Answers[1].Verdict != judge.Met {
			t.Errorf("%s, %+v", row.Validity, row.Answers[1])
		}
	}
}

// Agents before the refusals wrote a p99 of 100 values; the report has today's
// rules for them, and checks.
func TestOldResult(t *testing.T) {
	r := newRun(static)
	res := r.add(static, cpu, 4, 1, 1, 100, 8*ms)
	res.Summary.P99NS = trial.Read(float64(stats.NewSample(res.LatenciesNS).Sorted()[98]))
	res.Summary.MedianInterval = trial.Reading[trial.Interval]{}
	row := findings.Build(r.Input).Rows[0]
	if len(row.Doubts) > 0 || row.Validity != stats.Valid || len(row.Checks) != 20 {
		t.Errorf("doubts %v, %s, %+v", row.Doubts, row.Validity, row.Checks)
	}
	if row.P99.Unavailable != "needs 662 inferences, has 100: 562 more" {
		t.Errorf("p99 %+v", row.P99)
	}
	if _, ok := row.P50Low.Get(); !ok {
		t.Error("the median has no interval")
	}
}

func TestUndecidedPercentile(t *testing.T) {
	r := newRun(static)
	res := r.add(static, cpu, 4, 1, 1, 1000, 8*ms)
	p95, _ := res.Summary.P95NS.Get()
	r.Budgets = []judge.Budget{{Metric: judge.P95, Op: "<", Limit: 1.001 * p95, Text: "p95 < x"},
		{Metric: judge.P95, Op: "<", Limit: 2 * p95, Text: "p95 < y"}}
	table := findings.Build(r.Input)
	v := table.Rows[0].Answers
	if v[0].Verdict != judge.Undecided || v[1].Verdict != judge.Met {
		t.Errorf("%+v", v)
	}
	if !strings.Contains(table.Notes[0].Text, "UNDECIDED: the limit of p95 < x lies within the 95 % interval") {
		t.Errorf("%+v", table.Notes)
	}
}

// Emulation is never VALID, whatever the sequence looks like.
func TestEmulatedIsSuspect(t *testing.T) {
	for _, row := range findings.Build(emulatedRun().Input).Rows {
		if row.Validity != stats.Suspect {
			t.Errorf("%s: %s", row.ID, row.Validity)
		}
	}
}

func TestValidityInCSV(t *testing.T) {
	r := newRun(static)
	r.add(static, cpu, 4, 1, 1, 200, 8*ms)
	retime(r.add(static, cpu, 2, 1, 1, 200, 8*ms), climbing)
	failed(r.add(static, cpu, 1, 1, 1, 200, 8*ms), trial.Failed, "timeout", "it hung", "")
	var out bytes.Buffer
	if err := CSV(&out, findings.Build(r.Input)); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at, checks := slices.Index(lines[0], "validity"), slices.Index(lines[0], "checks")
	got := map[string]string{}
	for _, line := range lines[1:] {
		got[line[slices.Index(lines[0], "threads")]] = line[at]
		if (line[at] == "INVALID") != strings.HasPrefix(line[checks], "INVALID, drift: ") {
			t.Errorf("%s: %q", line[at], line[checks])
		}
	}
	if got["4"] != "VALID" || got["2"] != "INVALID" || got["1"] != "" {
		t.Errorf("%v", got)
	}
}
