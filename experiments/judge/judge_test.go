package judge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

const ms = 1e6

// The latencies of these runs are made up.
type run struct {
	plan    *trial.Plan
	results []*trial.Result
	origins Origins
}

// add plans a trial of a model of so many bytes and adds its result: n latencies
// that go up and down by 1 % around p50.
func (r *run) add(model string, bytes int64, threads, rep, n int, p50 float64) *trial.Result {
	if r.plan == nil {
		r.plan = &trial.Plan{RunID: "r", Seed: 7}
	}
	m := trial.Model{Name: model, Bytes: bytes, SHA256: strings.Repeat("a", 64)}
	cpu := trial.Provider{Name: "cpu"}
	p := trial.Trial{ID: trial.NewID(model, "cpu", threads, 1, rep), Model: model, Provider: cpu, Threads: threads,
		Batch: 1, Repetition: rep}
	if !slices.ContainsFunc(r.plan.Models, func(x trial.Model) bool { return x.Name == model }) {
		r.plan.Models = append(r.plan.Models, m)
	}
	r.plan.Trials = append(r.plan.Trials, p)
	x := &trial.Result{RunID: "r", TrialID: p.ID, Model: m, Provider: cpu, Threads: threads, Batch: 1, Repetition: rep,
		Outcome: trial.OK, SessionCreateNS: trial.Read(int64(40 * ms)), FirstInferenceNS: trial.Read(int64(3 * p50)),
		PeakMemoryBytes: trial.Read(int64(61_000_000)), Start: time.Unix(1e9, 0), End: time.Unix(1e9+60, 0)}
	for i := range n {
		x.LatenciesNS = append(x.LatenciesNS, int64(p50*(1+0.01*math.Sin(float64(i)*1.7))))
	}
	x.Summary = stats.NewSample(x.LatenciesNS).Summary(1)
	r.results = append(r.results, x)
	return x
}

func (r *run) judge(budgets ...Budget) *Run { return Results(r.plan, r.results, r.origins, budgets) }

func budget(m *Metric, op Op, limit float64) Budget { return Budget{"b", m, op, limit} }

func TestAnswers(t *testing.T) {
	var r run
	r.add("m", 2_415_126, 2, 1, 1000, 10*ms)
	judged := r.judge().Trials[0]
	p50, low, high := *judged.P50.Value, *judged.P50Low.Value, *judged.P50High.Value
	for _, c := range []struct {
		budget Budget
		want   Verdict
	}{
		{budget(Size, "<", 2415126), NotMet},
		{budget(Size, "<=", 2415126), Met},
		{budget(P50, "<", p50), Undecided},
		{budget(P50, "<=", p50), Undecided},
		{budget(P50, ">", p50), Undecided},
		{budget(P50, ">=", p50), Undecided},
		{budget(P50, "<", low), NotMet},
		{budget(P50, "<=", low), Undecided},
		{budget(P50, ">=", low), Met},
		{budget(P50, ">", low), Undecided},
		{budget(P50, "<", high), Undecided},
		{budget(P50, "<=", high), Met},
		{budget(P50, ">", high), NotMet},
		{budget(P90, "<", 12*ms), Met},
		{budget(P95, "<", 10*ms), NotMet},
		{budget(P99, "<", 1e12), Met},
		{budget(Throughput, ">", 90), Met},
		{budget(Throughput, ">=", 110), NotMet},
		{budget(SessionCreate, "<=", 40*ms), Met},
		{budget(FirstInference, "<", 30*ms), NotMet},
		{budget(PeakMemory, "<", 64e6), Met},
		{budget(Accuracy, ">", 0.9), Unknown},
		{budget(P50, "~", 1), Unknown},
		{budget(nil, "", 1), Unknown},
		{budget(P50, "<", math.NaN()), Unknown},
	} {
		got := r.judge(c.budget).Trials[0].Answers[0]
		if got.Verdict != c.want || (c.want == Unknown) != (got.Why != "") {
			t.Errorf("%+v: %+v, want %s", c.budget, got, c.want)
		}
	}
}

