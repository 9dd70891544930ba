package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

// poison is what a device could send in any text field.
const poison = "=HYPERLINK(\"http://evil.example\")<script>alert(1)</script><img src=x onerror=alert(1)> {{.}} " +
	"\x1b[31mred\x1b]0;title\x07 \u202eesrever\u200b |cell| [link](javascript:alert(1)) " +
	"![i](http://evil.example/x.png) `code` **bold** @everyone \r\nBenchmarkFake 1 1 ns/op\x00\xff"

// hostile is a run whose device lies in every field that it fills.
func hostile() findings.Input {
	r := newRun(static, dynamic)
	r.Run.Note = poison
	r.Budgets = append(r.Budgets[:2:2], judge.Budget{Metric: judge.P99, Op: "<", Limit: 2e7, Text: poison})
	a := r.add(static, cpu, 4, 1, 1, 100, 9*ms)
	a.Runtime = trial.Runtime{Name: poison, Version: poison, BuildInfo: strings.Repeat(poison, 1000),
		Providers: []string{poison, poison}}
	a.Agent = trial.Agent{Version: poison, OS: poison, Arch: poison, SHA256: poison}
	a.Device = trial.Device{Model: trial.Read(poison), CPU: trial.Read(poison), Kernel: trial.Unread[string](poison),
		Emulated: poison,
		Governor: trial.Reading[string]{}, Temperature: trial.Read(math.Inf(1)),
		ClockHz: trial.Read(int64(math.MinInt64)), Cores: -1}
	a.Blocks = []trial.Block{{Round: math.MinInt, Turn: math.MaxInt, N: 50, Conditions: &trial.Conditions{DurationNS: 1,
		Firmware: trial.Read(poison), Outside: trial.Read(math.NaN()), Steal: trial.Unread[float64](poison)}},
		{Round: 1, Turn: -7, First: 50, N: 50}}
	a.Placement = trial.Read(trial.Placement{Nodes: 9,
		Providers: []trial.ProviderShare{{Provider: poison, Nodes: 9, TimeNS: 1}},
		Operators: []trial.OperatorsShare{{Operator: poison, Provider: poison, Nodes: -1, TimeNS: math.MinInt64}}})
	a.Harness = trial.Read(trial.Harness{NullNS: math.MinInt64, NullCNS: trial.Unread[int64](poison), Calls: -1})
	a.Device.Roof = trial.Read(trial.Roof{Cores: -1, FloatPerCycle: math.Inf(1), Source: poison})
	a.Device.Board, a.Device.Cmdline, a.Device.Features = trial.Read(poison), trial.Unread[string](poison),
		trial.Read([]string{poison})
	a.Model.Work = trial.Read(trial.Work{Float: math.MinInt64})
	a.Summary.P99NS = trial.Unread[float64](poison)
	a.PeakMemoryBytes = trial.Read(int64(-5))
	b := r.add(dynamic, cpu, 4, 1, 1, 100, 9*ms)
	b.Outcome, b.Reasons = trial.Failed, nil
	for range 1000 {
		b.Reasons = append(b.Reasons, trial.Reason{Code: poison, Text: poison, Next: poison})
	}
	c := r.add(dynamic, acl, 4, 1, 1, 100, 9*ms)
	c.Outcome, c.Model.SHA256, c.RunID, c.Provider.Name = trial.Outcome(poison), poison, poison, poison
	d := r.add(dynamic, cpu, 4, 8, 1, 100, 9*ms) // lies about its own numbers
	d.Summary.MedianNS, d.Summary.P95NS, d.Summary.N = 1, trial.Read(math.NaN()), math.MaxInt
	e := r.add(dynamic, cpu, 4, 16, 1, 3, 9*ms)
	e.LatenciesNS = []int64{math.MinInt64, 0, math.MaxInt64}
	foreign := *a
	foreign.TrialID = poison
	r.Results = append(r.Results, nil, &foreign)
	return r.Input
}

