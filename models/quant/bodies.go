package quant

import (
	"slices"

	"chexp/models/onnx"
)

// eachBody calls f with every graph inside a node: the branches of an If, the body
// of a Loop or Scan.
func eachBody(n *onnx.Node, f func(*onnx.Graph)) {
	for _, a := range n.Attributes {
		if a.Graph != nil {
			f(a.Graph)
		}
		for _, g := range a.Graphs {
			f(g)
		}
	}
}

// PrepareBodies brings the graphs inside of a prepared model's nodes into the same
// form, for a dynamic model: its weights get smaller there too. In any other the
// constants that are made here would only be more.
func PrepareBodies(m *onnx.Model) {
	prepareBodies(m.Graph, nil)
	dropUnusedInitializers(m.Graph)
}

func prepareBodies(g *onnx.Graph, outer map[string]*onnx.Tensor) {
	constants, _, makers := index(g)
	for name, t := range outer {
		if constants[name] == nil && makers[name] == nil {
			constants[name] = t
		}
	}
	for _, n := range g.Nodes {
		if n.Type() == "Loop" {
			dropInvariants(g, n)
		}
		eachBody(n, func(body *onnx.Graph) {
			constantsToInitializers(body)
			foldMoves(body, constants)
			prepareBodies(body, constants)
			dropUnusedInitializers(body)
		})
	}
}

// dropInvariants lets the body of a Loop read from outside what it only hands on
// from round to round, as exporters hand weights: behind the Loop it is what it was
// before.
func dropInvariants(g *onnx.Graph, n *onnx.Node) {
	a := n.Attr("body")
	if a == nil || a.Graph == nil {
		return
	}
	body := a.Graph
	states := len(n.Inputs) - 2
	if states < 0 || len(body.Inputs) != states+2 || len(body.Outputs) < states+1 || len(n.Outputs) < states {
		return
	}
	constants, users, _ := index(g)
	_, _, makers := index(body)
	for i := states - 1; i >= 0; i-- {
		inside, outside := body.Inputs[i+2].Name, n.Inputs[i+2]
		made := body.Outputs[i+1].Name
		through := makers[made]
		kept := made == inside || through != nil && through.Type() == "Identity" && through.Input(0) == inside
		behind := n.Outputs[i]
		if !kept || constants[outside] == nil || behind != "" && (len(users[behind]) > 0 || isOutput(g, behind)) ||
			known(body, outside) {
			continue
		}
		rename(body, inside, outside)
		n.Inputs = slices.Delete(slices.Clone(n.Inputs), i+2, i+3)
		n.Outputs = slices.Delete(slices.Clone(n.Outputs), i, i+1)
		body.Inputs = slices.Delete(body.Inputs, i+2, i+3)
		body.Outputs = slices.Delete(body.Outputs, i+1, i+2)
		if through != nil && made != inside && !isOutput(body, made) {
			if _, readers, _ := index(body); len(readers[made]) == 0 {
				body.Nodes = slices.DeleteFunc(body.Nodes, func(x *onnx.Node) bool { return x == through })
			}
		}
	}
}

// known says whether a graph or one inside of it has a value of this name of its
// own.
func known(g *onnx.Graph, name string) (found bool) {
	eachName(g, func(x string) { found = found || x == name })
	return found
}

// rename lets a graph and those inside of it read another value.
func rename(g *onnx.Graph, from, to string) {
	for _, n := range g.Nodes {
		for i, name := range n.Inputs {
			if name == from {
				n.Inputs[i] = to
			}
		}
		eachBody(n, func(body *onnx.Graph) { rename(body, from, to) })
	}
}

// inner is the plan for a graph inside of the plan's: what is constant outside is
// constant inside.
func (p *plan) inner(g *onnx.Graph) *plan {
	return planFor(g, p.o, p.constants)
}

// bodies is the node with the graphs inside of it written: their scales need no
// calibration.
func (e dynamicEmitter) bodies(n *onnx.Node) (*onnx.Node, error) {
	if !hasBodies(n) {
		return n, nil
	}
	out := *n
	out.Attributes = slices.Clone(n.Attributes)
	for i, a := range n.Attributes {
		c := *a
		var err error
		if a.Graph != nil {
			if c.Graph, err = e.body(a.Graph); err != nil {
				return nil, err
			}
		}
		c.Graphs = slices.Clone(a.Graphs)
		for k, g := range a.Graphs {
			if c.Graphs[k], err = e.body(g); err != nil {
				return nil, err
			}
		}
		out.Attributes[i] = &c
	}
	return &out, nil
}

func (e dynamicEmitter) body(g *onnx.Graph) (*onnx.Graph, error) {
	b := dynamicEmitter{newEmitter(e.inner(g), nil)}
	b.around, b.names, b.counts, b.opset = e.emitter, e.names, e.counts, e.opset
	if err := b.dynamicNodes(); err != nil {
		return nil, err
	}
	b.tidy()
	e.ms = e.ms || b.ms
	b.out.Values = nil
	return b.out, nil
}
