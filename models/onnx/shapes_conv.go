package onnx

import (
	"fmt"
	"slices"
)

// window is a convolution's or a pool's attributes, one entry per spatial
// dimension.
type window struct {
	kernel, strides, dilations, pads []int64 // pads: all begins, then all ends
	same, ceil                       bool
}

func (c *call) window(kernel []int64, spatial int) (w window, err error) {
	w.kernel = kernel
	if k := c.n.IntsAttr("kernel_shape"); k != nil {
		w.kernel = k
	}
	w.strides, w.dilations, w.pads = c.n.IntsAttr("strides"), c.n.IntsAttr("dilations"), c.n.IntsAttr("pads")
	if w.strides == nil {
		w.strides = slices.Repeat([]int64{1}, spatial)
	}
	if w.dilations == nil {
		w.dilations = slices.Repeat([]int64{1}, spatial)
	}
	switch c.n.TextAttr("auto_pad", "NOTSET") {
	case "NOTSET":
	case "VALID":
		w.pads = nil
	default:
		w.same = true
	}
	if w.pads == nil {
		w.pads = make([]int64, 2*spatial)
	}
	w.ceil = c.n.IntAttr("ceil_mode", 0) != 0
	if len(w.kernel) != spatial || len(w.strides) != spatial || len(w.dilations) != spatial ||
		len(w.pads) != 2*spatial {
		return w, fmt.Errorf("its kernel, strides, dilations or pads are not for %d dimensions", spatial)
	}
	for i := range spatial {
		if w.kernel[i] < 1 || w.strides[i] < 1 || w.dilations[i] < 1 || w.kernel[i] > maxElements/w.dilations[i] ||
			abs(w.pads[i]) > maxElements || abs(w.pads[spatial+i]) > maxElements {
			return w, fmt.Errorf("it has kernel %v, strides %v, dilations %v, pads %v", w.kernel, w.strides,
				w.dilations, w.pads)
		}
	}
	return w, nil
}

func abs(v int64) int64 { return max(v, -v) }

// slide is the output's size along each spatial dimension.
func (w window) slide(in []int64) ([]int64, error) {
	out := make([]int64, len(in))
	for i, size := range in {
		if w.same {
			out[i] = (size + w.strides[i] - 1) / w.strides[i]
			continue
		}
		span := size + w.pads[i] + w.pads[len(in)+i] - (w.dilations[i]*(w.kernel[i]-1) + 1)
		if span < 0 {
			return nil, fmt.Errorf("its window of %d (dilation %d) is larger than the %d that it slides over",
				w.kernel[i], w.dilations[i], size)
		}
		out[i] = span/w.strides[i] + 1
		// A window that would begin in the padding behind does not count.
		if w.ceil && span%w.strides[i] != 0 && out[i]*w.strides[i] < size+w.pads[i] {
			out[i]++
		}
	}
	return out, nil
}

// conv returns the output of a convolution whose input and weights are these
// inputs of the node.
func conv(data, weights int) rule {
	return func(c *call) ([]*value, error) {
		x, w, err := c.two(data, weights)
		if err != nil {
			return nil, err
		}
		if len(x) < 3 || len(x) != len(w) {
			return nil, fmt.Errorf("it convolves %v with %v", x, w)
		}
		if c.n.IntAttr("channels_last", 0) != 0 {
			// com.microsoft's form: the data is N, spatial…, C.
			x = append([]int64{x[0], x[len(x)-1]}, x[1:len(x)-1]...)
		}
		if group := c.n.IntAttr("group", 1); group < 1 || w[1] > maxElements/group || w[1]*group != x[1] {
			return nil, fmt.Errorf("it convolves %d channels with weights %v in %d groups", x[1], w, group)
		}
		win, err := c.window(w[2:], len(x)-2)
		if err != nil {
			return nil, err
		}
		space, err := win.slide(x[2:])
		if err != nil {
			return nil, err
		}
		if c.n.IntAttr("channels_last", 0) != 0 {
			return shaped(append(append([]int64{x[0]}, space...), w[0])...), nil
		}
		return shaped(append([]int64{x[0], w[0]}, space...)...), nil
	}
}

