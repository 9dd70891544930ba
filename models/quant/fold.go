package quant

import (
	"bytes"
	"slices"

	"chexp/models/onnx"
)

// foldMoves makes constants of what only moves constants' floats about, as
// exporters write weights: Transpose, Reshape, Squeeze, Unsqueeze, Flatten, Slice,
// Concat. All together may take three times as much as the constants that were
// there: an LSTM's are cut, put together anew and given a dimension.
// outer are the constants of the graph around, if any.
func foldMoves(g *onnx.Graph, outer map[string]*onnx.Tensor) {
	constants, _, makers := index(g)
	for name, t := range outer {
		if constants[name] == nil && makers[name] == nil {
			constants[name] = t
		}
	}
	room := int64(0)
	for _, t := range constants {
		room += 3 * max(0, t.Bytes())
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *onnx.Node) bool {
		t := constants[n.Input(0)]
		if t == nil || t.Type != onnx.Float32 || n.Domain != "" || !single(n) || isOutput(g, n.Outputs[0]) ||
			t.Bytes() > room {
			return false
		}
		moved := move(n, t, constants)
		if moved == nil {
			return false
		}
		moved.Name = n.Outputs[0]
		g.Initializers = append(g.Initializers, moved)
		constants[moved.Name] = moved
		room -= moved.Bytes()
		return true
	})
}

// move is what the node makes of the constant, nil where it is no move or one that
// is not understood.
func move(n *onnx.Node, t *onnx.Tensor, constants map[string]*onnx.Tensor) *onnx.Tensor {
	var dims []int64
	switch n.Op {
	case "Transpose":
		return transpose(t, n.IntsAttr("perm"))
	case "Reshape":
		dims = reshaped(t.Dims, argument(n, "shape", constants), n.IntAttr("allowzero", 0) != 0)
	case "Flatten":
		axis := n.IntAttr("axis", 1)
		if axis < 0 {
			axis += int64(len(t.Dims))
		}
		if axis < 0 || axis > int64(len(t.Dims)) {
			return nil
		}
		dims = []int64{onnx.Elements(t.Dims[:axis]), onnx.Elements(t.Dims[axis:])}
	case "Slice":
		return sliced(n, t, constants)
	case "Concat":
		return joined(n, t, constants)
	case "Squeeze":
		dims = squeezed(t.Dims, argument(n, "axes", constants))
	case "Unsqueeze":
		dims = unsqueezed(t.Dims, argument(n, "axes", constants))
	}
	if dims == nil || onnx.Elements(dims) != t.Elements() {
		return nil
	}
	c := *t
	c.Dims = dims
	return &c
}

// argument is a list of integers that older operator sets have as an attribute and
// newer ones as an input; nil where it is no constant.
func argument(n *onnx.Node, attribute string, constants map[string]*onnx.Tensor) []int64 {
	if a := n.IntsAttr(attribute); a != nil {
		return a
	}
	return integers(constants[n.Input(1)])
}

// integers are the values of a short constant list; nil where it is none.
func integers(t *onnx.Tensor) []int64 {
	if t == nil || t.Type != onnx.Int64 && t.Type != onnx.Int32 || t.Elements() > 64 {
		return nil
	}
	list, err := t.Integers()
	if err != nil {
		return nil
	}
	return list
}

func reshaped(old, shape []int64, zeroIsSize bool) []int64 {
	if len(shape) == 0 {
		return nil
	}
	dims, open := slices.Clone(shape), -1
	for i, d := range dims {
		if d == 0 && !zeroIsSize {
			if i >= len(old) {
				return nil
			}
			dims[i] = old[i]
		}
		if d != -1 {
			continue
		}
		if open >= 0 {
			return nil
		}
		open = i
	}
	if open < 0 {
		return dims
	}
	rest := onnx.Elements(slices.Delete(slices.Clone(dims), open, open+1))
	if rest <= 0 {
		return nil
	}
	dims[open] = onnx.Elements(old) / rest
	return dims
}

