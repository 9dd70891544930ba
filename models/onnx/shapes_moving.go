package onnx

import (
	"fmt"
	"slices"
)

// moving are the operators that only move values about. Integer constants are
// followed through them, because exporters compute shapes with them.
var moving = map[string]rule{
	"Flatten": flatten, "Transpose": transpose, "Concat": concat, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
	"Reshape": reshape,
	"Expand":  expand, "Tile": tile, "Pad": pad, "Slice": slice, "Split": split, "Gather": gather, "Shape": shapeOf,
	"Size":     sizeOf,
	"Constant": constantNode, "ConstantOfShape": constantOfShape, "Range": rangeOf, "DepthToSpace": depthToSpace,
	"SpaceToDepth": spaceToDepth,
}

func flatten(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	a := c.n.IntAttr("axis", 1)
	if a < 0 {
		a += int64(len(x))
	}
	if a < 0 || a > int64(len(x)) {
		return nil, fmt.Errorf("axis %d of %v", a, x)
	}
	return shaped(Elements(x[:a]), Elements(x[a:])), nil
}

func transpose(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	perm := c.n.IntsAttr("perm")
	if perm == nil {
		out := slices.Clone(x)
		slices.Reverse(out)
		return shaped(out...), nil
	}
	out := make([]int64, len(perm))
	for i, p := range perm {
		if p < 0 || p >= int64(len(x)) || len(perm) != len(x) {
			return nil, fmt.Errorf("it permutes %v by %v", x, perm)
		}
		out[i] = x[p]
	}
	return shaped(out...), nil
}

func concat(c *call) ([]*value, error) {
	first, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	a, err := axis(c.n.IntAttr("axis", 1), len(first))
	if err != nil {
		return nil, err
	}
	out := slices.Clone(first)
	out[a] = 0
	known, ints := true, []int64{}
	for i := range c.n.Inputs {
		v, err := c.in(i)
		if err != nil {
			return nil, err
		}
		if len(v.dims) != len(out) || out[a] > maxElements {
			return nil, fmt.Errorf("it joins %v and %v", first, v.dims)
		}
		out[a] += v.dims[a]
		known = known && v.ints != nil && len(out) == 1 && len(ints) < maxContent
		ints = append(ints, v.ints...)
	}
	r := &value{dims: out}
	if known {
		r.ints = ints
	}
	return []*value{r}, nil
}

func squeeze(c *call) ([]*value, error) {
	x, err := c.in(0)
	if err != nil {
		return nil, err
	}
	axes, absent, err := c.content(1, "axes")
	if err != nil {
		return nil, err
	}
	if absent {
		for i, d := range x.dims {
			if d == 1 {
				axes = append(axes, int64(i))
			}
		}
	}
	out, err := drop(x.dims, axes, false)
	if err == nil {
		out[0].ints = x.ints
	}
	return out, err
}

func unsqueeze(c *call) ([]*value, error) {
	x, err := c.in(0)
	if err != nil {
		return nil, err
	}
	axes, _, err := c.content(1, "axes")
	if err != nil {
		return nil, err
	}
	rank := len(x.dims) + len(axes)
	out := make([]int64, rank)
	for _, a := range axes {
		i, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		out[i] = -1
	}
	rest := x.dims
	for i := range out {
		switch {
		case out[i] == -1:
			out[i] = 1
		case len(rest) == 0:
			return nil, fmt.Errorf("axes %v", axes)
		default:
			out[i], rest = rest[0], rest[1:]
		}
	}
	return []*value{{dims: out, ints: x.ints}}, nil
}

func reshape(c *call) ([]*value, error) {
	x, err := c.in(0)
	if err != nil {
		return nil, err
	}
	want, absent, err := c.content(1, "shape")
	if err != nil || absent {
		return nil, orElse(err, "it has no shape to give")
	}
	out := slices.Clone(want)
	open := -1
	for i, d := range out {
		switch {
		case d == 0 && c.n.IntAttr("allowzero", 0) == 0:
			if i >= len(x.dims) {
				return nil, fmt.Errorf("it gives %v the shape %v", x.dims, want)
			}
			out[i] = x.dims[i]
		case d == -1 && open < 0:
			open, out[i] = i, 1
		case d < 0:
			return nil, fmt.Errorf("it gives the shape %v", want)
		}
	}
	have, rest := Elements(x.dims), Elements(out)
	if open >= 0 && rest > 0 && have%rest == 0 {
		out[open] = have / rest
		rest = have
	}
	if have != rest {
		return nil, misfit(fmt.Sprintf("it gives %v the shape %v", x.dims, want))
	}
	return []*value{{dims: out, ints: x.ints}}, nil
}

