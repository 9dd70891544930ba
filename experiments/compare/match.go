package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// key is what must be equal for two trials to be the same.
type key struct {
	sha256, provider, runtime string
	threads, batch            int
	scenario, shape           string
	board                     string // of one group; groups may be compared across boards
}

func keyOf(r *trial.Result) key {
	k := key{sha256: r.Model.SHA256, provider: r.Provider.Name, runtime: r.Provider.Runtime, threads: r.Threads,
		batch:    r.Batch,
		scenario: string(r.Scenario)}
	if k.scenario == "" { // agents before it was added: one rule always held
		k.scenario = string(trial.ScenarioOf(r.Batch))
	}
	if s := r.Runtime.Settings; s != nil {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(s.FreeDimensions)) {
			parts = append(parts, fmt.Sprintf("%s=%d", name, s.FreeDimensions[name]))
		}
		k.shape = strings.Join(parts, " ")
	}
	// What a person said of the inputs makes another amount of work of the same
	// file. The rest follows from the file, in results of before it was recorded, too.
	for _, in := range r.Model.Inputs {
		if in.Described {
			k.shape += "; " + words.Line(in.String(), 200)
		}
	}
	k.shape = strings.TrimPrefix(k.shape, "; ")
	return k
}

// start is one usable process start of a trial.
type start struct {
	trial  *Trial
	median float64
}

// runValue is one run's process starts of one trial.
type runValue struct {
	run    *Run
	starts []start
	median float64
}

// row gathers one key over the groups.
type row struct {
	key    key
	names  []string
	groups []map[string]*runValue // by what one device measured of a run
	order  [][]string             // of these, in each group
}

// table is a comparison in the making.
type table struct {
	groups   []Group
	rows     []*row
	byKey    map[key]*row
	problems map[*Run]*Problem
	refs     map[*Run]*RunRef
	beside   map[*Run]string // why a run does not count that shared its board
	notes    []string
	alone    []string // trials that only one group has
}

// Runs compares. Groups need labels where there are several; the first is what
// the others are compared with. The seed makes intervals from resamples
// repeatable.
func Runs(groups []Group, seed uint64) *Comparison {
	t := &table{byKey: map[key]*row{}, problems: map[*Run]*Problem{}, refs: map[*Run]*RunRef{},
		beside: map[*Run]string{}}
	for _, g := range groups {
		t.groups = append(t.groups, Group{g.Label, slices.Clone(g.Runs)})
	}
	kind := t.kind()
	t.boards()
	for g := range t.groups {
		for i := range t.groups[g].Runs {
			t.take(g, &t.groups[g].Runs[i], kind)
		}
	}
	out := &Comparison{Schema: Schema, Rows: []Row{}}
	t.sort()
	t.sameName()
	for _, r := range t.rows {
		t.finish(out, r, seed)
	}
	out.Differences = t.differences()
	t.summarize(out, kind)
	return out
}

// kind is the best that is there: all else is left out.
func (t *table) kind() Kind {
	have := map[Kind]int{}
	for _, g := range t.groups {
		for _, r := range g.Runs {
			have[r.Kind]++
		}
	}
	for _, k := range []Kind{Real, Rehearsal, Emulated} {
		if have[k] > 0 {
			return k
		}
	}
	return Real
}

func (t *table) problem(r *Run) *Problem {
	p := t.problems[r]
	if p == nil {
		p = &Problem{Run: r.ID, Source: r.Source, Device: r.Device}
		t.problems[r] = p
	}
	return p
}