func squeezed(old, axes []int64) []int64 {
	if len(axes) == 0 {
		return nil
	}
	gone := map[int64]bool{}
	for _, a := range axes {
		if a < 0 {
			a += int64(len(old))
		}
		if a < 0 || a >= int64(len(old)) || old[a] != 1 {
			return nil
		}
		gone[a] = true
	}
	dims := []int64{}
	for i, d := range old {
		if !gone[int64(i)] {
			dims = append(dims, d)
		}
	}
	return dims
}

func unsqueezed(old, axes []int64) []int64 {
	rank := int64(len(old) + len(axes))
	added := map[int64]bool{}
	for _, a := range axes {
		if a < 0 {
			a += rank
		}
		if a < 0 || a >= rank || added[a] {
			return nil
		}
		added[a] = true
	}
	dims, rest := []int64{}, old
	for i := range rank {
		if added[i] {
			dims = append(dims, 1)
			continue
		}
		dims, rest = append(dims, rest[0]), rest[1:]
	}
	return dims
}

// transpose moves the values of a tensor of 32-bit numbers; without perm its
// dimensions are reversed.
func transpose(t *onnx.Tensor, perm []int64) *onnx.Tensor {
	rank := len(t.Dims)
	if perm == nil {
		for i := range rank {
			perm = append(perm, int64(rank-1-i))
		}
	}
	sorted := slices.Sorted(slices.Values(perm))
	for i, a := range sorted {
		if a != int64(i) {
			return nil
		}
	}
	if len(perm) != rank || int64(len(t.Raw)) != 4*t.Elements() {
		return nil
	}
	dims, steps := make([]int64, rank), make([]int64, rank) // of the result; how far apart its values are in t
	for i, a := range perm {
		dims[i], steps[i] = t.Dims[a], onnx.Elements(t.Dims[a+1:])
	}
	raw := make([]byte, 0, len(t.Raw))
	at, from := make([]int64, rank), int64(0)
	for int64(len(raw)) < int64(len(t.Raw)) {
		raw = append(raw, t.Raw[4*from:4*from+4]...)
		for i := rank - 1; i >= 0; i-- {
			at[i]++
			if from += steps[i]; at[i] < dims[i] {
				break
			}
			from -= steps[i] * dims[i]
			at[i] = 0
		}
	}
	c := *t
	c.Dims, c.Raw = dims, raw
	return &c
}

// isTurned says whether two matrices of 32-bit numbers are each other's transpose.
func isTurned(a, b *onnx.Tensor) bool {
	if len(a.Dims) != 2 || len(b.Dims) != 2 || a.Dims[0] != b.Dims[1] || a.Dims[1] != b.Dims[0] ||
		int64(len(a.Raw)) != 4*a.Elements() || len(a.Raw) != len(b.Raw) {
		return false
	}
	rows, columns := a.Dims[0], a.Dims[1]
	for r := range rows {
		for c := range columns {
			x, y := 4*(r*columns+c), 4*(c*rows+r)
			if !bytes.Equal(a.Raw[x:x+4], b.Raw[y:y+4]) {
				return false
			}
		}
	}
	return true
}

// sliced cuts stretches of whole rows out, forwards: a Slice of one dimension.
func sliced(n *onnx.Node, t *onnx.Tensor, constants map[string]*onnx.Tensor) *onnx.Tensor {
	starts, ends, axes := n.IntsAttr("starts"), n.IntsAttr("ends"), n.IntsAttr("axes") // before opset 10
	if n.Input(1) != "" {
		starts, ends, axes = integers(constants[n.Input(1)]), integers(constants[n.Input(2)]), []int64{0}
		if n.Input(3) != "" {
			axes = integers(constants[n.Input(3)])
		}
		if steps := n.Input(4); steps != "" && !slices.Equal(integers(constants[steps]), []int64{1}) {
			return nil
		}
	}
	if len(axes) != 1 || len(starts) != 1 || len(ends) != 1 || int64(len(t.Raw)) != 4*t.Elements() {
		return nil
	}
	axis := axes[0]
	if axis < 0 {
		axis += int64(len(t.Dims))
	}
	if axis < 0 || axis >= int64(len(t.Dims)) {
		return nil
	}
	size := t.Dims[axis]
	at := func(i int64) int64 {
		if i < 0 {
			i += size
		}
		return min(max(i, 0), size)
	}
	from, to := at(starts[0]), at(ends[0])
	if from >= to {
		return nil
	}
	c := *t
	c.Dims, c.Raw = slices.Clone(t.Dims), nil
	c.Dims[axis] = to - from
	row := 4 * onnx.Elements(t.Dims[axis+1:])
	for i := range onnx.Elements(t.Dims[:axis]) {
		c.Raw = append(c.Raw, t.Raw[(i*size+from)*row:(i*size+to)*row]...)
	}
	return &c
}

