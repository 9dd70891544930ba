package onnx

import (
	"errors"
	"fmt"
	"slices"
)

// Shapes are the sizes of a model's values for one batch, with the reason
// where a size could not be told.
type Shapes struct {
	values map[string]*value
	why    map[string]string // value name: why nothing is known of it
	floats map[string][]float32
	nodes  []*Node // in an order in which they can run
	broken string  // the first node whose inputs' sizes do not fit together, with the sizes
}

// Broken names the first node that cannot run with these sizes, "" where none is known.
func (s *Shapes) Broken() string { return s.broken }

// misfit is the error of sizes that are known and do not fit together.
type misfit string

func (m misfit) Error() string { return string(m) }

// value is what is known of a value before the model runs.
type value struct {
	dims []int64
	ints []int64 // its content, when it is a small constant of integers
}

// maxContent bounds the constants that are followed through the graph: sizes,
// axes and indexes.
const maxContent = 1024

// Infer works out the shapes of all values. batch replaces a free first
// dimension of every input; given sets the whole shape of an input by name. It
// fails only where an input's shape is not settled or the graph has a cycle;
// values behind operators that it does not know are told by Of.
func Infer(m *Model, batch int64, given map[string][]int64) (*Shapes, error) {
	s := &Shapes{values: map[string]*value{}, why: map[string]string{}, floats: map[string][]float32{}}
	var stuck *Node
	if s.nodes, stuck = m.Graph.order(); stuck != nil {
		return nil, fmt.Errorf("its nodes form a cycle at %s", label(stuck))
	}
	for _, v := range m.Graph.RealInputs() {
		dims, err := inputDims(v, batch, given)
		if err != nil {
			return nil, err
		}
		s.values[v.Name] = &value{dims: dims}
	}
	for name := range given {
		if !slices.ContainsFunc(m.Graph.RealInputs(), func(v *Value) bool { return v.Name == name }) {
			return nil, fmt.Errorf("the model has no input %q", name)
		}
	}
	for _, t := range m.Graph.Initializers {
		s.values[t.Name] = constant(t)
		s.keepFloats([]string{t.Name}, t)
	}
	opset := m.Opset()
	for _, n := range s.nodes {
		s.infer(n, opset)
	}
	return s, nil
}

func inputDims(v *Value, batch int64, given map[string][]int64) ([]int64, error) {
	dims, ok := given[v.Name]
	if !ok {
		if v.Shape == nil {
			return nil, fmt.Errorf("input %q has no shape", v.Name)
		}
		for i, d := range v.Shape {
			switch {
			case d.Known():
				dims = append(dims, d.Size)
			case i == 0:
				dims = append(dims, batch)
			default:
				name := d.Param
				if name == "" {
					name = "without a name"
				}
				return nil, fmt.Errorf("input %q: dimension %d is free (%s), and nothing says how large it is", v.Name,
					i+1, name)
			}
		}
	} else if v.Shape != nil && len(v.Shape) != len(dims) {
		return nil, fmt.Errorf("input %q has %d dimensions, not %d", v.Name, len(v.Shape), len(dims))
	}
	if Elements(dims) < 0 {
		return nil, fmt.Errorf("input %q cannot have the shape %v", v.Name, dims)
	}
	return dims, nil
}

func constant(t *Tensor) *value {
	v := &value{dims: slices.Clone(t.Dims)}
	if n := t.Elements(); n >= 0 && n <= maxContent && (t.Type == Int64 || t.Type == Int32) {
		v.ints, _ = t.Integers()
	}
	return v
}

// keepFloats remembers small constants: the factors of a Resize.
func (s *Shapes) keepFloats(names []string, t *Tensor) {
	if t.Type == Float32 && len(t.Dims) == 1 && t.Dims[0] <= 16 && len(names) == 1 {
		s.floats[names[0]], _ = t.Float32s()
	}
}

// unknownSize is the first reason why a size is not known; what follows from
// it has the same.
type unknownSize string

func (u unknownSize) Error() string { return string(u) }

// Of returns the shape of a value, or why it is not known.
func (s *Shapes) Of(name string) ([]int64, error) {
	if v := s.values[name]; v != nil {
		return v.dims, nil
	}
	if why := s.why[name]; why != "" {
		return nil, unknownSize(why)
	}
	return nil, unknownSize(fmt.Sprintf("nothing is known of %q", name))
}

// call is one node with what is known of its inputs.
type call struct {
	s     *Shapes
	n     *Node
	opset int64
}

// rule gives a node's outputs.
type rule func(c *call) ([]*value, error)

func (s *Shapes) infer(n *Node, opset int64) {
	var out []*value
	var before unknownSize
	f, ok := rules[n.Type()]
	err := fmt.Errorf("the operator %s is not known here", n.Type())
	if ok {
		out, err = f(&call{s, n, opset})
	}
	var unfit misfit
	if s.broken == "" && errors.As(err, &unfit) {
		s.broken = fmt.Sprintf("%s: %s", label(n), unfit)
	}
	for i, name := range n.Outputs {
		switch {
		case name == "":
		case err == nil && i < len(out) && out[i] != nil && Elements(out[i].dims) >= 0:
			s.values[name] = out[i]
		case err == nil:
			s.why[name] = fmt.Sprintf("%s: the size of its output %d is not worked out here", label(n), i+1)
		case errors.As(err, &before):
			s.why[name] = string(before)
		default:
			s.why[name] = fmt.Sprintf("%s: %v", label(n), err)
		}
	}
}

// in returns the i-th input's value.
func (c *call) in(i int) (*value, error) {
	name := c.n.Input(i)
	if name == "" {
		return nil, fmt.Errorf("it has no input %d", i+1)
	}
	if v := c.s.values[name]; v != nil {
		return v, nil
	}
	_, err := c.s.Of(name)
	return nil, err
}

// dims returns the i-th input's shape.
func (c *call) dims(i int) ([]int64, error) {
	v, err := c.in(i)
	if err != nil {
		return nil, err
	}
	return v.dims, nil
}

// content returns the i-th input's integers, or those of the attribute that
// older operator sets had in its place. absent: neither is there.
func (c *call) content(i int, attribute string) (ints []int64, absent bool, err error) {
	if a := c.n.Attr(attribute); attribute != "" && a != nil {
		if a.Kind == IntAttribute {
			return []int64{a.Int}, false, nil
		}
		return a.Ints, false, nil
	}
	if c.n.Input(i) == "" {
		return nil, true, nil
	}
	v, err := c.in(i)
	if err != nil {
		return nil, false, err
	}
	if v.ints == nil && Elements(v.dims) != 0 {
		return nil, false, fmt.Errorf("it depends on the content of %q", c.n.Input(i))
	}
	return v.ints, false, nil
}

func shaped(dims ...int64) []*value { return []*value{{dims: dims}} }

// axis makes a negative axis count from the end.
func axis(a int64, rank int) (int, error) {
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d of %d dimensions", a, rank)
	}
	return int(a), nil
}

// broadcast combines shapes by ONNX's (NumPy's) rule.
func broadcast(a, b []int64) ([]int64, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i := range b {
		x, y := &out[len(a)-len(b)+i], b[i]
		switch {
		case *x == 1:
			*x = y
		case y != 1 && y != *x:
			return nil, misfit(fmt.Sprintf("shapes %v and %v do not fit together", a, b))
		}
	}
	return out, nil
}
