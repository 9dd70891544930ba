package quant

import (
	"fmt"
	"slices"
	"strings"

	"chexp/models/onnx"
)

// Half is no quantization: weights and what is computed are float16.
const Half Mode = "float16"

// Halves says what became of a model's nodes.
type Halves struct {
	Nodes int    `json:"nodes"`
	Half  int    `json:"float16_nodes"`
	Casts int    `json:"casts"`
	Kept  []Kept `json:"float32_nodes,omitempty"`
}

// Kept is a node that computes in 32-bit floats still.
type Kept struct {
	Node string `json:"node"`
	Op   string `json:"op"`
	Why  string `json:"why"`
	// Loss: the operator has float16, these numbers do not fit in.
	Loss bool `json:"loss,omitempty"`
}

const (
	squares     = "it adds up squares, and those of numbers above 255 leave float16"
	coordinates = "it reckons with coordinates, which need more than float16's 11 bits"
	scales      = "its scales are 32-bit floats whatever its data are"
	order       = "it looks for an order, which rounding may change"
)

// inFloat32 are the operators that stay, though some of them have a float16
// form, with the reason. What has no Signature stays too.
var inFloat32 = map[string]string{
	"Range": "ONNX defines it without float16", "Celu": "ONNX defines it without float16",
	"IsInf":  "ONNX defines it without float16 before operator set 20",
	"Resize": scales, "Upsample": scales, "DequantizeLinear": scales,
	"TopK": order, "ArgMax": order, "ArgMin": order, "NonMaxSuppression": order,
	"RoiAlign": coordinates, "MaxRoiPool": coordinates, "GridSample": coordinates,
	"Pow": "powers leave float16 soon", "Exp": "e to the power of 11.1 is beyond float16",
	"ReduceProd":      "products leave float16 soon",
	"CumSum":          "its sums leave float16 soon, and ONNX defines it without float16 before operator set 14",
	"Det":             "products leave float16 soon",
	"ReduceSumSquare": squares, "ReduceL2": squares, "LRN": squares, "LpNormalization": squares, "LpPool": squares,
	"GlobalLpPool":              squares,
	"MeanVarianceNormalization": squares, "InstanceNormalization": squares, "GroupNormalization": squares,
	"ReduceLogSumExp": "e to the power of 11.1 is beyond float16",
}

// movers only move numbers about: they follow what they move.
var movers = strings.Fields("Identity Reshape Flatten Transpose Squeeze Unsqueeze Slice Split Gather GatherElements " +
	"GatherND Concat Expand Tile DepthToSpace SpaceToDepth Pad Compress ReverseSequence")

// halver plans and writes a float16 model. A value is made in one form, its
// own; the other is cast from it once, when it is first needed.
type halver struct {
	g         *onnx.Graph
	o         Options
	hot       map[string]float32 // value: what was seen of it, beyond float16
	types     map[string]onnx.DataType
	constants map[string]*onnx.Tensor
	users     map[string][]*onnx.Node
	halves    map[string]*halved // of constants
	half      map[*onnx.Node]bool
	inHalf    map[string]bool // values whose own form is float16
	report    *Halves

	out    *onnx.Graph
	names  map[string]bool
	fixed  map[string]bool // keep their name as float32: a caller or a body knows them by it
	form16 map[string]string
	form32 map[string]string
}

// HalfModel writes the float16 version of a prepared model. Its inputs and
// outputs stay float32, with a Cast behind or before them.
func HalfModel(m *onnx.Model, o Options) (*onnx.Model, *Halves, error) { return halfModel(m, o, nil) }

func halfModel(m *onnx.Model, o Options, hot map[string]float32) (*onnx.Model, *Halves, error) {
	if v := m.Opset(); v < 6 { // Cast named its type by a string
		return nil, nil, fmt.Errorf("the model has operator set %d: export it with operator set 7 or newer", v)
	}
	h := newHalver(m, o, hot)
	if err := h.plan(); err != nil {
		return nil, nil, err
	}
	if h.report.Half == 0 {
		return nil, nil, fmt.Errorf("there is nothing to write in float16: %s", h.report.why())
	}
	for _, n := range h.g.Nodes {
		h.write(n)
	}
	return h.finish(m), h.report, nil
}

func newHalver(m *onnx.Model, o Options, hot map[string]float32) *halver {
	h := &halver{g: m.Graph, o: o, hot: hot, types: m.ElementTypes(), halves: map[string]*halved{},
		half: map[*onnx.Node]bool{}, inHalf: map[string]bool{},
		report: &Halves{Nodes: len(m.Graph.Nodes)}, names: map[string]bool{}, fixed: map[string]bool{},
		form16: map[string]string{}, form32: map[string]string{}}
	h.constants, h.users, _ = index(m.Graph)
	eachName(h.g, func(name string) { h.names[name] = true })
	for _, v := range slices.Concat(h.g.Inputs, h.g.Outputs) {
		h.fixed[v.Name] = true
	}
	for _, n := range h.g.Nodes {
		if hasBodies(n) {
			onnx.EachUse(n, func(name string) { h.fixed[name] = true })
		}
	}
	return h
}