// joined is a Concat of constants of floats.
func joined(n *onnx.Node, first *onnx.Tensor, constants map[string]*onnx.Tensor) *onnx.Tensor {
	rank := int64(len(first.Dims))
	axis := n.IntAttr("axis", 0)
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis >= rank {
		return nil
	}
	c := *first
	c.Dims, c.Raw = slices.Clone(first.Dims), nil
	c.Dims[axis] = 0
	var parts []*onnx.Tensor
	for _, name := range n.Inputs {
		t := constants[name]
		if t == nil || t.Type != onnx.Float32 || int64(len(t.Dims)) != rank || int64(len(t.Raw)) != 4*t.Elements() {
			return nil
		}
		for i := range t.Dims {
			if int64(i) != axis && t.Dims[i] != first.Dims[i] {
				return nil
			}
		}
		c.Dims[axis] += t.Dims[axis]
		parts = append(parts, t)
	}
	for i := range onnx.Elements(first.Dims[:axis]) {
		for _, t := range parts {
			row := 4 * onnx.Elements(t.Dims[axis:])
			c.Raw = append(c.Raw, t.Raw[i*row:(i+1)*row]...)
		}
	}
	return &c
}

// foldFactors multiplies Gemm's alpha and beta into its weights and bias, and
// writes a bias that is one number or one row as one dimension.
func foldFactors(g *onnx.Graph) error {
	constants, users, _ := index(g)
	for _, n := range g.Nodes {
		w, bias := constants[n.Input(weight)], constants[n.Input(2)]
		if n.Type() != "Gemm" || w == nil || w.Type != onnx.Float32 || len(w.Dims) != 2 || n.Input(2) != "" && bias == nil {
			continue
		}
		alpha, beta := n.FloatAttr("alpha", 1), n.FloatAttr("beta", 1)
		columns := gemmColumns(n, w)
		flat := bias != nil && bias.Type == onnx.Float32 && (len(bias.Dims) != 1 || beta != 1 || bias.Dims[0] != columns) &&
			(bias.Elements() == 1 || bias.Elements() == columns && bias.Dims[len(bias.Dims)-1] == columns)
		if bias != nil && !flat && (beta != 1 || len(bias.Dims) != 1) || alpha != 1 && len(users[w.Name]) != 1 ||
			columns > 1<<24 {
			continue
		}
		if flat {
			values, err := bias.Float32s()
			if err != nil {
				return err
			}
			if len(values) == 1 {
				values = slices.Repeat(values, int(columns))
			}
			t := onnx.FloatTensor(unique(g, n.Outputs[0]+".bias"), []int64{columns}, times(values, beta))
			g.Initializers = append(g.Initializers, t)
			constants[t.Name] = t
			n.Inputs[2] = t.Name
		}
		if alpha != 1 {
			values, err := w.Float32s()
			if err != nil {
				return err
			}
			w.Raw = onnx.FloatTensor("", nil, times(values, alpha)).Raw
		}
		n.Attributes = slices.DeleteFunc(slices.Clone(n.Attributes),
			func(a *onnx.Attribute) bool { return a.Name == "alpha" || a.Name == "beta" })
	}
	return nil
}

func times(values []float32, factor float32) []float32 {
	for i := range values {
		values[i] *= factor
	}
	return values
}