// take sorts the trials of a run into rows, and says what it leaves out.
func (t *table) take(g int, r *Run, kind Kind) {
	ref := &RunRef{ID: r.ID, Device: r.Device, Started: r.Started, Kind: r.Kind}
	t.refs[r] = ref
	if len(r.Remarks) > 0 {
		p := t.problem(r)
		p.Marked = append(p.Marked, r.Remarks...)
	}
	if r.Kind != kind {
		p := t.problem(r)
		p.LeftOut = append(p.LeftOut, map[Kind]string{Emulated: "its processor was emulated, so it is no match for real ones",
			Rehearsal: "it is a rehearsal, whose device is another machine"}[r.Kind])
		ref.LeftOut = len(r.Trials)
		return
	}
	if why := t.beside[r]; why != "" {
		p := t.problem(r)
		p.LeftOut = append(p.LeftOut, why)
		ref.LeftOut = len(r.Trials)
		return
	}
	missing, invalid, suspect := tally{word: "no result"}, tally{word: "INVALID"}, tally{word: "SUSPECT"}
	for i := range r.Trials {
		x := &r.Trials[i]
		if x.Validity != stats.Valid && x.Validity != stats.Suspect || x.Sample.N() == 0 || x.Sample.Median() <= 0 {
			ref.LeftOut++
			if x.Validity == stats.Invalid {
				invalid.add(x.Why)
			} else {
				missing.add(x.Why)
			}
			continue
		}
		ref.Trials++
		if x.Validity == stats.Suspect {
			ref.Suspect++
			suspect.add(x.Why)
		}
		t.put(g, r, x)
	}
	for _, y := range []*tally{&invalid, &missing} {
		if s := y.text(len(r.Trials)); s != "" {
			p := t.problem(r)
			p.LeftOut = append(p.LeftOut, s)
		}
	}
	if s := suspect.text(len(r.Trials)); s != "" {
		p := t.problem(r)
		p.Marked = append(p.Marked, s)
	}
}

func (t *table) put(g int, r *Run, x *Trial) {
	k := keyOf(x.Result)
	if len(t.groups) == 1 {
		k.board = x.Board
	}
	to := t.byKey[k]
	if to == nil {
		to = &row{key: k, groups: make([]map[string]*runValue, len(t.groups)), order: make([][]string, len(t.groups))}
		for i := range to.groups {
			to.groups[i] = map[string]*runValue{}
		}
		t.byKey[k], t.rows = to, append(t.rows, to)
	}
	if !slices.Contains(to.names, x.Result.Model.Name) {
		to.names = append(to.names, x.Result.Model.Name)
	}
	v := to.groups[g][r.part()]
	if v == nil {
		v = &runValue{run: r}
		to.groups[g][r.part()] = v
		to.order[g] = append(to.order[g], r.part())
	}
	for _, s := range processStarts(x) {
		v.starts = append(v.starts, start{s, s.Sample.Median()})
	}
}

// processStarts are the parts of an interrupted trial that one process each
// measured; of any other, the trial.
func processStarts(x *Trial) []*Trial {
	if len(x.Result.Restarts) == 0 || len(x.Sample.Blocks()) == 0 {
		return []*Trial{x}
	}
	var out []*Trial
	for _, own := range x.Result.Starts() {
		first, last := own[0].First, own[len(own)-1]
		one, judged, result := *x, *x.Trial, *x.Result
		result.LatenciesNS, result.Blocks = x.Result.LatenciesNS[first:last.First+last.N], own
		for i := range result.Blocks {
			result.Blocks[i].First -= first
		}
		judged.Result, one.Trial = &result, &judged
		judged.Sample, _ = stats.SampleOf(&result) // part of a sample that was cut
		out = append(out, &one)
	}
	return out
}

// tally counts trials by each thing that speaks against them: "INVALID 3 of 18:
// drift (2), outside load".
type tally struct {
	word  string
	n     int
	order []string
	count map[string]int
}

func (y *tally) add(why []string) {
	if y.count == nil {
		y.count = map[string]int{}
	}
	if len(why) == 0 {
		why = []string{"nothing was timed"}
	}
	y.n++
	for _, w := range why {
		if y.count[w] == 0 {
			y.order = append(y.order, w)
		}
		y.count[w]++
	}
}

