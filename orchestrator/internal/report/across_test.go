package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chexp/experiments/compare"
	"chexp/experiments/compare/simulated"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

// class hands over the runs of a simulated class, as the command does.
func class(label string, c simulated.Class) compare.Group {
	g := compare.Group{Label: label}
	for _, r := range c.All() {
		in := findings.Input{Plan: r.Plan, Results: r.Results, Budgets: twoBudgets, Run: findings.Run{ID: r.Plan.RunID}}
		run := findings.Evidence(in)
		run.Device = r.Device
		g.Runs = append(g.Runs, run)
	}
	return g
}

// sevenBoards has something of everything: a slow board with another firmware
// setting, an INVALID trial, a failed one, an emulated run.
func sevenBoards(seed uint64, factor float64) simulated.Class {
	c := simulated.Quiet(seed, 7, 15)
	c.Starts, c.Day = 2, int(7*(seed-1))
	c.Factor = func(device, _ int) float64 {
		if device == 4 {
			return 1.25 * factor
		}
		return factor
	}
	c.Change = func(run int, r *trial.Result) {
		if run%7 == 4 {
			r.Device.Cmdline = trial.Read("console=tty1 root=PARTUUID=51-02")
		} else {
			r.Device.Cmdline = trial.Read("numa=fake=4 numa_policy=interleave root=PARTUUID=4711-02")
		}
		switch {
		case run == 2 && r.Model.Name == "sim-a":
			for i := range len(r.LatenciesNS) / 2 {
				r.LatenciesNS[i] *= 2
			}
			r.Summary = stats.NewSample(r.LatenciesNS).Summary(1)
		case run == 3 && r.Repetition == 2:
			failed(r, trial.Failed, "runner_crashed", "the runner was killed (simulated)", "")
			r.Blocks = nil
		case run == 9: // something else ran beside it
			for i, b := range r.Blocks {
				r.Blocks[i].Conditions = &trial.Conditions{DurationNS: int64(b.N) * 8e6, Outside: trial.Read(0.4)}
			}
		case run == 14:
			r.Device.Emulated = "qemu-aarch64"
		}
		if seed == 2 {
			r.Runtime.Version = "1.1"
		}
	}
	return c
}

var comparisons = map[string]func() *compare.Comparison{
	"across": func() *compare.Comparison { return compare.Runs([]compare.Group{class("", sevenBoards(1, 1))}, 1) },
	"groups": func() *compare.Comparison {
		return compare.Runs([]compare.Group{class("before", sevenBoards(1, 1)), class("after", sevenBoards(2, 0.94)),
			class("again", sevenBoards(3, 1))}, 1)
	},
	"two-devices": func() *compare.Comparison {
		return compare.Runs([]compare.Group{class("", simulated.Quiet(1, 2, 4))}, 1)
	},
	"nothing": func() *compare.Comparison { return compare.Runs([]compare.Group{{}}, 1) },
}

func TestComparisonGolden(t *testing.T) {
	for name, make := range comparisons {
		c := make()
		for suffix, render := range map[string]func(*bytes.Buffer) error{
			"100.txt": func(b *bytes.Buffer) error { return ComparisonText(b, c, 100, false) },
			"html":    func(b *bytes.Buffer) error { return page.Comparison(b, c) },
			"csv":     func(b *bytes.Buffer) error { return ComparisonCSV(b, c) },
		} {
			var got bytes.Buffer
			if err := render(&got); err != nil {
				t.Fatal(err)
			}
			golden(t, "comparison-"+name+"."+suffix, got.Bytes())
		}
	}
}

func TestComparisonFits(t *testing.T) {
	for name, make := range comparisons {
		c := make()
		for _, width := range []int{80, 100, 140} {
			var got bytes.Buffer
			if err := ComparisonText(&got, c, width, false); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(got.String(), "\n") {
				if n := utf8.RuneCountInString(line); n > width {
					t.Errorf("%s: %d columns in a terminal of %d: %q", name, n, width, line)
				}
			}
		}
	}
}

