// Package inspect says what a person needs to know of a model before it is
// sent anywhere: what goes in and comes out, what it is made of, how much work
// it is, how it is quantized, what each execution provider is known to take of
// it, and what will go wrong. It reads the file only; nothing is run.
package inspect

import (
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/trial"
	"chexp/models/onnx"
)

// Report is all that is told of one model.
type Report struct {
	File     string           `json:"file,omitempty"`
	SHA256   string           `json:"sha256,omitempty"`
	Bytes    int64            `json:"bytes"`           // of all its files
	Parts    []trial.Part     `json:"parts,omitempty"` // its files, where there are several
	IR       int64            `json:"ir_version"`
	Opsets   map[string]int64 `json:"opsets"` // of the domains that nodes use; "ai.onnx" is the default one
	Imported int              `json:"opsets_imported"`
	Producer string           `json:"producer,omitempty"`
	Doc      string           `json:"doc,omitempty"`

	Inputs    []Port  `json:"inputs"`
	Outputs   []Port  `json:"outputs"`
	Nodes     int     `json:"nodes"`
	Operators []Count `json:"operators"` // most frequent first
	// Parameters are the initializers and constants that are used.
	Parameters     []Stored                  `json:"parameters"`
	ParameterCount int64                     `json:"parameter_count"`
	External       bool                      `json:"external_data"`
	Work           trial.Reading[trial.Work] `json:"work"`
	Quantization   Quantization              `json:"quantization"`
	Providers      []Provider                `json:"providers"`
	Warnings       []Warning                 `json:"warnings"`
}

// Port is an input or an output.
type Port struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Shape []string `json:"shape"` // sizes, names where they are free, "?" without one; nil: unknown
}

// Count is how often something occurs.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Stored is what the parameters of one type take.
type Stored struct {
	Type   string `json:"type"`
	Count  int64  `json:"count"` // values
	Bytes  int64  `json:"bytes"`
	Arrays int    `json:"tensors"`
}

// Warning is something that will go wrong, or is not what it seems.
type Warning struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Next string `json:"next,omitempty"`
}

// Options of an inspection.
type Options struct {
	Runtime string             // version of ONNX Runtime that will run it; empty: the agent's
	Shapes  map[string][]int64 // of inputs that the file leaves open
	Outside map[string]bool    // tensors whose values are in files of their own
}

// Inspect looks at a model that passed Check.
func Inspect(m *onnx.Model, o Options) *Report {
	g := m.Graph
	r := &Report{IR: m.IRVersion, Producer: strings.TrimSpace(m.Producer + " " + m.ProducerVersion), Doc: m.Doc,
		Nodes:  len(g.Nodes),
		Opsets: map[string]int64{}, Imported: len(m.Opsets)}
	r.Inputs, r.Outputs = ports(g.RealInputs()), ports(g.Outputs)
	r.opsets(m)
	r.operators(g)
	r.parameters(m)
	f := newFacts(m, o)
	r.Work = f.work
	r.Quantization = f.quantization()
	r.Providers = f.providers()
	r.Warnings = f.warnings(r, o)
	return r
}

func ports(values []*onnx.Value) []Port {
	list := []Port{}
	for _, v := range values {
		p := Port{Name: v.Name, Type: v.Elem.String()}
		if v.Other != nil {
			p.Type = "no tensor"
		}
		if v.Shape != nil {
			p.Shape = []string{}
		}
		for _, d := range v.Shape {
			switch {
			case d.Param != "":
				p.Shape = append(p.Shape, d.Param)
			case d.Size < 0:
				p.Shape = append(p.Shape, "?")
			default:
				p.Shape = append(p.Shape, fmt.Sprint(d.Size))
			}
		}
		list = append(list, p)
	}
	return list
}

func (r *Report) opsets(m *onnx.Model) {
	used := map[string]bool{}
	for _, n := range m.Graph.Nodes {
		used[n.Domain] = true
	}
	for _, o := range m.Opsets {
		switch {
		case o.Domain == "" || o.Domain == "ai.onnx":
			r.Opsets["ai.onnx"] = o.Version
		case used[o.Domain]:
			r.Opsets[o.Domain] = o.Version
		}
	}
}

func (r *Report) operators(g *onnx.Graph) {
	count := map[string]int{}
	for _, n := range g.Nodes {
		count[n.Type()]++
	}
	r.Operators = counted(count)
}

