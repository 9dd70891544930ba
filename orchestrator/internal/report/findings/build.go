package findings

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// Build makes the table of a run. It never fails: what is wrong with the
// results becomes a reason, a doubt or a footnote.
//
// There is one row per planned trial, grouped by model, provider, threads and
// batch in the order of the plan; repetitions are rows of their own, because
// the spread between them is part of the answer. Model, provider, threads and
// batch come from the plan, only the measurement from the device.
func Build(in Input) *Table {
	b := &builder{Table: &Table{
		Schema: Schema, Run: cleanRun(in.Run), Budgets: budgets(in.Budgets),
		Models: models(in), Phases: cleanPhases(in.Phases)}}
	if in.Plan != nil {
		b.seed = in.Plan.Seed
	}
	b.rows(in)
	b.letters()
	b.interrupted()
	for _, r := range b.Rows {
		r.check()
		for _, budget := range b.Budgets {
			r.Verdicts = append(r.Verdicts, judge(budget, r))
		}
		b.footnotes(r)
	}
	b.finishNotes()
	b.compare()
	b.Placements = placements(b.Table)
	b.Spreads = spreads(b.Table)
	b.Facts = facts(b.Table)
	b.Protocol = protocol(b.Run, in.Plan)
	b.Caveats = caveats(b.Table)
	b.Decision = decide(b.Table)
	return b.Table
}

type builder struct {
	*Table
	seed   uint64             // of the comparisons' intervals
	notes  map[string]int     // key → index in Table.Notes
	shared map[string]*shared // of the footnotes of several trials, by key
}

func cleanRun(r Run) Run {
	for _, s := range []*string{&r.ID, &r.Experiment, &r.Site, &r.Region, &r.Device.Name, &r.Device.UID,
		&r.Device.MachineName, &r.LeaseID, &r.ContainerID, &r.ChexpVersion} {
		*s = words.Line(*s, 2*maxName)
	}
	for _, s := range []*string{&r.Image, &r.Description, &r.Note, &r.Dir} {
		*s = words.Line(*s, maxSentence)
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
		out[i].Name = words.Line(out[i].Name, maxName)
		out[i].Outcome = words.Line(out[i].Outcome, maxName)
		out[i].Note = words.Line(out[i].Note, maxSentence)
	}
	return out
}

// models lists the plan's models; without a plan, those that results name.
func models(in Input) (out []Model) {
	seen := map[string]bool{}
	add := func(m trial.Model) {
		if key := m.Name + "\x00" + m.SHA256; !seen[key] {
			seen[key] = true
			out = append(out, Model{Name: name(m.Name), Bytes: m.Bytes,
				SHA256: words.Line(m.SHA256, maxName), Origin: words.Line(m.Origin, maxSentence)})
		}
	}
	if in.Plan != nil {
		for _, m := range in.Plan.Models {
			add(m)
		}
		return out
	}
	for _, r := range sortedResults(in.Results) {
		add(r.Model)
	}
	return out
}

func sortedResults(in []*trial.Result) []*trial.Result {
	out := slices.DeleteFunc(slices.Clone(in), func(r *trial.Result) bool { return r == nil })
	slices.SortStableFunc(out, func(a, b *trial.Result) int {
		return cmp.Or(
			strings.Compare(a.Model.Name, b.Model.Name), strings.Compare(a.Provider.Name, b.Provider.Name),
			cmp.Compare(a.Threads, b.Threads), cmp.Compare(a.Batch, b.Batch),
			cmp.Compare(a.Repetition, b.Repetition), strings.Compare(a.TrialID, b.TrialID))
	})
	return out
}

