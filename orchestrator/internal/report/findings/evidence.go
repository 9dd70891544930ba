package findings

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/compare"
	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Evidence hands one judged run over for a comparison with others: which trials
// can be believed, which budgets they met, and what may have changed their
// latencies. All texts of devices come out harmless.
func Evidence(in Input) compare.Run {
	run := judge.Results(in.Plan, in.Results, in.Budgets)
	about := cleanRun(in.Run)
	out := compare.Run{ID: about.ID, Kind: compare.Real}
	if in.Run.Rehearsal {
		out.Kind = compare.Rehearsal
	}
	common := commonFacts(about, in.Plan)
	for _, t := range run.Trials {
		r := newRow(t)
		x := compare.Trial{Trial: t, Why: r.shortly()}
		if t.Result != nil {
			if r.Device.Emulated != "" {
				out.Kind = compare.Emulated
			}
			x.Board = boardKind(r.Device)
			x.Facts = append(append(trialFacts(r), runtimeFiles(in.Plan, t.Result.Provider)), common...)
			if s := r.Start; !s.IsZero() && (out.Started.IsZero() || s.Before(out.Started)) {
				out.Started = s.UTC().Truncate(time.Second)
			}
		}
		out.Trials = append(out.Trials, x)
	}
	return out
}

// shortly names what speaks against a row: checks, or reasons.
func (r *Row) shortly() (out []string) {
	switch {
	case r.Sound():
		for _, c := range r.Failing() {
			if c.Outcome == r.Validity {
				out = append(out, c.Name)
			}
		}
		if t, ok := r.Ran.Get(); ok && !r.Own() {
			out = []string{t.String()}
		}
	case r.Outcome == trial.OK:
		out = []string{"doubtful: " + words.List(r.Doubts, "; ", 2)}
	default:
		out = []string{string(r.Outcome) + ": " + words.List(texts(r.Reasons), "; ", 2)}
	}
	return out
}

var revision = regexp.MustCompile(` Rev [0-9.]+$`)

// boardKind is what boards must share to be devices of one kind: revisions of
// one model are, other processors are not.
func boardKind(d trial.Device) string {
	model, _ := d.Model.Get()
	model = revision.ReplaceAllString(words.Line(model, maxName), "")
	cpu, _ := d.CPU.Get()
	if cpu = words.Line(cpu, maxName); model == "" || !strings.HasPrefix(model, "Raspberry Pi") && cpu != "" {
		model = strings.Join(present(model, cpu), ", ") // a hypervisor's product name says little
	}
	return cmp.Or(model, "unknown device")
}

// commonFacts are those that the plan tells.
func commonFacts(about Run, plan *trial.Plan) (out []compare.Fact) {
	add := func(name, value string) {
		out = append(out, compare.Fact{Name: name, Value: cmp.Or(value, "not told")})
	}
	add("container image", about.Image)
	if plan != nil {
		p := plan.Policy
		block := "in one piece"
		if p.Block > 0 {
			block = "blocks of " + words.Span(p.Block)
		}
		add("trials", fmt.Sprintf("%s, %s, %s to %s, %s", words.Plural(p.Warmup, "warm-up"), words.Plural(p.MinRuns, "run")+" or more",
			words.Span(p.MinTime), words.Span(p.MaxTime), block)+words.When(p.Precision > 0, fmt.Sprintf(", to ±%s", words.Percent(p.Precision))))
	}
	return out
}

// trialFacts are what a result tells of the conditions under which it was
// measured, as far as they may change a latency. What was not read says so: a
// governor that one board hides and another shows is a difference, too.
func trialFacts(r *Row) (out []compare.Fact) {
	d, rt := r.Device, r.Runtime
	add := func(name, value string) {
		out = append(out, compare.Fact{Name: name, Value: cmp.Or(words.Line(value, 200), "not known")})
	}
	word := func(v trial.Reading[string]) string { s, _ := v.Get(); return s }
	number := func(v trial.Reading[int64], format func(float64) string) string {
		n, ok := v.Get()
		return words.When(ok, format(float64(n)))
	}
	add("device model", word(d.Model))
	add("board revision", word(d.Board))
	add("processor", word(d.CPU))
	add("cores", words.When(d.Cores > 0, strconv.Itoa(d.Cores)))
	add("memory", number(d.MemoryBytes, func(v float64) string { return fmt.Sprintf("%.1f GB", v/1e9) }))
	add("kernel", word(d.Kernel))
	add("page size", words.When(d.PageSize > 0, strconv.Itoa(d.PageSize)))
	add("kernel settings", settingsOf(d.Cmdline))
	add("governor", word(d.Governor))
	add("top clock", number(d.MaxClockHz, func(v float64) string { return words.Digits(v/1e9) + " GHz" }))
	quota, ok := d.Quota.Get()
	add("CPU quota", words.When(ok && quota > 0, words.Digits(quota)+" cores")+words.When(ok && quota == 0, "none"))
	add("memory limit", number(d.MemoryLimit, func(v float64) string { return words.When(v > 0, words.Bytes(v)) + words.When(v <= 0, "none") }))
	add("firmware", firmware(r.Result.Blocks))
	add("runtime", strings.TrimSpace(rt.Name+" "+rt.Version))
	add("runtime build", cmp.Or(rt.BuildInfo, "not told"))
	add("session settings", sessionSettings(rt.Settings))
	add("provider options", pairs(r.Result.Provider.Options, "none"))
	add("agent", strings.TrimSpace(r.Agent.Version+" "+strings.Trim(r.Agent.OS+"/"+r.Agent.Arch, "/")))
	add("agent sha256", words.Line(r.Agent.SHA256, 12))
	return out
}

// firmware is what it reported while the trial was measured, the first complaint
// if there was any.
func firmware(blocks []trial.Block) (said string) {
	for _, b := range blocks {
		if b.Conditions == nil {
			continue
		}
		if s, ok := b.Conditions.Firmware.Get(); ok && (said == "" || said == trial.FirmwareFine) {
			said = s
		}
	}
	return said
}

// runtimeFiles are the sums of a named runtime and of its plugins; what the agent
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
			f.Value = strings.Join(present(parts...), ", ")
		}
	}
	return f
}

// speedSettings are the parts of a kernel's command line that change speed;
// others name a board's own disk or network.
var speedSettings = regexp.MustCompile(`^(numa|numa_policy|isolcpus|nohz_full|maxcpus|nr_cpus|mem|mitigations|cpufreq\.\S*|cpuidle\.\S*|transparent_hugepage|hugepages|idle|nosmt|preempt)(=|$)`)

func settingsOf(cmdline trial.Reading[string]) string {
	s, ok := cmdline.Get()
	if !ok {
		return ""
	}
	var out []string
	for _, word := range strings.Fields(s) {
		if speedSettings.MatchString(word) {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return cmp.Or(words.List(out, " ", 12), "none that change speed")
}

func sessionSettings(s *trial.Settings) string {
	if s == nil {
		return ""
	}
	parts := []string{fmt.Sprintf("%d inter-op", s.InterOpThreads), pairs(s.Session, ""), pairs(s.Provider, ""), pairs(s.Environment, "")}
	return strings.Join(present(parts...), ", ")
}

func pairs(m map[string]string, none string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return cmp.Or(words.List(out, " ", 12), none)
}
