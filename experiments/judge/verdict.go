package judge

// Verdict says whether a budget is met.
type Verdict uint8

// The verdicts. The zero value is the one that claims nothing.
const (
	Unknown   Verdict = iota // it could not be judged: no usable result, or no value
	Met                      // the whole 95 % interval of the value lies inside the limit
	NotMet                   // the whole interval lies outside
	Undecided                // the limit lies within the interval: more measuring may decide
	Elsewhere                // other batches than this one answer the budget
)

// verdicts are the verdicts' names in documents for programs, their words for
// people, and how bad they are where one option is held against several budgets:
// one that is missed outweighs any number of others.
var verdicts = [...]struct {
	name, words string
	bad         int
}{
	Met:       {"met", "met", 0},
	Undecided: {"undecided", "UNDECIDED", 1},
	Unknown:   {"unknown", "unknown", 2},
	NotMet:    {"not_met", "NOT met", 3},
	Elsewhere: {"elsewhere", "at other batches", 0},
}

// String is the verdict as people read it: "met", "NOT met", "UNDECIDED",
// "unknown" or "at other batches".
func (v Verdict) String() string { return verdicts[v].words }

// Name is the verdict in JSON and CSV: "met", "not_met", "undecided", "unknown" or
// "elsewhere".
func (v Verdict) Name() string { return verdicts[v].name }

// MarshalText is [Verdict.Name].
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.Name()), nil }

// Worst of an option's verdicts on several budgets: NOT met if any is, else
// unknown, else UNDECIDED, else met. Where nothing was asked for, nothing is
// missed: the worst of none is met.
func Worst(all ...Verdict) Verdict {
	worst := Met
	for _, v := range all {
		if verdicts[v].bad > verdicts[worst].bad {
			worst = v
		}
	}
	return worst
}

// Together is the verdict of an option's repetitions on one budget. They measure
// one thing, and what they span is its interval: where one of them missed the
// budget and another did not, the limit lies within, and nothing is decided.
func Together(repetitions ...Verdict) Verdict {
	if len(repetitions) > 0 && repetitions[0] == Elsewhere { // so are all: they are of one batch
		return Elsewhere
	}
	missed, not := false, false
	for _, v := range repetitions {
		missed, not = missed || v == NotMet, not || v == Met || v == Undecided
	}
	if missed && not {
		return Undecided
	}
	return Worst(repetitions...)
}