func convTranspose(c *call) ([]*value, error) {
	x, w, err := c.two(0, 1)
	if err != nil {
		return nil, err
	}
	if len(x) < 3 || len(x) != len(w) || x[1] != w[0] {
		return nil, fmt.Errorf("it spreads %v by %v", x, w)
	}
	group := c.n.IntAttr("group", 1)
	if group < 1 || w[1] > maxElements/group {
		return nil, fmt.Errorf("it has %d groups", group)
	}
	win, err := c.window(w[2:], len(x)-2)
	if err != nil {
		return nil, err
	}
	out := []int64{x[0], w[1] * group}
	extra, fixed := c.n.IntsAttr("output_padding"), c.n.IntsAttr("output_shape")
	for i, size := range x[2:] {
		n := size * win.strides[i]
		if !win.same {
			n = (size-1)*win.strides[i] + win.dilations[i]*(win.kernel[i]-1) + 1 - win.pads[i] - win.pads[len(x)-2+i]
			if i < len(extra) {
				n += extra[i]
			}
		}
		if len(fixed) >= len(x)-2 {
			n = fixed[len(fixed)-(len(x)-2)+i]
		}
		out = append(out, n)
	}
	return shaped(out...), nil
}

func (c *call) two(i, j int) (a, b []int64, err error) {
	if a, err = c.dims(i); err == nil {
		b, err = c.dims(j)
	}
	return a, b, err
}

func pool(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	if len(x) < 3 {
		return nil, fmt.Errorf("it pools %v", x)
	}
	last := c.n.IntAttr("channels_last", 0) != 0
	if last {
		x = append([]int64{x[0], x[len(x)-1]}, x[1:len(x)-1]...)
	}
	win, err := c.window(nil, len(x)-2)
	if err != nil {
		return nil, err
	}
	space, err := win.slide(x[2:])
	if err != nil {
		return nil, err
	}
	out := append([]int64{x[0], x[1]}, space...)
	if last {
		out = append(append([]int64{x[0]}, space...), x[1])
	}
	return []*value{{dims: out}, {dims: out}}, nil // MaxPool's second output: where they were
}

func globalPool(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil || len(x) < 2 {
		return nil, orElse(err, "it pools %v", x)
	}
	out := slices.Repeat([]int64{1}, len(x))
	out[0] = x[0]
	if c.n.IntAttr("channels_last", 0) != 0 {
		out[len(x)-1] = x[len(x)-1]
	} else {
		out[1] = x[1]
	}
	return shaped(out...), nil
}

func orElse(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf(format, args...)
}

// gemm multiplies matrices; the second one is that input.
func gemm(second int) rule {
	return func(c *call) ([]*value, error) {
		a, b, err := c.two(0, second)
		if err != nil {
			return nil, err
		}
		if len(a) != 2 || len(b) != 2 {
			return nil, fmt.Errorf("it multiplies %v by %v", a, b)
		}
		m, ka, kb, n := a[0], a[1], b[0], b[1]
		if c.n.IntAttr("transA", 0) != 0 {
			m, ka = ka, m
		}
		if c.n.IntAttr("transB", 0) != 0 {
			kb, n = n, kb
		}
		if ka != kb {
			return nil, fmt.Errorf("it multiplies %v by %v", a, b)
		}
		return shaped(m, n), nil
	}
}

// matMul is NumPy's; the second operand is that input.
func matMul(second int) rule {
	return func(c *call) ([]*value, error) {
		a, b, err := c.two(0, second)
		if err != nil {
			return nil, err
		}
		if len(a) == 0 || len(b) == 0 {
			return nil, fmt.Errorf("it multiplies %v by %v", a, b)
		}
		vectorA, vectorB := len(a) == 1, len(b) == 1
		if vectorA {
			a = append([]int64{1}, a...)
		}
		if vectorB {
			b = append(slices.Clone(b), 1)
		}
		la, lb := len(a), len(b)
		if a[la-1] != b[lb-2] {
			return nil, fmt.Errorf("it multiplies %v by %v", a, b)
		}
		out, err := broadcast(a[:la-2], b[:lb-2])
		if err != nil {
			return nil, err
		}
		if !vectorA {
			out = append(out, a[la-2])
		}
		if !vectorB {
			out = append(out, b[lb-1])
		}
		return shaped(out...), nil
	}
}
