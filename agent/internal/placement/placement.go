// Package placement finds out which execution provider really ran a model. A
// provider takes the nodes that it can, and ONNX Runtime gives the rest to its
// CPU code without a word; so a session with a provider appended says nothing
// about that provider until its nodes are counted. They are counted in what ONNX
// Runtime's profiler writes: it is complete, unlike the API for node assignment
// (1.24 and later), which misses the nodes that layout transformation made.
//
// Profile runs such a session: short, in a process of its own, never the timed
// one, because the profiler slows every node down. Parse reads the file that the
// profiler wrote, and believes little of it: names in it are the model's.
package placement

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Bounds on a profile. ONNX Runtime keeps at most a million events and writes
// one a line, 600 to 900 bytes each for a convolution.
const (
	maxBytes  = 512 << 20
	maxLine   = 1 << 20
	maxNodes  = 200_000 // of one model
	maxKinds  = 2_000   // operators × providers in the answer
	maxName   = 80
	maxTimeUS = int64(24 * 3600 * 1e6) // of one event

	maxTotalNS = int64(365 * 24 * 3600 * 1e9)
)

// event is one line of the profile. Times are whole microseconds: a node that
// took less than one has 0.
type event struct {
	Category string `json:"cat"`
	Name     string `json:"name"`
	Start    int64  `json:"ts"`
	Duration int64  `json:"dur"`
	Args     struct {
		Operator string `json:"op_name"`
		Provider string `json:"provider"`
		Index    string `json:"node_index"`
	} `json:"args"`
}

// node identifies a node of the graph across inferences.
type node struct{ index, name, operator, provider string }

// kind is an operator on a provider: one line of the answer.
type kind struct{ operator, provider string }

// count adds up the profiled inferences.
type count struct {
	planName   func(string) string
	inferences int
	first      map[node]bool // of all inferences: a branch may be taken in one only
	times      map[kind]int64
	total      int64
	pending    []event // of the inference that is being read
}

// Parse reads a profile of a session that ran at least two inferences. The first
// one is left out: memory is laid out and weights are packed in it. planName is
// what an experiment calls a provider.
func Parse(r io.Reader, planName func(string) string) (*trial.Placement, error) {
	c := count{planName: planName, inferences: -1, first: map[node]bool{}, times: map[kind]int64{}}
	limited := &io.LimitedReader{R: r, N: maxBytes + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		if err := c.line(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("the profile's line %d: %w", n, err)
		}
	}
	switch {
	case lines.Err() != nil:
		return nil, fmt.Errorf("the profile: %w", lines.Err())
	case limited.N == 0:
		return nil, fmt.Errorf("the profile has more than %d bytes", maxBytes)
	case c.inferences < 1:
		return nil, errors.New("the profile holds no complete inference after the first")
	case len(c.first) == 0:
		return nil, errors.New("the profile names no node that was executed")
	}
	return c.placement()
}

func (c *count) line(line []byte) error {
	line = bytes.TrimSuffix(bytes.TrimSpace(line), []byte(","))
	if len(line) == 0 || string(line) == "[" || string(line) == "]" {
		return nil
	}
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		// ONNX Runtime does not escape the names of nodes.
		return fmt.Errorf("%w (a node's name with a quote or a backslash in it does that)", err)
	}
	switch {
	case e.Duration < 0 || e.Duration > maxTimeUS:
		return fmt.Errorf("an event of %d µs", e.Duration)
	case e.Category == "Session" && e.Name == "model_run":
		return c.inference()
	// Before 1.14 or so there were also …_fence_before and _fence_after.
	case e.Category == "Node" && strings.HasSuffix(e.Name, "_kernel_time"):
		if e.Args.Provider == "" || e.Args.Operator == "" {
			return fmt.Errorf("node %.80q without its provider or operator", e.Name)
		}
		c.pending = append(c.pending, e)
	}
	return nil
}

// inference ends an inference, whose event comes after the events of its nodes.
func (c *count) inference() error {
	defer func() { c.pending = c.pending[:0] }()
	if c.inferences++; c.inferences == 0 {
		return nil
	}
	for i, self := range ownTimes(c.pending) {
		e := &c.pending[i]
		k := kind{operatorName(e.Args.Operator), words.Line(c.planName(e.Args.Provider), maxName-1)}
		c.first[node{e.Args.Index, e.Name, k.operator, k.provider}] = true
		c.times[k] += self * 1000
		if c.total += self * 1000; c.total > maxTotalNS {
			return errors.New("nodes that took more than a year in all")
		}
	}
	if len(c.first) > maxNodes || len(c.times) > maxKinds {
		return fmt.Errorf("more than %d nodes or %d kinds of operators", maxNodes, maxKinds)
	}
	return nil
}

