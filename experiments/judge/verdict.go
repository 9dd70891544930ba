package judge

// Verdict says whether a budget is met.
type Verdict uint8

// The verdicts. The zero value is the one that claims nothing.
const (
	Unknown Verdict = iota // it could not be judged: no usable result, or no value
	Met
	NotMet
)

// verdicts are the verdicts' names in documents for programs, their words for
// people, and how bad they are: one repetition that misses a budget outweighs
// any number of others.
var verdicts = [...]struct {
	name, words string
	bad         int
}{
	Met:     {"met", "met", 0},
	Unknown: {"unknown", "unknown", 1},
	NotMet:  {"not_met", "NOT met", 2},
}

// String is the verdict as people read it: "met", "NOT met" or "unknown".
func (v Verdict) String() string { return verdicts[v].words }

// Name is the verdict in JSON and CSV: "met", "not_met" or "unknown".
func (v Verdict) Name() string { return verdicts[v].name }

// MarshalText is [Verdict.Name].
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.Name()), nil }

// Worst of several verdicts, as of the repetitions of an option, or of an option
// on all budgets: NOT met if any is, else unknown if any is, else met. Where
// nothing was asked for, nothing is missed: the worst of none is met.
func Worst(all ...Verdict) Verdict {
	worst := Met
	for _, v := range all {
		if verdicts[v].bad > verdicts[worst].bad {
			worst = v
		}
	}
	return worst
}
