package quant

import (
	"fmt"
	"slices"

	"chexp/models/onnx"
)

// longName is from how many letters on a value's name is worth a shorter one. What
// exporters call a value has sixty and is read in three places: of a small model's
// file that would be more than its weights.
const longName = 25

// worthMerging is from how many bytes on equal constants become one: weights, and no
// zero points for each channel, of which a runtime makes nothing.
const worthMerging = 1 << 11

// merged lets equal constants be one, as a weight that several nodes share is
// quantized for each of them. It returns what took the place of which.
func merged(out *onnx.Graph, keep map[string]bool) map[string]string {
	first, same := map[string]string{}, map[string]string{}
	out.Initializers = slices.DeleteFunc(out.Initializers, func(t *onnx.Tensor) bool {
		if keep[t.Name] || len(t.Raw) < worthMerging {
			return false
		}
		key := fmt.Sprint(t.Type, t.Dims, " ") + string(t.Raw)
		if first[key] == "" {
			first[key] = t.Name
			return false
		}
		same[t.Name] = first[key]
		return true
	})
	return same
}

// compact merges equal constants, and gives the graph's inner values and constants
// short names where theirs are long: v1, v2, … Nodes keep theirs, and so do inputs, outputs and what a body of If,
// Loop or Scan reads. What exporters note about each node for themselves is left
// out.
func compact(out *onnx.Graph, next func() string) {
	keep := map[string]bool{}
	for _, v := range slices.Concat(out.Inputs, out.Outputs) {
		keep[v.Name] = true
	}
	for _, n := range out.Nodes {
		if hasBodies(n) {
			eachBody(n, func(g *onnx.Graph) { outside(g, func(name string) { keep[name] = true }) })
		}
	}
	same := merged(out, keep)
	short := map[string]string{}
	rename := func(name string) string {
		if len(name) < longName || keep[name] {
			return name
		}
		if short[name] == "" {
			short[name] = next()
		}
		return short[name]
	}
	made := map[string]bool{}
	for i, t := range out.Initializers {
		made[t.Name] = true
		if to := rename(t.Name); to != t.Name {
			c := *t
			c.Name = to
			out.Initializers[i] = &c
		}
	}
	for _, n := range out.Nodes {
		for _, o := range n.Outputs {
			made[o] = true
		}
	}
	for i, n := range out.Nodes {
		c := *n
		c.Inputs, c.Outputs = slices.Clone(n.Inputs), slices.Clone(n.Outputs)
		for k, name := range c.Inputs {
			if to := same[name]; to != "" {
				name, c.Inputs[k] = to, to
			}
			if made[name] {
				c.Inputs[k] = rename(name)
			}
		}
		for k, name := range c.Outputs {
			c.Outputs[k] = rename(name)
		}
		c.Doc, c.Unknown = "", nil
		out.Nodes[i] = &c
	}
}

// outside calls f with the values that a graph reads from around it.
func outside(g *onnx.Graph, f func(name string)) {
	onnx.EachUse(&onnx.Node{Attributes: []*onnx.Attribute{{Graph: g}}}, f)
}
