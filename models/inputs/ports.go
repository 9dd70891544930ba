package inputs

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/input"
	"chexp/models/onnx"
)

// Ports are the inputs that a caller of the model must give, with what the graph
// does with them.
func Ports(m *onnx.Model) (list []input.Port) {
	uses := usesOf(m)
	for _, v := range m.Graph.RealInputs() {
		p := input.Port{Name: v.Name, Use: uses[v.Name]}
		if v.Other == nil {
			p.Type = input.Type(v.Elem.String())
		}
		if v.Shape != nil {
			p.Dims = []input.Dim{}
		}
		for _, d := range v.Shape {
			size := d.Size
			if d.Param != "" || size < 0 {
				size = input.Open
			}
			p.Dims = append(p.Dims, input.Dim{Size: size, Symbol: d.Param})
		}
		list = append(list, p)
	}
	return list
}

// keeps are operators whose output has the values of their first input, or some
// of them.
const keeps = " Identity Cast Reshape Squeeze Unsqueeze Flatten Transpose Slice Expand Tile Concat Split Clip "

// maxMarks bounds the search: inputs times values of a graph.
const maxMarks = 2_000_000

// usesOf finds what becomes of the inputs' values, in the bodies of If, Loop and
// Scan too.
func usesOf(m *onnx.Model) map[string]input.Use {
	uses := map[string]input.Use{}
	constants := map[string]*onnx.Tensor{}
	for _, t := range m.Tensors() {
		constants[t.Name] = t
	}
	users := map[string][]*onnx.Node{}
	eachNode(m.Graph, func(n *onnx.Node) {
		if a := n.Attr("value"); n.Type() == "Constant" && a != nil && a.Tensor != nil && len(n.Outputs) == 1 {
			constants[n.Outputs[0]] = a.Tensor
		}
		for _, name := range n.Inputs {
			users[name] = append(users[name], n)
		}
	})
	marks := 0
	for _, v := range m.Graph.RealInputs() {
		t := &tracing{constants: constants, users: users, same: map[string]bool{}, any: map[string]bool{}, marks: &marks}
		t.follow(v.Name, true)
		uses[v.Name] = t.use
	}
	return uses
}

// eachNode visits the nodes of a graph and of the bodies of If, Loop and Scan. For
// each body it visits two nodes that are not in the file, too: what goes into the
// node goes into the body, and what the body makes comes out of the node.
func eachNode(g *onnx.Graph, visit func(*onnx.Node)) {
	for _, n := range g.Nodes {
		visit(n)
		for _, a := range n.Attributes {
			bodies := a.Graphs
			if a.Graph != nil {
				bodies = append([]*onnx.Graph{a.Graph}, bodies...)
			}
			for _, body := range bodies {
				visit(&onnx.Node{Inputs: n.Inputs, Outputs: names(body.Inputs)})
				visit(&onnx.Node{Inputs: names(body.Outputs), Outputs: n.Outputs})
				eachNode(body, visit)
			}
		}
	}
}

func names(values []*onnx.Value) (list []string) {
	for _, v := range values {
		list = append(list, v.Name)
	}
	return list
}

// tracing follows one input through the graph: same holds the values that are the
// input's own, any those that depend on it in any way but by their size.
type tracing struct {
	constants map[string]*onnx.Tensor
	users     map[string][]*onnx.Node
	same, any map[string]bool
	use       input.Use
	marks     *int
}

func (t *tracing) follow(name string, same bool) {
	type step struct {
		name string
		same bool
	}
	queue := []step{{name, same}}
	for len(queue) > 0 && *t.marks < maxMarks {
		s := queue[0]
		queue = queue[1:]
		if *t.marks++; t.any[s.name] && (!s.same || t.same[s.name]) {
			continue
		}
		t.any[s.name] = true
		t.same[s.name] = t.same[s.name] || s.same
		for _, n := range t.users[s.name] {
			t.meet(n, s.name, s.same)
			if n.Op == "Shape" || n.Op == "Size" {
				continue // of its size, not of its values
			}
			goesOn := s.same && strings.Contains(keeps, " "+n.Op+" ") && (n.Input(0) == s.name || n.Op == "Concat")
			for _, o := range n.Outputs {
				if o != "" {
					queue = append(queue, step{o, goesOn})
				}
			}
		}
	}
}

// sizing are the inputs of operators that say how large the output is.
var sizing = map[string][]int{"Range": {0, 1, 2}, "ConstantOfShape": {0}, "Expand": {1}, "Reshape": {1}, "Tile": {1},
	"TopK": {1}, "Slice": {1, 2}, "Pad": {1}, "Split": {1}, "Resize": {2, 3}}

// meet looks at a node that reads a value.
func (t *tracing) meet(n *onnx.Node, name string, same bool) {
	switch n.Op {
	case "If":
		t.use.Decides = t.use.Decides || n.Input(0) == name
	case "Loop":
		t.use.Decides = t.use.Decides || n.Input(0) == name || n.Input(1) == name
	case "Range", "ConstantOfShape", "Expand", "Reshape", "Tile", "TopK", "Slice", "Pad", "Split", "Resize":
		for _, i := range sizing[n.Op] {
			t.use.Sizes = t.use.Sizes || n.Input(i) == name
		}
	case "Gather":
		table := t.constants[n.Input(0)]
		axis := n.IntAttr("axis", 0)
		if same && n.Input(1) == name && table != nil && axis >= 0 && int(axis) < len(table.Dims) {
			if rows := table.Dims[axis]; t.use.Rows == 0 || rows < t.use.Rows {
				t.use.Rows = rows
			}
		}
	case "OneHot":
		depth := t.constants[n.Input(1)]
		if same && n.Input(0) == name && depth != nil {
			if rows, err := strconv.ParseInt(scalar(depth), 10, 64); err == nil && (t.use.Rows == 0 || rows < t.use.Rows) {
				t.use.Rows = rows
			}
		}
	case "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual":
		for _, i := range n.Inputs {
			if c := t.constants[i]; same && i != name && c != nil {
				if s := scalar(c); s != "" && !slices.Contains(t.use.Compared, s) && len(t.use.Compared) < 8 {
					t.use.Compared = append(t.use.Compared, s)
				}
			}
		}
	}
}

// scalar is a tensor of one number as a text, "" where it is none.
func scalar(t *onnx.Tensor) string {
	if t.Elements() != 1 {
		return ""
	}
	switch raw := t.Raw; {
	case t.Type == onnx.Int64 && len(raw) == 8:
		return fmt.Sprint(int64(binary.LittleEndian.Uint64(raw)))
	case t.Type == onnx.Int32 && len(raw) == 4:
		return fmt.Sprint(int32(binary.LittleEndian.Uint32(raw)))
	case t.Type == onnx.Float32 && len(raw) == 4:
		return fmt.Sprint(math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return ""
}
