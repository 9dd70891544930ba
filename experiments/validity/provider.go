package validity

import (
	"fmt"
	"math"
	"strings"

	"chexp/experiments/provider"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Truth is what the provider that was asked for really did.
type Truth struct {
	Provider string  `json:"provider"`
	Nodes    int     `json:"nodes"` // that it ran
	Of       int     `json:"of"`    // nodes in all
	Time     float64 `json:"time"`  // its share, 0 to 1
}

// Wrong reports that another provider ran the whole model: the latencies are
// not those of the one asked for.
func (t Truth) Wrong() bool { return t.Nodes == 0 }

// String is the line of a truth table: "acl: 0 of 68 nodes: not an ACL result".
func (t Truth) String() string { return t.Provider + ": " + t.Share() }

// Share is [Truth.String] without the provider.
func (t Truth) Share() string {
	if t.Wrong() {
		return fmt.Sprintf("0 of %d nodes: not %s result", t.Of, spelled(strings.ToUpper(t.Provider)))
	}
	return fmt.Sprintf("%d of %d nodes, %s of the time", t.Nodes, t.Of, words.Percent(t.Time))
}

// spelled puts the article before a name whose letters are read one by one: "an
// ACL", "a CPU".
func spelled(name string) string {
	if name != "" && strings.Contains("AEFHILMNORSX", name[:1]) {
		return "an " + name
	}
	return "a " + name
}

// Ran says what the provider of the trial really ran. It is unavailable where
// that was not measured, or where the counts contradict each other.
func Ran(r *trial.Result) trial.Reading[Truth] {
	p, ok := r.Placement.Get()
	switch {
	case !ok && r.Placement.Unavailable != "":
		return trial.Unread[Truth](r.Placement.Unavailable)
	case !ok:
		return trial.Unread[Truth]("the agent did not measure it")
	}
	t := Truth{Provider: r.Provider.Name, Of: p.Nodes}
	nodes, ns := 0, int64(0)
	for _, s := range p.Providers {
		if s.Nodes < 0 || s.TimeNS < 0 || s.TimeNS > math.MaxInt64/64 {
			return trial.Unread[Truth]("the counts of nodes contradict each other")
		}
		nodes, ns = nodes+s.Nodes, ns+s.TimeNS
		if s.Provider == r.Provider.Name {
			t.Nodes += s.Nodes
			t.Time += float64(s.TimeNS)
		}
	}
	if nodes != p.Nodes || nodes < 1 {
		return trial.Unread[Truth](fmt.Sprintf("the counts of nodes contradict each other: %d in all, %d of all providers",
			p.Nodes, nodes))
	}
	if ns > 0 {
		t.Time /= float64(ns)
	}
	return trial.Read(t)
}

func checkProvider(r *trial.Result) stats.Check {
	c := stats.Check{Name: Provider, Outcome: stats.Valid, Limit: 100 * leastShare, Unit: "%"}
	t, ok := Ran(r).Get()
	if !ok {
		if r.Provider.Name == provider.CPU { // it has nobody to leave nodes to
			return unread(Provider, Ran(r).Unavailable)
		}
		c.Outcome, c.Value = stats.Suspect, trial.Unread[float64](Ran(r).Unavailable)
		c.Text = fmt.Sprintf("nothing shows that %s ran any node: %s", r.Provider.Name, Ran(r).Unavailable)
		c.Remedy = "measure again with an agent and a runtime that count the nodes"
		return c
	}
	c.Value, c.Text = trial.Read(100*t.Time), t.String()
	switch {
	case t.Wrong():
		c.Outcome = stats.Invalid
		c.Remedy = "leave " + r.Provider.Name +
			" out for this model, or give it a model that it can run: `chexp results show " + r.RunID +
			"` names the operators"
	case t.Time < leastShare:
		c.Outcome = stats.Suspect
		c.Text += fmt.Sprintf(", limit %s: mostly a result of the others", words.Percent(leastShare))
		c.Remedy = "compare with the cpu provider; the operators that were left to others stand in the truth table"
	}
	return c
}
