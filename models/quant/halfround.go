package quant

import (
	"encoding/binary"

	"chexp/models/onnx"
)

// rounded16 is a float16 model as a float32 one that rounds what each node makes
// to float16, and so shows what the rounding costs.
//
// To run the float16 model itself shows less: where ONNX Runtime's CPU provider
// has no float16 kernel it puts casts around the float32 one and then drops
// those that meet, so that on x86-64 next to nothing is rounded between nodes
// and nothing overflows (1.27). Casts that are in the file stay. Sums inside a
// node are of float32 here; the Arm Compute Library adds in float16 and rounds
// more.
//
// A model that cannot be written so, or has no float16, comes back as it is.
func rounded16(m *onnx.Model) *onnx.Model {
	types := m.ElementTypes()
	if !roundable(m, types) {
		return m
	}
	c, g := *m, *m.Graph
	c.Graph = &g
	g.Values, g.Nodes, g.Initializers = nil, nil, nil
	names := map[string]bool{}
	eachName(m.Graph, func(name string) { names[name] = true })
	unused := func(name string) string {
		for names[name] {
			name += "_"
		}
		names[name] = true
		return name
	}
	for _, t := range m.Graph.Initializers {
		g.Initializers = append(g.Initializers, widened(t))
	}
	cast := func(from, to string, t onnx.DataType) {
		g.Nodes = append(g.Nodes, &onnx.Node{Op: "Cast", Name: unused(to + ".cast"), Inputs: []string{from},
			Outputs: []string{to}, Attributes: []*onnx.Attribute{onnx.Int("to", int64(t))}})
	}
	for _, n := range m.Graph.Nodes {
		x := *n
		x.Outputs = append([]string(nil), n.Outputs...)
		x.Attributes = nil
		for _, a := range n.Attributes {
			if a.Tensor != nil {
				b := *a
				b.Tensor = widened(a.Tensor)
				a = &b
			}
			x.Attributes = append(x.Attributes, a)
		}
		g.Nodes = append(g.Nodes, &x)
		for i, name := range n.Outputs {
			if types[name] != onnx.Float16 || name == "" {
				continue
			}
			half := unused(name + ".half")
			if n.Type() == "Cast" {
				x.Outputs[i] = half
			} else {
				x.Outputs[i] = unused(name + ".raw")
				cast(x.Outputs[i], half, onnx.Float16)
			}
			cast(half, name, onnx.Float32)
		}
	}
	return &c
}

// roundable: it has float16 inside only, and where what is known here makes it.
func roundable(m *onnx.Model, types map[string]onnx.DataType) bool {
	for _, v := range append(m.Graph.RealInputs(), m.Graph.Outputs...) {
		if v.Elem == onnx.Float16 {
			return false
		}
	}
	found := false
	for _, n := range m.Graph.Nodes {
		touches := false
		onnx.EachUse(n, func(name string) { touches = touches || types[name] == onnx.Float16 })
		for _, name := range n.Outputs {
			touches = touches || types[name] == onnx.Float16
		}
		_, known := onnx.SignatureOf(n)
		switch n.Type() {
		case "Cast", "Constant", "ConstantOfShape":
			known = true
		}
		if touches && (!known || hasBodies(n)) {
			return false
		}
		found = found || touches
	}
	return found
}

// widened is a float16 constant in float32.
func widened(t *onnx.Tensor) *onnx.Tensor {
	if t.Type != onnx.Float16 {
		return t
	}
	values := make([]float32, len(t.Raw)/2)
	for i := range values {
		values[i] = float32Of(binary.LittleEndian.Uint16(t.Raw[2*i:]))
	}
	return onnx.FloatTensor(t.Name, t.Dims, values)
}
