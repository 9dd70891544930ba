package findings

import (
	"cmp"
	"fmt"
	"slices"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/facts"
	"chexp/orchestrator/internal/report/options"
)

// Build makes the table of a run. It never fails: what is wrong with the
// results becomes a reason, a doubt or a footnote. There is one row per trial,
// as package judge lists them.
func Build(in Input) *Table {
	run := judge.Results(in.Plan, in.Results, in.Origins, in.Budgets)
	if many := run.Devices(); len(many) > 1 {
		in.Run.Device = Device{Name: words.List(many, " and ", 3), MachineName: in.Run.Device.MachineName}
	}
	b := &builder{Table: &Table{Schema: Schema, Run: cleanRun(in.Run), Budgets: run.Budgets,
		Models: models(in.Plan, run),
		Phases: cleanPhases(in.Phases), Judged: run}}
	for _, t := range run.Trials {
		b.Rows = append(b.Rows, newRow(t))
	}
	if len(run.Foreign) > 0 {
		b.note("foreign", "Left out, because the plan has no such trial: "+words.List(run.Foreign, ", ", 5)+".")
	}
	b.interrupted()
	for _, r := range b.Rows {
		b.footnotes(r)
	}
	b.finishNotes()
	b.Options = options.Summaries(run)
	b.Ratios = options.Ratios(run)
	b.Placements = options.Placements(run)
	b.Spreads = options.Spreads(run)
	b.Facts = facts.Of(telling(b.Rows))
	b.Protocol = protocol(b.Run, in.Plan)
	b.Caveats = caveats(b.Table)
	b.Decision = decide(b.Table)
	return b.Table
}

func cleanRun(r Run) Run {
	for _, s := range []*string{&r.ID, &r.Experiment, &r.Site, &r.Region, &r.Device.Name, &r.Device.UID,
		&r.Device.MachineName, &r.LeaseID, &r.ContainerID, &r.ChexpVersion} {
		*s = words.Line(*s, 2*words.MaxName)
	}
	r.Attempts = slices.Clone(r.Attempts)
	for i := range r.Attempts {
		a := &r.Attempts[i]
		for _, s := range []*string{&a.Region, &a.Device.Name, &a.Device.UID, &a.Device.MachineName, &a.LeaseID,
			&a.ReservationID, &a.ContainerID} {
			*s = words.Line(*s, 2*words.MaxName)
		}
		a.Image = words.Line(a.Image, words.MaxSentence)
		a.Unproven = words.Line(a.Unproven, words.MaxSentence)
		a.Clock = words.Line(a.Clock, words.MaxSentence)
		a.BootID.Unavailable = words.Line(a.BootID.Unavailable, words.MaxSentence)
		if id, ok := a.BootID.Get(); ok {
			a.BootID = trial.Read(words.Line(id, words.MaxName))
		}
		a.Digest.Unavailable = words.Line(a.Digest.Unavailable, words.MaxSentence)
		if d, ok := a.Digest.Get(); ok {
			a.Digest = trial.Read(words.Line(d, 2*words.MaxName))
		}
	}
	for _, s := range []*string{&r.Image, &r.Description, &r.Note, &r.Changed, &r.Dir} {
		*s = words.Line(*s, words.MaxSentence)
	}
	return r
}

func cleanPhases(in []Phase) []Phase {
	const most = 50 // a run resumed many times repeats its phases
	if len(in) > most {
		in = in[len(in)-most:]
	}
	out := slices.Clone(in)
	for i := range out {
		out[i].Name = words.Line(out[i].Name, words.MaxName)
		out[i].Outcome = words.Line(out[i].Outcome, words.MaxName)
		out[i].Note = words.Line(out[i].Note, words.MaxSentence)
	}
	return out
}

// models lists the plan's models; without a plan, those that results name.
func models(plan *trial.Plan, run *judge.Run) (out []Model) {
	seen := map[string]bool{}
	add := func(m trial.Model) {
		if key := m.Name + "\x00" + m.SHA256; !seen[key] {
			seen[key] = true
			out = append(out, Model{Name: trial.ShowName(m.Name), Bytes: m.Bytes,
				SHA256: words.Line(m.SHA256, words.MaxName), Origin: words.Line(m.Origin, words.MaxSentence)})
		}
	}
	if plan != nil {
		for _, m := range plan.Models {
			add(m)
		}
		return out
	}
	for _, t := range run.Trials {
		add(t.Result.Model)
	}
	return out
}

// telling returns the results that say anything of the circumstances under which they
// were measured.
func telling(rows []*Row) (out []*trial.Result) {
	for _, r := range rows {
		if r.Outcome != judge.Missing && !(r.Start.IsZero() && r.Agent.Version == "" && r.Runtime.Name == "") {
			out = append(out, r.Result)
		}
	}
	return out
}

// protocol says how the run measured, from the plan, and names what it used.
func protocol(r Run, p *trial.Plan) (out []facts.Fact) {
	add := func(name, value string) {
		if value != "" {
			out = append(out, facts.Fact{Name: name, Value: value})
		}
	}
	if p != nil {
		rule := fmt.Sprintf("%s not counted, then at least %s and %s of timed work",
			words.Plural(p.Policy.Warmup, "warm-up inference"),
			words.Plural(p.Policy.MinRuns, "inference"), words.Span(p.Policy.MinTime))
		if p.Policy.MaxTime > 0 {
			rule += ", at most " + words.Span(p.Policy.MaxTime)
		}
		add("Each trial", rule)
		add("Trials planned", fmt.Sprint(len(p.Trials)))
		add("Seed", fmt.Sprint(p.Seed))
	}
	add("Run", r.ID)
	if len(r.Attempts) > 1 {
		for _, a := range r.Attempts {
			add(fmt.Sprintf("Attempt %d", a.N), a.String())
		}
	} else {
		add("Device uid", r.Device.UID)
		add("Lease", r.LeaseID)
		add("Container", r.ContainerID)
		for _, a := range r.Attempts {
			add("Board's boot id", cmp.Or(a.boot(), words.When(a.BootID.Unavailable != "",
				"unavailable: "+a.BootID.Unavailable)))
			add("Device's clock", a.Clock)
			add("Board", words.When(a.Unproven != "", "not proven: "+a.Unproven))
		}
	}
	add("Image", r.Image)
	if len(r.Attempts) > 0 {
		d, ok := r.Attempts[0].Digest.Get()
		add("Image digest", words.When(ok, d)+words.When(!ok, "unavailable: "+r.Attempts[0].Digest.Unavailable))
	}
	add("chexp", r.ChexpVersion)
	return out
}
