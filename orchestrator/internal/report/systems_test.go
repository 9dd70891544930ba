package report

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"chexp/experiments/judge"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

// The answer over systems names of each the best option, its budgets with how far
// inside the limit it is, and its price where the numbers are of a real device and VALID.
func TestOverSystems(t *testing.T) {
	p50 := func(limit float64, text string) judge.Budget {
		return judge.Budget{Metric: judge.P50, Op: "<", Limit: limit, Text: text}
	}
	size := judge.Budget{Metric: judge.Size, Op: "<", Limit: 5e6, Text: "size < 5 MB"}
	system := func(name string, price, median float64, budgets ...judge.Budget) *run {
		r := newRun(static)
		r.Run.System, r.Run.PricePerHour, r.Budgets = name, price, budgets
		r.add(static, cpu, 4, 1, 1, 200, median)
		return r
	}
	tables := func(runs ...*run) (all []*findings.Table) {
		for _, r := range runs {
			all = append(all, findings.Build(r.Input))
		}
		return all
	}
	phone := system("phone", 0, 8*ms, size, p50(15*ms, "p50 < 15 ms"))
	server := system("server", 0.72, 2*ms, p50(3*ms, "p50 < 3 ms"))
	dear := system("dear", 7.2, 2*ms, p50(3*ms, "p50 < 3 ms"))
	slow := system("slow", 0.01, 30*ms, size, p50(15*ms, "p50 < 15 ms"))
	a := findings.Over(tables(phone, server, dear, slow))
	for _, want := range []string{"3 of 4 systems can meet their budgets: phone, server, dear.",
		"Of those with a price, server costs least: 0.4"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("%q lacks %q", a.Text, want)
		}
	}
	for i, want := range []string{
		"food-int8-static on cpu meets every budget: size < 5 MB met (2.42 MB, 52 % below the limit), " +
			"p50 < 15 ms met (7.96 ms, 47 % below",
		"at 0.720 per hour and ", "at 7.20 per hour and ",
		"No option meets every budget; food-int8-static on cpu meets the most: size < 5 MB met (2.42 MB, 52 % below the " +
			"limit), p50 < 15 ms NOT met (",
	} {
		if !strings.Contains(a.Systems[i].Text, want) {
			t.Errorf("%q lacks %q", a.Systems[i].Text, want)
		}
	}
	s := a.Systems[1]
	if s.PricePerMillion == nil || math.Abs(*s.PricePerMillion-0.72/3600/(*s.InputsPerS)*1e6) > 1e-9 ||
		*s.PricePerMillion < 0.38 || *s.PricePerMillion > 0.42 { // 0.72 an hour buys 3600 s at 500 a second
		t.Errorf("%+v", s)
	}
	if m := a.Systems[3].Budgets[1].Margin; m == nil || *m > -0.9 || a.Systems[3].Next == "" {
		t.Errorf("%+v", a.Systems[3])
	}
	var b strings.Builder
	if err := page.Systems(&b, a); err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("CHEXP_PAGE_SYSTEMS"); path != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := b.String()
	answer, table := strings.Index(text, words.Tie(a.Text)[:20]), strings.Index(text, "<table")
	cost := strings.Index(text, `id="cost"`)
	if answer < 0 || answer > table || table > cost || strings.Count(text, "<circle") != 3 { // phone has no price
		t.Errorf("the answer at %d, the table at %d, the picture at %d in\n%s", answer, table, cost, text)
	}
	b.Reset()
	if err := page.Run(&b, findings.Build(server.Input)); err != nil || !strings.Contains(b.String(), `id="cost"`) {
		t.Errorf("a run with a price has no picture of it: %v", err)
	}
	b.Reset()
	if err := page.Run(&b, findings.Build(phone.Input)); err != nil || strings.Contains(b.String(), `id="cost"`) {
		t.Errorf("a run without a price has a picture of it: %v", err)
	}
	for name, change := range map[string]func(*run){
		"rehearsal": func(r *run) { r.Run.Rehearsal = true },
		"emulated":  func(r *run) { r.Results[0].Device.Emulated = "qemu" },
	} {
		r := system("phone", 1, 8*ms, size, p50(15*ms, "p50 < 15 ms"))
		change(r)
		a := findings.Over(tables(r))
		data, err := json.Marshal(a)
		if err != nil || !strings.HasPrefix(a.Text, "No real device measured this") ||
			strings.Contains(a.Systems[0].Text, "ms,") || strings.Contains(string(data), "per_million") {
			t.Errorf("%s: %s, %v", name, data, err)
		}
	}
}