// rows pairs the plan's trials with their results.
func (b *builder) rows(in Input) {
	if in.Plan == nil {
		for _, r := range sortedResults(in.Results) {
			t := trial.Trial{ID: r.TrialID, Model: r.Model.Name, Provider: r.Provider,
				Threads: r.Threads, Batch: r.Batch, Repetition: r.Repetition}
			b.Rows = append(b.Rows, b.row(t, r.Model, r))
		}
		return
	}
	results := map[string][]*trial.Result{}
	for _, r := range in.Results {
		if r != nil {
			results[r.TrialID] = append(results[r.TrialID], r)
		}
	}
	byName := map[string]trial.Model{}
	for _, m := range in.Plan.Models {
		byName[m.Name] = m
	}
	for _, t := range planOrder(in.Plan.Trials) {
		var r *trial.Result
		if rs := results[t.ID]; len(rs) > 0 {
			r = rs[0]
		}
		row := b.row(t, byName[t.Model], r)
		if n := len(results[t.ID]); n > 1 {
			row.Doubts = append(row.Doubts, fmt.Sprintf("%d results carry its name", n))
		}
		if r != nil && r.RunID != in.Plan.RunID {
			row.Doubts = append(row.Doubts, fmt.Sprintf("it says that it belongs to run %q", words.Line(r.RunID, maxName)))
		}
		b.Rows = append(b.Rows, row)
		delete(results, t.ID)
	}
	if len(results) > 0 {
		ids := make([]string, 0, len(results))
		for id := range results {
			ids = append(ids, words.Line(id, maxName))
		}
		slices.Sort(ids)
		b.note("foreign", "Left out, because the plan has no such trial: "+words.List(ids, ", ", 5)+".")
	}
}

// planOrder groups trials by model, provider, threads, batch, each in the
// order of its first appearance, then by repetition.
func planOrder(in []trial.Trial) []trial.Trial {
	order := map[string]int{}
	pos := func(kind string, v any) int {
		key := fmt.Sprintf("%s %v", kind, v)
		if _, ok := order[key]; !ok {
			order[key] = len(order)
		}
		return order[key]
	}
	for _, t := range in {
		pos("m", t.Model)
		pos("p", t.Provider.Label())
	}
	out := slices.Clone(in)
	slices.SortStableFunc(out, func(a, b trial.Trial) int {
		return cmp.Or(
			cmp.Compare(pos("m", a.Model), pos("m", b.Model)),
			cmp.Compare(pos("p", a.Provider.Label()), pos("p", b.Provider.Label())),
			cmp.Compare(a.Threads, b.Threads), cmp.Compare(a.Batch, b.Batch),
			cmp.Compare(a.Repetition, b.Repetition))
	})
	return out
}

// nothing stands where no result came.
var nothing = &trial.Result{}

// row makes one row; r is nil when there is no result.
func (b *builder) row(t trial.Trial, m trial.Model, r *trial.Result) *Row {
	row := &Row{Trial: words.Line(t.ID, 3*maxName), Model: name(t.Model), Bytes: m.Bytes, Provider: name(t.Provider.Label()),
		Threads: t.Threads, Batch: t.Batch, Repetition: t.Repetition, Outcome: Missing, Result: nothing, Marks: map[string][]int{}}
	unread := trial.Unread[float64]("the trial has no result")
	if r == nil {
		row.Reasons = []trial.Reason{{Code: "no_result", Text: "no result came back for this trial"}}
		if t.Skip != "" {
			row.Outcome = trial.Skipped
			row.Reasons = []trial.Reason{{Code: "skipped", Text: words.Line(t.Skip, maxSentence)}}
		}
		for _, f := range row.numbers() {
			*f = unread
		}
		return row
	}
	row.Outcome, row.Reasons = r.Outcome, cleanReasons(r.Reasons)
	sample, contradiction := validity.Sample(r)
	row.Result, row.Sample = r, sample
	row.N, row.Start, row.End = len(r.LatenciesNS), r.Start, r.End
	row.Partial = cleanPartial(r.Partial)
	switch r.Outcome {
	case trial.OK:
		row.Doubts = contradictions(r.Summary, row.Result.LatenciesNS, row.Sample.Sorted(), t.Batch)
		if contradiction != nil {
			row.Doubts = append(row.Doubts, contradiction.Error())
		}
	case trial.Failed, trial.Skipped:
		if r.Partial != nil && len(r.Reasons) > 0 && r.Reasons[0].Code == trial.ReasonStopped {
			row.Outcome = Missing // too few blocks to be measured
		}
		if len(row.Reasons) == 0 {
			row.Reasons = []trial.Reason{{Code: "no_reason", Text: "the result gives no reason"}}
		}
	default:
		row.Outcome = trial.Failed
		row.Reasons = append(row.Reasons, trial.Reason{Code: "unknown_outcome",
			Text: fmt.Sprintf("the result has outcome %q, which this program does not know", words.Line(string(r.Outcome), maxName))})
	}
	if r.Model.SHA256 != m.SHA256 {
		row.Doubts = append(row.Doubts, "it was measured with another model file (sha256 "+words.Line(r.Model.SHA256, 12)+")")
	}
	if r.Provider.Label() != t.Provider.Label() || r.Threads != t.Threads || r.Batch != t.Batch {
		row.Doubts = append(row.Doubts, fmt.Sprintf("it was measured with %s, %s, batch %d",
			words.Line(r.Provider.Label(), maxName), words.Plural(r.Threads, "thread"), r.Batch))
	}
	row.measured(r, t.Batch)
	if _, ok := r.Accuracy.Get(); ok || r.Accuracy.Unavailable != "" {
		row.Accuracy = accuracy(r.Accuracy)
	}
	return row
}