func expand(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	want, absent, err := c.content(1, "")
	if err != nil || absent {
		return nil, orElse(err, "it has no shape to give")
	}
	out, err := broadcast(x, want)
	return shaped(out...), err
}

func tile(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	times, _, err := c.content(1, "")
	if err != nil || len(times) != len(x) {
		return nil, orElse(err, "it repeats %v by %v", x, times)
	}
	out := slices.Clone(x)
	for i, n := range times {
		if n < 0 || out[i] != 0 && n > maxElements/out[i] {
			return nil, fmt.Errorf("it repeats %v by %v", x, times)
		}
		out[i] *= n
	}
	return shaped(out...), nil
}

func pad(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	pads, _, err := c.content(1, "pads")
	if err == nil && c.n.Input(3) != "" {
		err = fmt.Errorf("it pads some axes only")
	}
	if err != nil || len(pads) != 2*len(x) {
		return nil, orElse(err, "it pads %v by %v", x, pads)
	}
	out := slices.Clone(x)
	for i := range out {
		if abs(pads[i]) > maxElements || abs(pads[len(x)+i]) > maxElements {
			return nil, fmt.Errorf("it pads by %v", pads)
		}
		out[i] += pads[i] + pads[len(x)+i]
	}
	return shaped(out...), nil
}

func slice(c *call) ([]*value, error) {
	x, err := c.in(0)
	if err != nil {
		return nil, err
	}
	starts, _, err1 := c.content(1, "starts")
	ends, _, err2 := c.content(2, "ends")
	axes, noAxes, err3 := c.content(3, "axes")
	steps, noSteps, err4 := c.content(4, "steps")
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return nil, err
		}
	}
	if noAxes {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if noSteps {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		return nil, fmt.Errorf("it cuts from %v to %v along %v", starts, ends, axes)
	}
	out := &value{dims: slices.Clone(x.dims), ints: x.ints}
	for k, at := range axes {
		i, err := axis(at, len(x.dims))
		if err != nil {
			return nil, err
		}
		from, n, err := span(starts[k], ends[k], steps[k], x.dims[i])
		if err != nil {
			return nil, err
		}
		out.dims[i] = n
		if x.ints != nil && len(x.dims) == 1 {
			ints := []int64{}
			for j := range n {
				ints = append(ints, x.ints[from+j*steps[k]])
			}
			out.ints = ints
		} else {
			out.ints = nil
		}
	}
	return []*value{out}, nil
}

// span is where a cut begins and how many values it has, by Slice's rules.
func span(start, end, step, size int64) (from, n int64, err error) {
	if step == 0 || step > maxElements || step < -maxElements {
		return 0, 0, fmt.Errorf("it cuts in steps of %d", step)
	}
	clamp := func(v, low, high int64) int64 {
		if v < 0 {
			v += size
		}
		return min(max(v, low), high)
	}
	if step > 0 {
		start, end = clamp(start, 0, size), clamp(end, 0, size)
		return start, max(0, (end-start+step-1)/step), nil
	}
	start, end = clamp(start, 0, size-1), clamp(end, -1, size-1)
	return start, max(0, (start-end-step-1)/-step), nil
}

func split(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	a, err := axis(c.n.IntAttr("axis", 0), len(x))
	if err != nil {
		return nil, err
	}
	parts, absent, err := c.content(1, "split")
	if err != nil {
		return nil, err
	}
	n := int64(len(c.n.Outputs))
	if absent && n > 0 {
		each := (x[a] + n - 1) / n
		for i := range n {
			parts = append(parts, max(0, min(each, x[a]-i*each)))
		}
	}
	var out []*value
	for _, p := range parts {
		dims := slices.Clone(x)
		dims[a] = p
		out = append(out, &value{dims: dims})
	}
	return out, nil
}