// plan settles which nodes compute in float16. Movers come last: those that
// read a graph's input or a constant go by who reads them.
func (h *halver) plan() error {
	whys := map[*onnx.Node]Kept{}
	for _, n := range h.g.Nodes {
		why, err := h.why(n)
		if err != nil {
			return fmt.Errorf("%s %q: %w", n.Op, NodeName(n), err)
		}
		whys[n] = why
		h.half[n] = why.Why == "" && h.floats(n)
	}
	wanted := map[*onnx.Node]bool{} // movers that a float16 node reads in the end
	for _, n := range slices.Backward(h.g.Nodes) {
		for _, o := range n.Outputs {
			for _, u := range h.users[o] {
				wanted[n] = wanted[n] || h.half[u] && (!h.moves(u) || wanted[u])
			}
		}
	}
	for _, n := range h.g.Nodes {
		if h.half[n] && h.moves(n) && !h.follows(n, wanted[n]) {
			h.half[n], whys[n] = false, Kept{Why: "it only moves what is in 32-bit floats"}
		}
		k := whys[n]
		switch {
		case h.half[n]:
			h.report.Half++
			s, _ := onnx.SignatureOf(n)
			for i, o := range n.Outputs {
				h.inHalf[o] = s.Out(i) == 'T'
			}
		case k.Why != "":
			k.Node, k.Op = NodeName(n), n.Type()
			h.report.Kept = append(h.report.Kept, k)
		}
	}
	return nil
}

func (h *halver) moves(n *onnx.Node) bool { return slices.Contains(movers, n.Type()) }

// follows says whether a mover has something in float16 to move.
func (h *halver) follows(n *onnx.Node, wanted bool) bool {
	s, _ := onnx.SignatureOf(n)
	constant := true
	for i, name := range n.Inputs {
		if s.In(i) != 'T' || name == "" {
			continue
		}
		if h.inHalf[name] {
			return true
		}
		if h.constants[name] == nil {
			constant = false
			wanted = wanted && h.isInput(name)
		}
	}
	return constant || wanted
}

func (h *halver) isInput(name string) bool {
	return slices.ContainsFunc(h.g.Inputs, func(v *onnx.Value) bool { return v.Name == name })
}

// floats says whether the node's one type is float32.
func (h *halver) floats(n *onnx.Node) bool {
	s, ok := onnx.SignatureOf(n)
	if !ok {
		return false
	}
	found := false
	for i, name := range n.Inputs {
		if name != "" && s.In(i) == 'T' {
			if h.types[name] != onnx.Float32 {
				return false
			}
			found = true
		}
	}
	return found
}

// why says why a node that has to do with 32-bit floats keeps them.
func (h *halver) why(n *onnx.Node) (k Kept, err error) {
	s, known := onnx.SignatureOf(n)
	reads := slices.ContainsFunc(n.Inputs, func(name string) bool { return h.types[name] == onnx.Float32 })
	switch {
	case hasBodies(n):
		k.Why = "graphs in nodes (If, Loop, Scan) are left as they are"
	case !reads || n.Type() == "Cast":
		return k, nil
	case h.o.excluded(n):
		k.Why = "it is excluded"
	case !known && !readsSizes(n):
		k.Why = "what types it takes is not known here"
	case inFloat32[n.Type()] != "":
		k.Why = inFloat32[n.Type()]
	case n.TextAttr("reduction", "none") != "none": // of ScatterElements and ScatterND
		k.Why = "ONNX Runtime's kernel refuses to add or multiply float16 there"
	}
	if k.Why != "" || !known {
		return k, nil
	}
	for i, name := range n.Inputs {
		switch {
		case name == "":
		case s.In(i) == 0:
			k.Why = "it has more inputs than are known here"
		case s.In(i) == 'T' && h.types[name] == 0:
			k.Why = fmt.Sprintf("the type of %q is not known", name)
		}
	}
	for i, name := range n.Outputs {
		if name != "" && s.Out(i) == 0 {
			k.Why = "it has more outputs than are known here"
		}
	}
	if k.Why == "" && h.floats(n) {
		k.Why, err = h.loss(n, s)
		k.Loss = k.Why != ""
	}
	return k, err
}

// loss says what of a node's numbers does not fit in float16.
func (h *halver) loss(n *onnx.Node, s onnx.Signature) (string, error) {
	for i, name := range n.Inputs {
		t := h.constants[name]
		if s.In(i) != 'T' || t == nil {
			continue
		}
		if h.halves[name] == nil {
			x, err := halve(t)
			if err != nil {
				return "", err
			}
			h.halves[name] = x
		}
		if lost := h.halves[name].lossIn(n, i); lost != "" {
			return fmt.Sprintf("its constant %q %s", name, lost), nil
		}
	}
	for _, name := range slices.Concat(n.Inputs, n.Outputs) {
		if v := h.hot[name]; v != 0 {
			return fmt.Sprintf("%q reached %.4g on the samples, and float16 ends at %d", name, v, maxFloat16), nil
		}
	}
	return "", nil
}

// readsSizes: no number of its input matters, or Cast, which reads any type.
func readsSizes(n *onnx.Node) bool {
	switch n.Type() {
	case "Shape", "Size", "Cast":
		return true
	}
	return false
}

// why sums up, for a model that stays as it is.
func (r *Halves) why() string {
	if len(r.Kept) == 0 {
		return "no node computes in 32-bit floats"
	}
	k := r.Kept[0]
	s := fmt.Sprintf("%s %q stays: %s", k.Op, k.Node, k.Why)
	if n := len(r.Kept) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d nodes more)", n)
	}
	return s
}