// Long names and many budgets still fit into 100 columns.
func TestComparisonOfLongNamesFits(t *testing.T) {
	c := sevenBoards(1, 1)
	change := c.Change
	const long = "mobilenetv2-quantized-aggressive-food-classifier-0123456789"
	c.Change = func(run int, r *trial.Result) {
		change(run, r)
		r.Model.Name += "-" + long
	}
	g := compare.Group{}
	for _, r := range c.All() {
		for i := range r.Plan.Models {
			r.Plan.Models[i].Name += "-" + long
		}
		for i := range r.Plan.Trials {
			r.Plan.Trials[i].Model += "-" + long
		}
		run := findings.Evidence(findings.Input{Plan: r.Plan, Results: r.Results, Budgets: twoBudgets,
			Run: findings.Run{ID: r.Plan.RunID}})
		run.Device = strings.Repeat("nyu-rpi5-", 6) + r.Device
		g.Runs = append(g.Runs, run)
	}
	for _, groups := range [][]compare.Group{{g}, {{Label: "before", Runs: g.Runs[:7]},
		{Label: "after", Runs: g.Runs[7:]}}} {
		var got bytes.Buffer
		if err := ComparisonText(&got, compare.Runs(groups, 1), 100, false); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(got.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > 100 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
	}
}

// Whatever devices say of themselves reaches neither the terminal nor the page
// as more than text.
func TestHostileFactsInComparison(t *testing.T) {
	const evil = "\x1b[2J<script>alert(1)</script>\u202eabc\x00"
	c := simulated.Quiet(1, 3, 3)
	c.Change = func(run int, r *trial.Result) {
		bad := trial.Read(fmt.Sprintf("%s%d%s", evil, run, strings.Repeat("x", 100_000)))
		r.Device.Kernel, r.Device.Governor, r.Device.Board = bad, bad, bad
		r.Runtime.Version, r.Runtime.BuildInfo, r.Agent.Version, r.Agent.SHA256 = *bad.Value, *bad.Value, *bad.Value,
			*bad.Value
		r.Device.CPU, r.Device.Cmdline = bad, bad
		r.Device.Quota = trial.Read(math.Inf(1))
		if run == 1 {
			failed(r, trial.Failed, evil, *bad.Value, evil)
		}
	}
	x := compare.Runs([]compare.Group{class("", c)}, 1)
	if len(x.Rows) == 0 || len(x.Problems) == 0 {
		t.Fatalf("%d rows, %d problems", len(x.Rows), len(x.Problems))
	}
	var text, html, doc bytes.Buffer
	if err := ComparisonText(&text, x, 100, false); err != nil {
		t.Fatal(err)
	}
	if err := page.Comparison(&html, x); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(&doc).Encode(x); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*bytes.Buffer{"terminal": &text, "page": &html, "JSON": &doc} {
		for _, bad := range []string{"\x1b", "\x00", "\u202e", `\u001b`} {
			if strings.Contains(b.String(), bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
		if b.Len() > 200_000 {
			t.Errorf("%s is %d bytes long", name, b.Len())
		}
	}
	if strings.Contains(html.String(), "<script>") {
		t.Error("the page holds a script")
	}
}

// A class of 190 students with 18 trials each, from raw results to the page.
func BenchmarkClass(b *testing.B) {
	c := simulated.Quiet(1, 7, 190)
	c.Models, c.Threads, c.Starts = 3, []int{1, 2, 4}, 2
	runs := c.All()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		g := compare.Group{}
		start := time.Now()
		for _, r := range runs {
			run := findings.Evidence(findings.Input{Plan: r.Plan, Results: r.Results, Budgets: twoBudgets,
				Run: findings.Run{ID: r.Plan.RunID}})
			run.Device = r.Device
			g.Runs = append(g.Runs, run)
		}
		judged := time.Now()
		x := compare.Runs([]compare.Group{g}, 1)
		compared := time.Now()
		var out bytes.Buffer
		if err := page.Comparison(&out, x); err != nil {
			b.Fatal(err)
		}
		if err := ComparisonText(&out, x, 100, false); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(judged.Sub(start).Seconds(), "s-judging")
		b.ReportMetric(compared.Sub(judged).Seconds(), "s-comparing")
		b.ReportMetric(time.Since(compared).Seconds(), "s-drawing")
		b.ReportMetric(float64(len(x.Rows)), "rows")
		b.ReportMetric(float64(out.Len())/1e6, "MB-page")
	}
}
