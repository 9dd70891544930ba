package facts

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

var revisionSuffix = regexp.MustCompile(` Rev [0-9.]+$`)

// Kind names the kind of a board. Revisions of one model are of one kind; boards with
// other processors are not.
func Kind(d trial.Device) string {
	model, _ := d.Model.Get()
	model = revisionSuffix.ReplaceAllString(words.Line(model, words.MaxName), "")
	cpu, _ := d.CPU.Get()
	if cpu = words.Line(cpu, words.MaxName); model == "" || !strings.HasPrefix(model, "Raspberry Pi") && cpu != "" {
		model = strings.Join(words.Present(model, cpu), ", ") // a hypervisor's product name says little
	}
	return cmp.Or(model, "unknown device")
}

// Factors are the circumstances that may have changed the latencies of a trial.
// What was not read says so: a governor that one board hides and another shows is
// a difference, too.
func Factors(r *trial.Result, plan *trial.Plan, image string) (out []compare.Fact) {
	for _, c := range circumstances {
		if c.factor != "" {
			value, _ := c.read(r)
			out = append(out, compare.Fact{Name: c.factor, Value: cmp.Or(words.Line(value, 200), "not known")})
		}
	}
	return append(append(out, runtimeFiles(plan, r.Provider)), planned(plan, image)...)
}

// planned lists the factors that the plan tells.
func planned(plan *trial.Plan, image string) (out []compare.Fact) {
	add := func(name, value string) {
		out = append(out, compare.Fact{Name: name, Value: cmp.Or(value, "not told")})
	}
	add("container image", image)
	if plan != nil {
		p := plan.Policy
		block := "in one piece"
		if p.Block > 0 {
			block = "blocks of " + words.Span(p.Block)
		}
		add("trials", fmt.Sprintf("%s, %s, %s, %s", words.Plural(p.Warmup, "warm-up"),
			words.Plural(p.MinRuns, "run")+" or more",
			words.FromTo(words.Span(p.MinTime), words.Span(p.MaxTime)), block)+words.When(p.Precision > 0,
			fmt.Sprintf(", to ±%s", words.Percent(p.Precision))))
	}
	return out
}

// runtimeFiles gives the sums of a named runtime and of its plugins. What the agent
// itself carries is in the agent's sum.
func runtimeFiles(p *trial.Plan, provider trial.Provider) compare.Fact {
	f := compare.Fact{Name: "runtime files", Value: "those of the agent"}
	if provider.Runtime == "" {
		return f
	}
	f.Value = "not known"
	if p == nil {
		return f
	}
	for _, n := range p.Runtimes {
		if n.Name == provider.Runtime {
			parts := []string{words.When(n.SHA256 != "", "runtime "+words.Line(n.SHA256, 12))}
			for _, x := range n.Plugins {
				parts = append(parts, "plugin "+x.Provider+" "+words.Line(x.SHA256, 12))
			}
			f.Value = strings.Join(words.Present(parts...), ", ")
		}
	}
	return f
}
