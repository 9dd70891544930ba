package report

import (
	"bytes"
	"encoding/csv"
	"math"
	"strings"
	"testing"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

// accurate is a run of two models whose right answers are given.
func accurate(right ...int) *run {
	r := newRun(fp32, static)
	r.Budgets = []judge.Budget{{Metric: judge.Accuracy, Op: ">=", Limit: 0.9, Text: "accuracy >= 90 %"}}
	for i, m := range []trial.Model{fp32, static} {
		res := r.add(m, cpu, 4, 1, 1, 700, 20*ms)
		res.Accuracy = trial.Read(trial.Accuracy{Data: "made up for the tests", Pictures: 500, Right: right[i],
			Top1: 1, Threads: 4,
			Agreement: trial.Read(trial.Agreement{Reference: "food-fp32 on cpu", Pictures: 500, Same: 450,
				Cosine: 0.99, MaxError: 1.5})})
	}
	return r
}

func shown(t *testing.T, table *findings.Table) string {
	t.Helper()
	var b bytes.Buffer
	if err := Terminal(&b, table, 160, false, true); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAccuracyInTheTable(t *testing.T) {
	table := findings.Build(accurate(475, 420).Input)
	text := shown(t, table)
	for _, want := range []string{"top-1 % (95 %)", "95.0 (92.7-96.7)", "84.0 (80.5-87.1)", "agrees %, cos",
		"90.0, 0.9900", "made up for the tests", "exact (Clopper-Pearson)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for i, want := range []judge.Verdict{judge.Met, judge.NotMet} {
		v := table.Rows[i].Answers[0]
		if v.Verdict != want {
			t.Errorf("row %d: %+v", i, v)
		}
	}
	if v := findings.Build(accurate(455, 452).Input).Rows[0].Answers[0]; v.Verdict != judge.Undecided ||
		v.More == nil || v.More.Of != "picture" {
		t.Errorf("91 %% of 500 against 90 %% is UNDECIDED: %+v", v)
	}
	var b bytes.Buffer
	if err := CSV(&b, table); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, head := range lines[0] {
		got[head] = lines[1][i]
	}
	if got["accuracy_right"] != "475" || got["accuracy_top1"] != "0.95" || got["agreement_same"] != "450" ||
		got["agreement_max_error"] != "1.5" {
		t.Errorf("CSV %v", got)
	}
}

// Without the accuracy section nothing speaks of it.
func TestNoAccuracyNoColumn(t *testing.T) {
	text := shown(t, findings.Build(tutorial().Input))
	if strings.Contains(text, "top-1") || strings.Contains(text, "agrees") {
		t.Errorf("accuracy was not asked for:\n%s", text)
	}
}

// What a device says about accuracy is counted again or refused.
func TestHostileAccuracy(t *testing.T) {
	for name, change := range map[string]func(*trial.Accuracy){
		"more right than there are": func(a *trial.Accuracy) { a.Right = 501 },
		"none":                      func(a *trial.Accuracy) { a.Pictures = 0 },
		"negative":                  func(a *trial.Accuracy) { a.Right = -1 },
		"very many":                 func(a *trial.Accuracy) { a.Pictures = math.MaxInt },
	} {
		r := accurate(475, 475)
		a, _ := r.Results[0].Accuracy.Get()
		change(&a)
		r.Results[0].Accuracy = trial.Read(a)
		row := findings.Build(r.Input).Rows[0]
		if row.Accuracy.Unavailable == "" || row.Answers[0].Verdict != judge.Unknown {
			t.Errorf("%s: %+v, %+v", name, row.Accuracy, row.Answers[0])
		}
	}
	r := accurate(475, 475)
	a, _ := r.Results[0].Accuracy.Get()
	a.Data, a.Interval = "x\x1b[31m", trial.Interval{Low: 2, High: 3}
	a.Agreement = trial.Read(trial.Agreement{Pictures: 1, Same: 2})
	r.Results[0].Accuracy = trial.Read(a)
	r.Results[1].Accuracy = trial.Unread[trial.Accuracy]("the process was killed")
	table := findings.Build(r.Input)
	got, _ := table.Rows[0].Accuracy.Get()
	if got.Interval.High > 1 || got.Agreement.Unavailable == "" || strings.Contains(got.Data, "\x1b") {
		t.Errorf("%+v", got)
	}
	if text := shown(t, table); !strings.Contains(text, "No accuracy: the process was killed") {
		t.Errorf("the reason is missing:\n%s", text)
	}
}

// The page draws accuracy against latency, with the least that a budget asks for, and
// nothing where no accuracy was measured.
func TestAccuracyAgainstLatency(t *testing.T) {
	drawn := func(r *run) string {
		var b bytes.Buffer
		if err := page.Run(&b, findings.Build(r.Input)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	got := drawn(accurate(475, 420))
	at := strings.Index(got, "Accuracy against latency")
	if at < 0 {
		t.Fatal("no picture")
	}
	figure, _, _ := strings.Cut(got[at:], "</figure>")
	for what, want := range map[string]int{"<circle": 2, "accuracy &gt;= 90 %": 1, `class="region"`: 1, "NaN": 0} {
		if n := strings.Count(figure, what); n != want {
			t.Errorf("%q is there %d times, want %d", what, n, want)
		}
	}
	if r := newRun(fp32); strings.Contains(drawn(r), "Accuracy against latency") {
		t.Error("a picture of what was not measured")
	}
}
