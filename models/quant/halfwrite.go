package quant

import (
	"fmt"
	"slices"

	"chexp/models/onnx"
)

// want is the form in which a node reads an input.
type want int

const (
	asItIs want = iota
	as16
	as32
)

func (h *halver) wants(n *onnx.Node, i int) want {
	s, known := onnx.SignatureOf(n)
	switch {
	case h.types[n.Inputs[i]] != onnx.Float32 || readsSizes(n):
		return asItIs
	case known && h.half[n] && s.In(i) == 'T':
		return as16
	}
	return as32
}

// write copies a node with its inputs in the forms that it reads.
func (h *halver) write(n *onnx.Node) {
	if h.out == nil {
		h.out = &onnx.Graph{Name: h.g.Name, Doc: h.g.Doc, Inputs: h.g.Inputs, Outputs: h.g.Outputs,
			Unknown: h.g.Unknown}
		for _, v := range h.g.Inputs {
			h.form32[v.Name] = v.Name
		}
		h.writeConstants()
	}
	c := *n
	c.Inputs, c.Outputs = slices.Clone(n.Inputs), slices.Clone(n.Outputs)
	for i, name := range n.Inputs {
		switch h.wants(n, i) {
		case as16:
			c.Inputs[i] = h.in(h.form16, name, ".h", onnx.Float16)
		case as32:
			c.Inputs[i] = h.in(h.form32, name, ".f", onnx.Float32)
		default:
			if x := h.form16[name]; x != "" && h.inHalf[name] {
				c.Inputs[i] = x
			}
		}
	}
	h.out.Nodes = append(h.out.Nodes, &c)
	for i, name := range n.Outputs {
		switch {
		case name == "":
		case !h.inHalf[name]:
			h.form32[name] = name
		case h.fixed[name]:
			c.Outputs[i] = h.name(name + ".h")
			h.form16[name], h.form32[name] = c.Outputs[i], name
			h.cast(c.Outputs[i], name, h.name(name+".f"), onnx.Float32)
		default:
			h.form16[name] = name
		}
	}
}

// in returns a value's name in a form, and casts it where nothing did yet.
func (h *halver) in(form map[string]string, name, suffix string, to onnx.DataType) string {
	if form[name] == "" {
		from := name // a graph's input, or of another form
		if x := h.form16[name]; x != "" {
			from = x
		}
		form[name] = h.name(name + suffix)
		h.cast(from, form[name], form[name], to)
	}
	return form[name]
}

func (h *halver) cast(from, to, node string, t onnx.DataType) {
	h.out.Nodes = append(h.out.Nodes, &onnx.Node{Op: "Cast", Name: node, Inputs: []string{from}, Outputs: []string{to},
		Attributes: []*onnx.Attribute{onnx.Int("to", int64(t))}})
	h.report.Casts++
}

// name returns a new name like this one.
func (h *halver) name(like string) string {
	name := like
	for i := 2; h.names[name]; i++ {
		name = fmt.Sprintf("%s_%d", like, i)
	}
	h.names[name] = true
	return name
}

// writeConstants writes each constant in the forms that are read, once. Only
// one that is read in both has a second name. What is another one turned, as a
// language model's last weights often are its embedding, is turned when it is loaded.
func (h *halver) writeConstants() {
	read16, read32 := map[string]bool{}, map[string]bool{}
	for _, n := range h.g.Nodes {
		for i, name := range n.Inputs {
			if h.wants(n, i) == as16 {
				read16[name] = true
			} else {
				read32[name] = true
			}
		}
	}
	for _, t := range h.g.Initializers {
		keep := read32[t.Name] || h.fixed[t.Name]
		if keep {
			h.out.Initializers = append(h.out.Initializers, t)
			h.form32[t.Name] = t.Name
		}
		if !read16[t.Name] {
			continue
		}
		if from := h.turnedFrom(t); from != "" && !keep {
			h.form16[t.Name] = t.Name
			h.out.Nodes = append(h.out.Nodes, &onnx.Node{Op: "Transpose", Name: h.name(t.Name + ".turned"),
				Inputs: []string{h.form16[from]}, Outputs: []string{t.Name},
				Attributes: []*onnx.Attribute{onnx.Ints("perm", 1, 0)}})
			continue
		}
		c := *t
		c.Type, c.Raw = onnx.Float16, h.halves[t.Name].raw
		if keep {
			c.Name = h.name(t.Name + ".h")
		}
		h.form16[t.Name] = c.Name
		h.out.Initializers = append(h.out.Initializers, &c)
	}
}

// turnedFrom is a constant of which t is the transpose, and which is written; "" where
// there is none, or t is too small to mind.
func (h *halver) turnedFrom(t *onnx.Tensor) string {
	if len(t.Raw) < worthMerging {
		return ""
	}
	for _, x := range h.g.Initializers {
		if x != t && h.form16[x.Name] != "" && isTurned(x, t) {
			return x.Name
		}
	}
	return ""
}

func (h *halver) finish(m *onnx.Model) *onnx.Model {
	n := *m
	n.Graph = h.out
	n.Producer, n.ProducerVersion = "chexp", ""
	return &n
}
