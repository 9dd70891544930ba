package quant

import (
	"fmt"
	"math"

	"chexp/models/onnx"
)

// watched is a model that tells of its inner values what ranges are chosen by.
// A value of many numbers leaves the runtime as its lowest, its highest and
// every n-th number: a histogram of some ten thousand numbers a sample says
// what one of a million says, and moving and counting them all takes longer
// than the inferences.
type watched struct {
	model *onnx.Model
	parts map[string]part // by the name of an output
	names map[string]bool // that are taken
}

// part is what an output says of a value.
type part struct {
	value string
	what  aspect
}

type aspect int

const (
	whole aspect = iota
	lowest
	highest
	some // every n-th number
)

// enough is about how many numbers of a value one sample gives to the
// histogram. Values of less than twice as many are taken whole.
const enough = 1 << 14

func watch(m *onnx.Model, names []string, sample Sample) *watched {
	if higher, err := raised(m, 10); err == nil { // Slice with steps
		m = higher
	}
	c := *m
	g := *m.Graph
	c.Graph = &g
	w := &watched{model: &c, parts: map[string]part{}, names: map[string]bool{}}
	eachName(&g, func(name string) { w.names[name] = true })
	g.Nodes, g.Initializers = append([]*onnx.Node(nil), g.Nodes...), append([]*onnx.Tensor(nil), g.Initializers...)
	g.Outputs = nil
	inputs, given := map[string]bool{}, map[string][]int64{}
	for _, v := range g.RealInputs() {
		inputs[v.Name] = true
	}
	for _, t := range sample {
		given[t.Name] = t.Dims
	}
	shapes, err := onnx.Infer(m, 1, given)
	for _, name := range names {
		if inputs[name] {
			continue // the samples have it
		}
		var dims []int64
		if err == nil && m.Opset() >= 10 {
			dims, _ = shapes.Of(name) // unknown: nil, which has one element
		}
		if n := onnx.Elements(dims); n >= 2*enough {
			w.part(name, stride(n/enough, dims))
		} else {
			w.output(name, part{name, whole})
		}
	}
	if len(g.Outputs) == 0 { // a model needs one
		g.Outputs = m.Graph.Outputs
	}
	return w
}

// stride is at least n and has no factor in common with the size of a plane, so
// that all rows and columns take part alike.
func stride(n int64, dims []int64) int64 {
	plane := int64(1)
	for _, d := range dims[min(2, len(dims)-1):] {
		plane *= max(d, 1)
	}
	for ; ; n++ {
		a, b := n, plane
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return n
		}
	}
}

func (w *watched) output(name string, p part) {
	w.parts[name] = p
	w.model.Graph.Outputs = append(w.model.Graph.Outputs, &onnx.Value{Name: name, Elem: onnx.Float32})
}

// part adds the nodes that tell of a value.
func (w *watched) part(value string, step int64) {
	g := w.model.Graph
	name := func(suffix string) string {
		n := value + suffix
		for w.names[n] {
			n += "_"
		}
		w.names[n] = true
		return n
	}
	node := func(op, suffix string, inputs ...string) string {
		n := &onnx.Node{Op: op, Inputs: inputs, Outputs: []string{name(suffix)}}
		g.Nodes = append(g.Nodes, n)
		return n.Outputs[0]
	}
	number := func(suffix string, v int64) string {
		t := onnx.Int64Tensor(name(suffix), []int64{1}, []int64{v})
		g.Initializers = append(g.Initializers, t)
		return t.Name
	}
	w.output(node("ReduceMin", ".lowest", value), part{value, lowest})
	w.output(node("ReduceMax", ".highest", value), part{value, highest})
	flat := node("Reshape", ".flat", value, number(".flat_shape", -1))
	w.output(node("Slice", ".some", flat, number(".from", 0), number(".to", math.MaxInt32), number(".axis", 0),
		number(".step", step)), part{value, some})
}

// seen collects the outputs of one run by value.
func (w *watched) seen(outputs []*onnx.Tensor) (map[string]*glance, error) {
	all := map[string]*glance{}
	for _, t := range outputs {
		p, ok := w.parts[t.Name]
		if !ok || t.Type != onnx.Float32 {
			continue
		}
		x := all[p.value]
		if x == nil {
			x = &glance{}
			all[p.value] = x
		}
		switch p.what {
		case whole, some:
			x.numbers = t.Raw
		default:
			v, err := t.Float32s()
			if err != nil || len(v) != 1 {
				return nil, fmt.Errorf("%q has %d numbers, %v", t.Name, len(v), err)
			}
			x.bounded = true
			if p.what == lowest {
				x.low = v[0]
			} else {
				x.high = v[0]
			}
		}
	}
	return all, nil
}

// glance is what one sample shows of a value.
type glance struct {
	numbers   []byte // 32-bit floats, little endian: all of them or some
	bounded   bool   // whether low and high are known; else the numbers are all
	low, high float32
}
