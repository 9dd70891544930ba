package report

import (
	"strings"
	"testing"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
)

// What stands above the table carries no number that nobody may rely on: none of an
// emulated processor or a rehearsal, no SUSPECT one, and none of a provider without
// its share of the nodes.
func TestHeadlineHasOnlySoundNumbers(t *testing.T) {
	placed := func(res *trial.Result, nodes int) {
		res.Placement = trial.Read(trial.Placement{Nodes: 68, Providers: []trial.ProviderShare{
			{Provider: "acl", Nodes: nodes, TimeNS: int64(nodes)},
			{Provider: "cpu", Nodes: 68 - nodes, TimeNS: int64(68 - nodes)}}})
	}
	one := func(change func(*run, *trial.Result)) *run {
		r := newRun(static)
		change(r, r.add(static, acl, 4, 1, 1, 200, 8*ms))
		return r
	}
	tight := []judge.Budget{{Metric: judge.P50, Op: "<", Limit: 1e6, Text: "p50 < 1 ms"},
		{Metric: judge.Size, Op: "<", Limit: 1e6, Text: "size < 1 MB"}}
	for _, c := range []struct {
		name  string
		in    *run
		words []string
		not   []string
		next  string
	}{
		{"VALID, with its share", one(func(_ *run, res *trial.Result) { placed(res, 60) }),
			[]string{"The only option meets every budget: food-int8-static on acl (2.42 MB, p50 ",
				", acl: 60 of 68 nodes, 88 % of the time)."}, []string{"SUSPECT"}, "set trials.repetitions"},
		{"a provider's without its share", one(func(*run, *trial.Result) {}),
			[]string{"food-int8-static on acl (2.42 MB, latency SUSPECT: provider)."}, []string{"p50 8", "p50 7"},
			"as what meets the budgets is SUSPECT: measure again with an agent and a runtime that count the nodes"},
		{"mostly another provider's", one(func(_ *run, res *trial.Result) { placed(res, 8) }),
			[]string{"latency SUSPECT: provider"}, []string{"p50 8", "p50 7"}, "as what meets the budgets is SUSPECT"},
		{"emulated", one(func(_ *run, res *trial.Result) {
			placed(res, 60)
			res.Device.Emulated = "qemu"
		}), []string{"Emulated processor, no verdict", "food-int8-static on acl (2.42 MB)."}, []string{"p50 8", "p50 7"},
			"set trials.repetitions"},
		{"a rehearsal without a budget", one(func(r *run, res *trial.Result) {
			placed(res, 60)
			r.Run.Rehearsal, r.Budgets = true, nil
		}), []string{"Rehearsal, no verdict", "Fastest: food-int8-static on acl."}, []string{"p50"}, "say in the experiment"},
		{"SUSPECT, without a budget", one(func(r *run, _ *trial.Result) { r.Budgets = nil }),
			[]string{"Fastest: food-int8-static on acl (latency SUSPECT: provider)."}, []string{"p50"}, "say in the experiment"},
		{"the nearest is SUSPECT", one(func(r *run, _ *trial.Result) { r.Budgets = tight }),
			[]string{"p50 < 1 ms: met by none; nearest is food-int8-static on acl (SUSPECT: provider).",
				"size < 1 MB: met by none; nearest is food-int8-static on acl with 2.42 MB."}, nil, "a smaller model"},
		{"the nearest is emulated", one(func(r *run, res *trial.Result) {
			r.Budgets = tight
			res.Device.Emulated = "qemu"
		}), []string{"p50 < 1 ms: met by none; nearest is food-int8-static on acl."},
			[]string{"with 8", "with 7"}, "a smaller model"},
		{"the nearest, with its share", one(func(r *run, res *trial.Result) {
			r.Budgets = tight
			placed(res, 60)
		}), []string{" ms (acl: 60 of 68 nodes, 88 % of the time)."}, nil, "a smaller model"},
	} {
		d := findings.Build(c.in.Input).Decision
		all := d.Text + "\n" + strings.Join(d.Details, "\n")
		for _, w := range c.words {
			if !strings.Contains(all, w) {
				t.Errorf("%s: %q lacks %q", c.name, all, w)
			}
		}
		for _, w := range c.not {
			if strings.Contains(all, w) {
				t.Errorf("%s: %q holds %q", c.name, all, w)
			}
		}
		if !strings.Contains(d.Next, c.next) {
			t.Errorf("%s: next %q lacks %q", c.name, d.Next, c.next)
		}
	}
}

// One SUSPECT repetition of three is in the median, so the number is no headline.
func TestOneSuspectRepetitionIsNamed(t *testing.T) {
	r := newRun(static)
	for rep := 1; rep <= 3; rep++ {
		r.add(static, cpu, 4, 1, rep, 200, 8*ms)
	}
	r.Results[1].Placement = trial.Read(trial.Placement{Nodes: 68,
		Providers: []trial.ProviderShare{{Provider: "cpu", Nodes: 8, TimeNS: 8}, {Provider: "acl", Nodes: 60, TimeNS: 60}}})
	d := findings.Build(r.Input).Decision
	if !strings.Contains(d.Text, "SUSPECT: ") || strings.Contains(d.Text, "p50") {
		t.Errorf("%q", d.Text)
	}
}