// counted sorts the most frequent first, then by name.
func counted(count map[string]int) []Count {
	list := []Count{}
	for name, n := range count {
		list = append(list, Count{name, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

func (r *Report) parameters(m *onnx.Model) {
	sums := map[string]*Stored{}
	for _, t := range m.Tensors() {
		s := sums[t.Type.String()]
		if s == nil {
			s = &Stored{Type: t.Type.String()}
			sums[t.Type.String()] = s
		}
		n := max(0, t.Elements())
		s.Count += n
		s.Bytes += max(0, t.Bytes())
		s.Arrays++
		r.ParameterCount += n
		r.External = r.External || t.Outside
	}
	r.Parameters = []Stored{}
	for _, s := range sums {
		r.Parameters = append(r.Parameters, *s)
	}
	slices.SortFunc(r.Parameters, func(a, b Stored) int {
		if a.Bytes != b.Bytes {
			return int(min(1, max(-1, b.Bytes-a.Bytes)))
		}
		return strings.Compare(a.Type, b.Type)
	})
}

// facts is what the parts of a report have in common.
type facts struct {
	m         *onnx.Model
	shapes    *onnx.Shapes // of one input; nil: not known
	other     *onnx.Shapes // of another batch
	work      trial.Reading[trial.Work]
	products  map[*onnx.Node]onnx.Product
	constants map[string]*onnx.Tensor
	makers    map[string]*onnx.Node
	users     map[string][]*onnx.Node
	types     map[string]onnx.DataType
	constant  map[string]bool     // values that follow from constants
	folded    map[*onnx.Node]bool // nodes that make nothing else
	outside   map[string]bool
	plugin    map[*onnx.Node]string // what pluginTakes says, once asked
}

func newFacts(m *onnx.Model, o Options) *facts {
	f := &facts{m: m, constants: map[string]*onnx.Tensor{}, makers: map[string]*onnx.Node{},
		users: map[string][]*onnx.Node{}, types: m.ElementTypes(), outside: o.Outside}
	for _, t := range m.Graph.Initializers {
		f.constants[t.Name] = t
	}
	for _, n := range m.Graph.Nodes {
		for _, i := range n.Inputs {
			f.users[i] = append(f.users[i], n)
		}
		for _, out := range n.Outputs {
			f.makers[out] = n
		}
		if a := n.Attr("value"); n.Type() == "Constant" && a != nil && a.Tensor != nil && len(n.Outputs) == 1 {
			f.constants[n.Outputs[0]] = a.Tensor
		}
	}
	if o.Shapes != nil {
		m = withShapes(m, o.Shapes)
	}
	if w, err := onnx.WorkOnce(m); err != nil {
		f.work = trial.Unread[trial.Work](err.Error())
	} else {
		f.work = trial.Read(w)
	}
	if s, err := onnx.Infer(m, 1, nil); err == nil {
		f.shapes, f.products = s, s.Products(f.m)
		f.other, _ = onnx.Infer(m, 3, nil)
	}
	f.fold()
	return f
}

// fold finds what follows from constants, which ONNX Runtime computes when it makes
// a session.
func (f *facts) fold() {
	f.constant, f.folded = map[string]bool{}, map[*onnx.Node]bool{}
	for _, t := range f.m.Graph.Initializers {
		f.constant[t.Name] = true
	}
	for _, n := range f.m.Graph.Nodes {
		all := !strings.HasPrefix(n.Op, "Random") && n.Op != "Bernoulli" && n.Op != "Multinomial" &&
			n.Op != "DequantizeLinear"
		onnx.EachUse(n, func(name string) { all = all && f.constant[name] })
		if !all {
			continue
		}
		f.folded[n] = true
		for _, o := range n.Outputs {
			f.constant[o] = true
		}
	}
}

// sizes is a value's shape with -1 where it depends on the batch.
func (f *facts) sizes(name string) (dims []int64, ok bool) {
	if f.shapes == nil || f.other == nil {
		return nil, false
	}
	a, err1 := f.shapes.Of(name)
	b, err2 := f.other.Of(name)
	if err1 != nil || err2 != nil || len(a) != len(b) {
		return nil, false
	}
	dims = slices.Clone(a)
	for i := range dims {
		if a[i] != b[i] {
			dims[i] = -1
		}
	}
	return dims, true
}

// sizesOfConstant is a constant's shape.
func (f *facts) sizesOfConstant(name string) (dims []int64, ok bool) {
	if t := f.constants[name]; t != nil {
		return t.Dims, true
	}
	dims, ok = f.sizes(name)
	return dims, ok
}

// withShapes settles the shapes of inputs in a copy.
func withShapes(m *onnx.Model, shapes map[string][]int64) *onnx.Model {
	c, g := *m, *m.Graph
	g.Inputs = nil
	for _, v := range m.Graph.Inputs {
		if dims, ok := shapes[v.Name]; ok {
			w := *v
			w.Shape = onnx.Fixed(dims...)
			v = &w
		}
		g.Inputs = append(g.Inputs, v)
	}
	c.Graph = &g
	return &c
}

// constantThrough returns the constant behind a name, also through a
// DequantizeLinear.
func (f *facts) constantThrough(name string) *onnx.Tensor {
	if t := f.constants[name]; t != nil {
		return t
	}
	if n := f.makers[name]; n != nil && n.Op == "DequantizeLinear" {
		return f.constants[n.Input(0)]
	}
	return nil
}