func TestHostile(t *testing.T) {
	for _, planned := range []bool{true, false} {
		in := hostile()
		if !planned {
			in.Plan = nil
			in.Results[0].Model.Name, in.Results[0].Model.Origin = poison, poison
			in.Results[0].Threads, in.Results[0].Batch = -3, math.MinInt
		}
		table := findings.Build(in)
		for _, r := range renderers {
			var out bytes.Buffer
			if err := r.render(&out, table); err != nil {
				t.Fatalf("%s: %v", r.suffix, err)
			}
			s := out.String()
			if out.Len() > 1<<20 {
				t.Errorf("%s: %d bytes: not bounded", r.suffix, out.Len())
			}
			if !utf8.ValidString(s) {
				t.Errorf("%s: not UTF-8", r.suffix)
			}
			if r.suffix != "color.txt" && strings.ContainsRune(s, 0x1b) {
				t.Errorf("%s: holds an escape character", r.suffix)
			}
			for _, c := range s {
				if c != '\n' && c != 0x1b && !(c == 0xa0 && r.suffix == "html") && !unicode.IsPrint(c) {
					t.Errorf("%s: holds %U", r.suffix, c)
					break
				}
			}
			for _, line := range strings.Split(s, "\n") {
				if strings.HasPrefix(line, "BenchmarkFake") {
					t.Errorf("%s: a device's text became a line of its own", r.suffix)
				}
			}
		}
		if table.Decision.RealDevice {
			t.Error("the decision is about a real device though the processor is emulated")
		}
	}
}

func TestHostileHTML(t *testing.T) {
	var out bytes.Buffer
	if err := page.Run(&out, findings.Build(hostile())); err != nil {
		t.Fatal(err)
	}
	s := strings.ToLower(out.String())
	for _, bad := range []string{"<script", "<img", "<iframe", "<link", "<object", "@import", "url(", "href=\"http",
		"zgotmplz"} {
		if strings.Contains(s, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if !strings.Contains(s, "&lt;script&gt;alert(1)") {
		t.Error("the hostile text is not on the page at all: this test shows nothing")
	}
}

func TestHostileMarkdown(t *testing.T) {
	var out bytes.Buffer
	if err := Markdown(&out, findings.Build(hostile())); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`<script`, `<img`, `[^\\]\]\(`, `http://`, `@`, `[^\\]\|cell`, "[^\\\\]`",
		`[^\\]\*bold`} {
		if found := regexp.MustCompile(bad).FindString(out.String()); found != "" {
			t.Errorf("the Markdown holds %q", found)
		}
	}
}

func TestHostileCSV(t *testing.T) {
	in := hostile()
	in.Plan = nil
	var out bytes.Buffer
	if err := CSV(&out, findings.Build(in)); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	quoted := 0
	for _, line := range lines {
		for _, field := range line {
			if strings.HasPrefix(field, "'=") {
				quoted++
			}
			if field != "" && strings.ContainsRune("=+@", rune(field[0])) {
				t.Errorf("a spreadsheet would run %q", field)
			}
		}
	}
	if quoted == 0 {
		t.Error("no field had to be disarmed: this test shows nothing")
	}
}

func TestCSVText(t *testing.T) {
	for in, want := range map[string]string{"=1+1": "'=1+1", " =1+1": "' =1+1", "-x": "'-x", "@a": "'@a",
		"+a": "'+a", "a=b": "a=b", "": ""} {
		if got := csvText(in); got != want {
			t.Errorf("csvText(%q) = %q, want %q", in, got, want)
		}
	}
}

// JSON must be readable again and hold the promise of its keys.
func TestJSONKeys(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(&out, findings.Build(tutorial().Input)); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema   string
		Decision struct{ Options []string }
		Rows     []map[string]json.RawMessage
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != findings.Schema || len(doc.Rows) != 12 {
		t.Fatalf("schema %q with %d rows", doc.Schema, len(doc.Rows))
	}
	for _, key := range []string{"trial", "model", "provider", "threads", "batch", "model_bytes", "n", "p50_ns",
		"p95_ns", "p99_ns",
		"throughput_per_s", "outcome", "verdicts"} {
		if _, ok := doc.Rows[0][key]; !ok {
			t.Errorf("a row lacks %q", key)
		}
	}
}
