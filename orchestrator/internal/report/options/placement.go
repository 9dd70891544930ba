package options

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// Placement says which provider really ran a model, and where its time went.
type Placement struct {
	Option      string `json:"option"`
	Model       string `json:"model"`
	Provider    string `json:"provider"` // that was asked for
	Unavailable string `json:"unavailable,omitempty"`

	Truth     string   `json:"truth,omitempty"` // "0 of 68 nodes: not an ACL result"
	Wrong     bool     `json:"wrong,omitempty"`
	Shares    []Share  `json:"shares,omitempty"`    // per provider
	Left      []string `json:"left,omitempty"`      // operators that fell back: "52 QLinearConv"
	Operators []Share  `json:"operators,omitempty"` // those with the most time
	Why       string   `json:"why,omitempty"`       // what its nodes do
	// Odd: more than a tenth of the time goes into number formats.
	Odd bool `json:"odd,omitempty"`
}

// Share is a part of a model's nodes and of their time, 0 to 1.
type Share struct {
	Name  string  `json:"name"`
	Nodes int     `json:"nodes"`
	Time  float64 `json:"time"`
}

// Placements makes one entry per option, from the first repetition that knows.
func Placements(run *judge.Run) (out []Placement) {
	for _, c := range run.Options {
		p := Placement{Option: c.Letter, Model: c.Model, Provider: c.Trials[0].Provider,
			Unavailable: "the trial has no usable result"}
		known := false
		for _, r := range c.Trials {
			if !r.Sound() || known {
				continue
			}
			p.Unavailable = r.Ran.Unavailable
			if truth, ok := r.Ran.Get(); ok {
				known = true
				p.fill(r, truth)
			}
		}
		// A run of an old agent has no line here, and says so nowhere twice.
		if known || c.Trials[0].Sound() && !c.Trials[0].OnCPU() {
			out = append(out, p)
		}
	}
	return out
}

// most is how many operators are named.
const most = 6

func (p *Placement) fill(r *judge.Trial, truth validity.Truth) {
	got, _ := r.Result.Placement.Get()
	p.Unavailable, p.Wrong = "", truth.Wrong()
	p.Truth = words.Line(truth.Share(), words.MaxSentence)
	total := 0.0
	for _, s := range got.Providers {
		total += float64(s.TimeNS)
	}
	share := func(ns int64) float64 {
		if total <= 0 || ns < 0 {
			return 0
		}
		return min(1, float64(ns)/total)
	}
	for _, s := range got.Providers[:min(len(got.Providers), 20)] {
		p.Shares = append(p.Shares, Share{trial.ShowName(s.Provider), s.Nodes, share(s.TimeNS)})
	}
	kinds := map[string]*Share{}
	for _, o := range got.Operators[:min(len(got.Operators), 1000)] {
		op := words.Line(o.Operator, words.MaxName)
		if len(p.Operators) < most {
			p.Operators = append(p.Operators, Share{op, o.Nodes, share(o.TimeNS)})
		}
		if o.Provider != r.Result.Provider.Name && len(p.Left) < most {
			left := fmt.Sprintf("%d %s", o.Nodes, op)
			if o.Provider != provider.CPU {
				left += " (to " + trial.ShowName(o.Provider) + ")"
			}
			p.Left = append(p.Left, left)
		}
		kind := kindOf(o.Operator)
		if kinds[kind] == nil {
			kinds[kind] = &Share{Name: kind}
		}
		kinds[kind].Nodes += o.Nodes
		kinds[kind].Time += share(o.TimeNS)
	}
	p.Odd = kinds[conversion] != nil && kinds[conversion].Time > 0.1
	p.Why = workText(got.Nodes, kinds, p.Operators)
}

// Kinds of operators, by what a reader wants to know: how much of the time is
// the model's own arithmetic, and how much the price of its number format.
const (
	integerWork = "multiply 8-bit values"
	floatWork   = "multiply float values"
	conversion  = "convert between number formats"
	layout      = "only move values about"
	otherWork   = "do other arithmetic"
)

// operators of each kind; those of none do other arithmetic.
var operators = map[string][]string{
	integerWork: strings.Fields("ConvInteger MatMulInteger QLinearConv QLinearMatMul QGemm MatMulIntegerToFloat " +
		"DynamicQuantizeMatMul NhwcQLinearConv"),
	floatWork:  strings.Fields("Conv FusedConv NhwcConv NhwcFusedConv Gemm FusedGemm MatMul FusedMatMul ConvTranspose"),
	conversion: strings.Fields("Cast QuantizeLinear DequantizeLinear DynamicQuantizeLinear"),
	layout: strings.Fields("Reshape Transpose ReorderInput ReorderOutput Concat Slice Squeeze Unsqueeze Gather " +
		"Flatten Identity Shape Expand Split MemcpyFromHost MemcpyToHost"),
}

func kindOf(operator string) string {
	for kind, names := range operators {
		if slices.Contains(names, operator) {
			return kind
		}
	}
	return otherWork
}

// workText says what the nodes do, in the order of a reader's interest: "625
// nodes: 53 multiply 8-bit values, 31 % of the time; 158 convert …".
func workText(nodes int, kinds map[string]*Share, top []Share) string {
	var parts []string
	for _, k := range []string{integerWork, floatWork, conversion, otherWork, layout} {
		if s := kinds[k]; s != nil && s.Nodes > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s of the time)", s.Nodes, k, words.Percent(s.Time)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	var ops []string
	for _, o := range slices.SortedStableFunc(slices.Values(top),
		func(a, b Share) int { return cmp.Compare(b.Time, a.Time) })[:min(3, len(top))] {
		ops = append(ops, fmt.Sprintf("%s %s", o.Name, words.Percent(o.Time)))
	}
	return fmt.Sprintf("%s: %s. Most time: %s", words.Plural(nodes, "node"), strings.Join(parts, ", "),
		strings.Join(ops, ", "))
}