func (r *Row) numbers() []*trial.Reading[float64] {
	return []*trial.Reading[float64]{&r.Min, &r.P50, &r.P90, &r.P95, &r.P99, &r.Max, &r.Mean, &r.Throughput,
		&r.SessionCreate, &r.FirstInference, &r.PeakMemory, &r.P50Low, &r.P50High}
}

// measured copies the numbers of a result. Those of its summary are computed
// again: old agents knew other rules, and a doubtful result may say anything.
func (r *Row) measured(res *trial.Result, batch int) {
	none := trial.Unread[float64]("nothing was timed")
	r.P50Low, r.P50High = none, none
	if s := r.Sample.Summary(batch); s != nil {
		r.Min, r.Max = trial.Read(float64(s.MinNS)), trial.Read(float64(s.MaxNS))
		r.P50, r.Mean = trial.Read(s.MedianNS), trial.Read(s.MeanNS)
		r.P90, r.P95, r.P99 = s.P90NS, s.P95NS, s.P99NS
		r.Throughput = trial.Read(s.Throughput)
		r.P50Low, r.P50High = trial.Unread[float64](s.MedianInterval.Unavailable), trial.Unread[float64](s.MedianInterval.Unavailable)
		if i, ok := s.MedianInterval.Get(); ok {
			r.P50Low, r.P50High = trial.Read(i.Low), trial.Read(i.High)
		}
	} else {
		r.Min, r.P50, r.P90, r.P95, r.P99, r.Max, r.Mean, r.Throughput = none, none, none, none, none, none, none, none
	}
	r.SessionCreate, r.FirstInference = float(res.SessionCreateNS), float(res.FirstInferenceNS)
	r.PeakMemory = float(res.PeakMemoryBytes)
	for _, f := range r.numbers() {
		v, ok := f.Get()
		switch {
		case ok && (math.IsNaN(v) || math.IsInf(v, 0) || v < 0):
			*f = trial.Unread[float64]("the result holds no usable number")
		case !ok && f.Unavailable == "":
			*f = trial.Unread[float64]("the result gives neither a value nor a reason")
		case !ok:
			*f = trial.Unread[float64](words.Line(f.Unavailable, maxSentence))
		}
	}
}

func float(r trial.Reading[int64]) trial.Reading[float64] {
	if v, ok := r.Get(); ok {
		return trial.Read(float64(v))
	}
	return trial.Unread[float64](r.Unavailable)
}

// letters gives each combination of model, provider, threads and batch a
// letter, so that a picture can name it in one character: A … Z, AA, AB, …
func (b *builder) letters() {
	known := map[option]string{}
	for _, r := range b.Rows {
		key := r.key()
		if known[key] == "" {
			s := ""
			for n := len(known); n >= 0; n = n/26 - 1 {
				s = string(rune('A'+n%26)) + s
			}
			known[key] = s
		}
		r.Option = known[key]
	}
}

// option is what one can choose: everything of a trial but the repetition.
type option struct {
	model, provider string
	threads, batch  int
}

func (r *Row) key() option { return option{r.Model, r.Provider, r.Threads, r.Batch} }