func gather(c *call) ([]*value, error) {
	x, err := c.in(0)
	if err != nil {
		return nil, err
	}
	index, err := c.in(1)
	if err != nil {
		return nil, err
	}
	a, err := axis(c.n.IntAttr("axis", 0), len(x.dims))
	if err != nil {
		return nil, err
	}
	out := &value{dims: slices.Concat(x.dims[:a], index.dims, x.dims[a+1:])}
	if x.ints != nil && len(x.dims) == 1 && index.ints != nil {
		out.ints = []int64{}
		for _, i := range index.ints {
			at, err := axis(i, len(x.ints))
			if err != nil {
				return nil, err
			}
			out.ints = append(out.ints, x.ints[at])
		}
	}
	return []*value{out}, nil
}

func shapeOf(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	n := int64(len(x))
	from, to := c.n.IntAttr("start", 0), c.n.IntAttr("end", n)
	at, count, _ := span(from, to, 1, n)
	return []*value{{dims: []int64{count}, ints: append([]int64{}, x[at:at+count]...)}}, nil
}

func sizeOf(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	return []*value{{dims: []int64{}, ints: []int64{Elements(x)}}}, nil
}

func constantNode(c *call) ([]*value, error) {
	for _, a := range c.n.Attributes {
		switch {
		case a.Tensor != nil:
			c.s.keepFloats(c.n.Outputs, a.Tensor)
			return []*value{constant(a.Tensor)}, nil
		case a.Name == "value_int":
			return []*value{{dims: []int64{}, ints: []int64{a.Int}}}, nil
		case a.Name == "value_ints":
			return []*value{{dims: []int64{int64(len(a.Ints))}, ints: append([]int64{}, a.Ints...)}}, nil
		case a.Name == "value_float" || a.Name == "value_string":
			return []*value{{dims: []int64{}}}, nil
		case a.Name == "value_floats":
			return []*value{{dims: []int64{int64(len(a.Floats))}}}, nil
		case a.Name == "value_strings":
			return []*value{{dims: []int64{int64(len(a.Strings))}}}, nil
		}
	}
	return nil, fmt.Errorf("it holds no value")
}

func constantOfShape(c *call) ([]*value, error) {
	want, absent, err := c.content(0, "")
	if err != nil || absent {
		return nil, orElse(err, "it has no shape to give")
	}
	out := &value{dims: append([]int64{}, want...)}
	n := Elements(out.dims)
	if a := c.n.Attr("value"); a != nil && a.Tensor != nil && n >= 0 && n <= maxContent {
		if fill := constant(a.Tensor); len(fill.ints) == 1 {
			out.ints = slices.Repeat(fill.ints, int(n))
		}
	}
	return []*value{out}, nil
}

func rangeOf(c *call) ([]*value, error) {
	var v [3]int64
	for i := range v {
		ints, _, err := c.content(i, "")
		if err != nil || len(ints) != 1 {
			return nil, orElse(err, "it counts from or to more than one number")
		}
		v[i] = ints[0]
	}
	if v[2] == 0 || abs(v[0]) > maxElements || abs(v[1]) > maxElements || abs(v[2]) > maxElements {
		return nil, fmt.Errorf("it counts from %d to %d in steps of %d", v[0], v[1], v[2])
	}
	n := (v[1] - v[0]) / v[2]
	if (v[1]-v[0])%v[2] != 0 && n >= 0 && (v[1] > v[0]) == (v[2] > 0) {
		n++
	}
	out := &value{dims: []int64{max(0, n)}}
	if n <= maxContent {
		out.ints = []int64{}
		for i := range max(0, n) {
			out.ints = append(out.ints, v[0]+i*v[2])
		}
	}
	return []*value{out}, nil
}

func depthToSpace(c *call) ([]*value, error) {
	x, err := c.dims(0)
	b := c.n.IntAttr("blocksize", 0)
	if err != nil || len(x) != 4 || b < 1 || b > 1<<15 || x[1]%(b*b) != 0 || x[2] > maxElements/b ||
		x[3] > maxElements/b {
		return nil, orElse(err, "it spreads %v in blocks of %d", x, b)
	}
	return shaped(x[0], x[1]/(b*b), x[2]*b, x[3]*b), nil
}

func spaceToDepth(c *call) ([]*value, error) {
	x, err := c.dims(0)
	b := c.n.IntAttr("blocksize", 0)
	if err != nil || len(x) != 4 || b < 1 || b > 1<<15 || x[2]%b != 0 || x[3]%b != 0 || x[1] > maxElements/(b*b) {
		return nil, orElse(err, "it gathers %v in blocks of %d", x, b)
	}
	return shaped(x[0], x[1]*b*b, x[2]/b, x[3]/b), nil
}