func (y *tally) text(of int) string {
	if y.n == 0 {
		return ""
	}
	slices.SortStableFunc(y.order, func(a, b string) int { return cmp.Compare(y.count[b], y.count[a]) })
	var all []string
	for _, w := range y.order {
		if n := y.count[w]; n > 1 {
			w += fmt.Sprintf(" (%d)", n)
		}
		all = append(all, w)
	}
	return fmt.Sprintf("%s %d of %d: %s", y.word, y.n, of, words.List(all, ", ", 5))
}

// sort puts rows in the order of models and of providers in which they first
// came, then by threads and batch.
func (t *table) sort() {
	place := map[string]int{}
	at := func(what string) int {
		if _, ok := place[what]; !ok {
			place[what] = len(place)
		}
		return place[what]
	}
	for _, r := range t.rows {
		at("model " + r.key.sha256)
		at("provider " + r.key.provider + " " + r.key.runtime)
	}
	slices.SortStableFunc(t.rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(at("model "+a.key.sha256), at("model "+b.key.sha256)),
			cmp.Compare(at("provider "+a.key.provider+" "+a.key.runtime), at("provider "+b.key.provider+" "+b.key.runtime)),
			cmp.Compare(a.key.threads, b.key.threads), cmp.Compare(a.key.batch, b.key.batch),
			strings.Compare(a.key.shape, b.key.shape), strings.Compare(a.key.board, b.key.board))
	})
}

// sameName finds models that are other bytes under one name: they are never
// pooled or compared with each other.
func (t *table) sameName() {
	sums := map[string]map[string]int{} // name, sum, runs
	for _, r := range t.rows {
		for _, n := range r.names {
			if sums[n] == nil {
				sums[n] = map[string]int{}
			}
			for _, g := range r.groups {
				sums[n][r.key.sha256] = max(sums[n][r.key.sha256], len(g))
			}
		}
	}
	for _, r := range t.rows {
		if len(sums[r.names[0]]) > 1 {
			r.names[0] += "#" + r.key.sha256[:min(8, len(r.key.sha256))]
		}
	}
	for _, n := range slices.Sorted(maps.Keys(sums)) {
		if len(sums[n]) > 1 {
			t.notes = append(t.notes, fmt.Sprintf("%s is the name of %d different files; each is compared with itself only.", n,
				len(sums[n])))
		}
	}
}

// summarize adds what was taken, and the notes.
func (t *table) summarize(out *Comparison, kind Kind) {
	if len(t.alone) > 0 {
		t.notes = append(t.notes, "Not compared, as only one group has it: "+words.List(t.alone, "; ", 6)+".")
	}
	switch kind {
	case Rehearsal:
		t.notes = append(t.notes, "These are rehearsals: the times were measured on other machines and are no verdict "+
			"about the real device.")
	case Emulated:
		t.notes = append(t.notes, "The processors were emulated: latencies under emulation say nothing about a real device.")
	}
	for g := range t.groups {
		s := Summary{Label: t.groups[g].Label, Runs: []RunRef{}, Devices: []string{}}
		for i := range t.groups[g].Runs {
			r := &t.groups[g].Runs[i]
			if ref := t.refs[r]; ref.Trials > 0 {
				s.Runs = append(s.Runs, *ref)
				if d := DeviceName(r.Device); !slices.Contains(s.Devices, d) {
					s.Devices = append(s.Devices, d)
				}
			}
			if p := t.problems[r]; p != nil {
				out.Problems = append(out.Problems, *p)
			}
		}
		slices.Sort(s.Devices)
		if slices.Contains(s.Devices, Unnamed) {
			t.notes = append(t.notes, "Results that do not say on which device they were measured count as one "+
				"device"+of(s.Label)+".")
		}
		out.Groups = append(out.Groups, s)
	}
	out.Notes = append(t.notes, falseAlarms(out.Rows)...)
}

func of(label string) string {
	if label == "" {
		return ""
	}
	return " of " + label
}

// Unnamed is the device of all results that do not name theirs.
const Unnamed = "(device not named)"

// DeviceName is the name of a device, or [Unnamed].
func DeviceName(d string) string { return cmp.Or(d, Unnamed) }