// Every metric that a budget can limit is read, written and named somewhere.
func TestMetrics(t *testing.T) {
	var r run
	x := r.add("m", 2_415_126, 2, 1, 1000, 10*ms)
	x.Accuracy = trial.Read(trial.Accuracy{Pictures: 100, Right: 90})
	judged := r.judge().Trials[0]
	for _, m := range Metrics {
		v, ok := m.Read(judged).Get()
		if !ok || v <= 0 {
			t.Errorf("%s reads %+v", m, m.Read(judged))
		}
		if MetricNamed(m.String()) != m || m.Units() == "" || !strings.ContainsAny(m.Format(v), "0123456789") {
			t.Errorf("%s: units %q, format %q", m, m.Units(), m.Format(v))
		}
		near := r.judge(budget(m, "<=", v)).Trials[0].Answers[0]
		want := Met
		if m.IsLatency() || m == Accuracy || m == Throughput {
			want = Undecided
		}
		if near.Verdict != want || (near.Interval != nil) != (want == Undecided) {
			t.Errorf("%s on its own value: %+v", m, near)
		}
	}
	if MetricNamed("p42") != nil {
		t.Error("a metric of no name was found")
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		of   []Verdict
		want Verdict
	}{
		{nil, Met}, {[]Verdict{Met, Met}, Met}, {[]Verdict{Met, Unknown}, Unknown}, {[]Verdict{Unknown, Met}, Unknown},
		{[]Verdict{NotMet, Unknown, Met}, NotMet}, {[]Verdict{Unknown, NotMet}, NotMet},
		{[]Verdict{Met, Undecided}, Undecided}, {[]Verdict{Undecided, Unknown}, Unknown},
		{[]Verdict{Undecided, NotMet}, NotMet},
	} {
		if got := Worst(c.of...); got != c.want {
			t.Errorf("Worst(%v) = %v, want %v", c.of, got, c.want)
		}
	}
	got, err := json.Marshal([]Verdict{Met, NotMet, Unknown, Undecided})
	if want := `["met","not_met","unknown","undecided"]`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func TestTogether(t *testing.T) {
	for _, c := range []struct {
		of   []Verdict
		want Verdict
	}{
		{[]Verdict{Met, Met}, Met}, {[]Verdict{Met, NotMet}, Undecided}, {[]Verdict{NotMet, Unknown}, NotMet},
		{[]Verdict{Met, Unknown}, Unknown}, {[]Verdict{Met, Undecided}, Undecided},
		{[]Verdict{NotMet, Undecided}, Undecided}, {[]Verdict{Met, NotMet, Unknown}, Undecided},
	} {
		if got := Together(c.of...); got != c.want {
			t.Errorf("Together(%v) = %v, want %v", c.of, got, c.want)
		}
	}
}

// What an UNDECIDED answer asks for decides four of five samples of that size.
func TestMoreProbablyDecides(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	sample := func(n int) Answer {
		var r run
		x := r.add("m", 1e6, 2, 1, n, 10*ms)
		for i := range x.LatenciesNS {
			x.LatenciesNS[i] = int64(10 * ms * (1 + 0.05*rng.NormFloat64()))
		}
		x.Summary = stats.NewSample(x.LatenciesNS).Summary(1)
		return r.judge(budget(P50, "<", 10.1*ms)).Trials[0].Answers[0]
	}
	far := trial.Interval{Low: 9.9 * ms, High: 10.1 * ms}
	more := (&Trial{N: 100}).more(budget(P50, "<", 10.1*ms), 10*ms, far)
	if more == nil || more.N != 110 || more.String() != "about 110 more inferences" {
		t.Errorf("%+v", more)
	}
	if m := (&Trial{N: 100}).more(budget(P50, "<", 10*ms), 10*ms, far); m != nil {
		t.Errorf("at the limit itself no number decides: %v", m)
	}
	undecided, met := sample(100), 0
	for undecided.Verdict != Undecided || undecided.More == nil || math.Abs(*undecided.Value.Value/(10*ms)-1) > 0.001 {
		undecided = sample(100)
	}
	for range 200 {
		if sample(100+undecided.More.N).Verdict == Met {
			met++
		}
	}
	if met < 130 || met > 190 {
		t.Errorf("%s decided in %d of 200", undecided.More, met)
	}
}

func TestContradicts(t *testing.T) {
	for _, c := range []struct {
		a, b Budget
		want bool
	}{
		{budget(P50, "<", 5), budget(P50, ">", 5), true},
		{budget(P50, "<=", 5), budget(P50, ">=", 5), false},
		{budget(P50, "<", 5), budget(P50, ">=", 5), true},
		{budget(P50, ">", 4), budget(P50, "<", 5), false},
		{budget(P50, ">", 6), budget(P50, "<", 5), true},
		{budget(P50, ">", 6), budget(P95, "<", 5), false},
		{budget(P50, "<", 6), budget(P50, "<", 5), false},
	} {
		if c.a.Contradicts(c.b) != c.want || c.b.Contradicts(c.a) != c.want {
			t.Errorf("%v and %v: want %v", c.a, c.b, c.want)
		}
	}
}

func TestDecide(t *testing.T) {
	var r run
	r.add("small", 1e6, 2, 1, 200, 14*ms)
	r.add("small", 1e6, 2, 2, 200, 14.2*ms)
	r.add("fast", 3e6, 2, 1, 200, 7*ms)
	r.add("large", 9e6, 2, 1, 200, 1*ms)
	failed := r.add("broken", 1e6, 2, 1, 200, 7*ms)
	failed.Outcome = trial.Failed
	judged := r.judge(budget(Size, "<", 5e6), budget(P50, "<", 15*ms))
	d := judged.Decide()
	if d.Conclusion != SomeMeet || Labels(d.Meeting) != "small on cpu; fast on cpu" ||
		Labels(d.Unusable) != "broken on cpu" ||
		d.Smallest.Model != "small" || d.Fastest.Model != "fast" || len(d.Alike)+len(d.Open) != 0 {
		t.Errorf("%+v", d)
	}
	if x := d.Tallies[0]; x.Met != 2 || x.Nearest.Model != "small" || x.Value != 1e6 {
		t.Errorf("size: %+v", x)
	}
	if x := d.Tallies[1]; x.Met != 3 || x.Nearest.Model != "large" {
		t.Errorf("p50: %+v", x)
	}
	if d := r.judge(budget(P50, "<", 14.1*ms)).Decide(); d.Conclusion != SomeMeet || Labels(d.Open) != "small on cpu" {
		t.Errorf("one repetition inside and one outside decide something: %+v", d)
	}
	if d := r.judge(budget(P50, "<", 1)).Decide(); d.Conclusion != NoneMeets || d.Fastest != nil {
		t.Errorf("%+v", d)
	}
	if d := r.judge(budget(Accuracy, ">", 0.5)).Decide(); d.Conclusion != NoneKnown || len(d.Open) != 3 {
		t.Errorf("%+v", d)
	}
	if d := r.judge().Decide(); d.Conclusion != NoBudget || d.Fastest.Model != "large" {
		t.Errorf("%+v", d)
	}
	if d := (&Run{}).Decide(); d.Conclusion != NoResults {
		t.Errorf("%+v", d)
	}
}

func TestLetters(t *testing.T) {
	for n, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 51: "AZ", 52: "BA", 701: "ZZ", 702: "AAA"} {
		if got := letters(n); got != want {
			t.Errorf("letters(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestForeignAndDoubtfulResults(t *testing.T) {
	var r run
	r.add("m", 1e6, 2, 1, 200, 7*ms)
	r.results = append(r.results, r.results[0], &trial.Result{TrialID: "no\x1bbody"}, nil)
	r.results[0].RunID = "another"
	judged := r.judge(budget(Size, "<", 5e6))
	if got := strings.Join(judged.Foreign, ","); got != "no·body" {
		t.Errorf("foreign: %q", got)
	}
	x := judged.Trials[0]
	if len(x.Doubts) != 2 || x.Valid() || x.Answers[0].Verdict != Unknown {
		t.Errorf("%q, %+v", x.Doubts, x.Answers)
	}
}

func TestNearestIsOfAValidRepetition(t *testing.T) {
	var r run
	r.add("m", 1e6, 2, 1, 200, 20*ms)
	r.add("m", 1e6, 2, 2, 5, 1*ms) // too few inferences: INVALID
	x := r.judge(budget(P50, "<", 15*ms)).Decide().Tallies[0]
	if x.Met != 0 || x.Nearest == nil || x.Value < 19*ms {
		t.Errorf("%+v", x)
	}
}

// on makes the last trial one of another provider.
func (r *run) on(p trial.Provider) {
	planned, x := &r.plan.Trials[len(r.plan.Trials)-1], r.results[len(r.results)-1]
	planned.Provider, x.Provider = p, p
	planned.ID = trial.NewID(planned.Model, p.Label(), planned.Threads, planned.Batch, planned.Repetition)
	x.TrialID = planned.ID
	nodes := trial.ProviderShare{Provider: p.Name, Nodes: 3, TimeNS: 1}
	x.Placement = trial.Read(trial.Placement{Nodes: 3, Providers: []trial.ProviderShare{nodes}})
}

// A provider is held against the cpu provider of its own runtime.
func TestBases(t *testing.T) {
	var r run
	r.add("m", 1e6, 2, 1, 200, 20*ms)
	r.add("m", 1e6, 2, 1, 200, 19*ms)
	r.on(trial.Provider{Name: "cpu", Runtime: "debian"})
	r.add("m", 1e6, 2, 1, 200, 10*ms)
	r.on(trial.Provider{Name: "xnnpack", Runtime: "debian"})
	r.add("m", 1e6, 2, 1, 200, 15*ms)
	r.on(trial.Provider{Name: "acl"})
	r.add("m", 1e6, 4, 1, 200, 12*ms)
	r.add("n", 1e6, 2, 1, 200, 5*ms)
	var got []string
	for _, x := range r.judge().Ratios() {
		got = append(got, string(x.Axis)+": "+x.Option.Label+" / "+x.Base.Label)
	}
	want := []string{
		"model: n on cpu, 2 threads / m on cpu, 2 threads",
		"provider: m on xnnpack-debian, 2 threads / m on cpu-debian, 2 threads",
		"provider: m on acl, 2 threads / m on cpu, 2 threads",
		"threads: m on cpu, 4 threads / m on cpu, 2 threads",
	}
	if !slices.Equal(got, want) {
		t.Errorf("ratios\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFormat(t *testing.T) {
	for m, want := range map[*Metric]string{Size: "8.90 MB", P95: "8.90 ms", Throughput: "8900000/s"} {
		if got := m.Format(8.9e6); got != want {
			t.Errorf("%s: %q, want %q", m, got, want)
		}
	}
	if got := Accuracy.Format(0.905); got != "90.5 %" {
		t.Errorf("accuracy: %q", got)
	}
}

// A device's clock that was set back by an hour between two trials that took turns made
// of their ratio one "not measured in turns".
func TestAStepOfTheClockParts(t *testing.T) {
	var r run
	a, b := r.add("a", 1000, 1, 1, 400, 10*ms), r.add("b", 1000, 1, 1, 400, 12*ms)
	for k, x := range []*trial.Result{a, b} {
		for i := range 10 {
			x.Blocks = append(x.Blocks, trial.Block{Round: i + 1, Turn: 2*i + k + 1, First: 40 * i, N: 40,
				StartNS: int64(2*i+k) * 500 * ms})
		}
	}
	b.Start, b.End = a.Start.Add(-time.Hour), a.End.Add(-time.Hour)
	if ratios := r.judge().Ratios(); len(ratios) != 1 || !ratios[0].InTurns {
		t.Errorf("%+v", ratios)
	}
	for i := range b.Blocks { // measured an hour after all of a's, by the clock that nobody sets
		b.Blocks[i].StartNS += 3600e9
	}
	if ratios := r.judge().Ratios(); len(ratios) != 1 || ratios[0].InTurns {
		t.Errorf("an hour apart: %+v", ratios)
	}
}