// ownTimes returns the time of each event without the events inside it: the time
// of a Loop or If includes the nodes of its body. It sorts the events.
func ownTimes(events []event) []int64 {
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Duration, a.Duration))
	})
	own := make([]int64, len(events))
	var open []int
	for i, e := range events {
		own[i] = e.Duration
		for len(open) > 0 {
			outer := events[open[len(open)-1]]
			if e.Duration > 0 && e.Start+e.Duration <= outer.Start+outer.Duration {
				own[open[len(open)-1]] = max(0, own[open[len(open)-1]]-e.Duration)
				break
			}
			open = open[:len(open)-1]
		}
		open = append(open, i)
	}
	return own
}

func (c *count) placement() (*trial.Placement, error) {
	nodes := map[kind]int{}
	for n := range c.first {
		nodes[kind{n.operator, n.provider}]++
	}
	p := &trial.Placement{Inferences: c.inferences, Nodes: len(c.first)}
	providers := map[string]*trial.ProviderShare{}
	for _, k := range slices.SortedFunc(maps.Keys(nodes), byName) {
		p.Operators = append(p.Operators,
			trial.OperatorsShare{Operator: k.operator, Provider: k.provider, Nodes: nodes[k], TimeNS: c.times[k]})
		s := providers[k.provider]
		if s == nil {
			s = &trial.ProviderShare{Provider: k.provider}
			providers[k.provider] = s
		}
		s.Nodes += nodes[k]
		s.TimeNS += c.times[k]
		p.TimeNS += c.times[k]
	}
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		p.Providers = append(p.Providers, *providers[name])
	}
	slices.SortStableFunc(p.Providers, func(a, b trial.ProviderShare) int { return cmp.Compare(b.Nodes, a.Nodes) })
	slices.SortStableFunc(p.Operators, func(a, b trial.OperatorsShare) int { return cmp.Compare(b.TimeNS, a.TimeNS) })
	return p, nil
}

func byName(a, b kind) int {
	return cmp.Or(strings.Compare(a.operator, b.operator), strings.Compare(a.provider, b.provider))
}

// compiled is how a provider that compiles names a subgraph: the kind of
// provider, a hash of the model, a number.
var compiled = regexp.MustCompile(`^([A-Za-z_]+?)_[0-9]{6,20}_[0-9]+(_[0-9]+)?$`)

const subgraph = " subgraph"

// operatorName puts all the subgraphs of a provider into one line.
func operatorName(op string) string {
	if m := compiled.FindStringSubmatch(op); m != nil {
		return words.Line(m[1], maxName-1) + subgraph
	}
	return words.Line(op, maxName-1)
}

// Expand counts a compiled subgraph by what is in it. A provider that compiles
// runs all that it claimed as one node; inside holds, for each kind of operator,
// how many nodes of the model that is. Their times are the subgraph's: nothing
// measured them one by one.
func Expand(p *trial.Placement, provider string, inside map[string]int) error {
	total := 0
	var names []string
	for _, op := range slices.SortedFunc(maps.Keys(inside), func(a, b string) int {
		return cmp.Or(cmp.Compare(inside[b], inside[a]), strings.Compare(a, b))
	}) {
		total += inside[op]
		names = append(names, fmt.Sprintf("%d %s", inside[op], op))
	}
	at := slices.IndexFunc(p.Operators, func(o trial.OperatorsShare) bool {
		return o.Provider == provider && strings.HasSuffix(o.Operator, subgraph)
	})
	share := slices.IndexFunc(p.Providers, func(s trial.ProviderShare) bool { return s.Provider == provider })
	if at < 0 && total == 0 {
		return nil
	}
	if at < 0 || share < 0 || total < p.Operators[at].Nodes {
		return fmt.Errorf("%s took %d nodes of the model, and the profile does not show them as it should", provider,
			total)
	}
	more := total - p.Operators[at].Nodes
	p.Operators[at].Operator = words.Line("subgraph: "+strings.Join(names, ", "), maxName-1)
	p.Operators[at].Nodes = total
	p.Providers[share].Nodes += more
	p.Nodes += more
	slices.SortStableFunc(p.Providers, func(a, b trial.ProviderShare) int { return cmp.Compare(b.Nodes, a.Nodes) })
	return nil
}
