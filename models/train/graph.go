package train

import (
	"fmt"

	"chexp/models/mobilenet"
	"chexp/models/onnx"
)

// Names of the step's inputs and outputs beside the parameters. A parameter's
// gradient is an output named gradientOf + its name.
const (
	inPatches = "patches" // [1, 27, batch × (size/2)²]: 3×3 patches of the pictures
	inTargets = "targets" // [1, classes, batch]
	outLoss   = "loss"    // [1, 1]
	outLogits = "logits"  // [1, classes, batch]

	gradientOf = "d."
	meanOf     = "mean."
	varianceOf = "variance."
)

// epsilon keeps a batch normalisation from dividing by zero.
const epsilon = 1e-5

// Step writes one training step as an ONNX graph: forward with batch
// normalisation over the batch's own statistics, cross entropy, and every
// gradient. All shapes are fixed, and the first dimension of every input and
// output is 1: chexp's sessions hold that one to be the batch.
//
// Values lie channel first, [C, batch, H, W], so that a 1×1 convolution is one
// matrix product over the whole batch, a channel's statistics are a sum over
// contiguous memory, and a depthwise convolution is one grouped convolution of
// a single "picture" with C × batch channels; none of that needs a transpose.
// The stem's 3×3 patches are cut by the caller for the same reason.
func Step(net mobilenet.Net, batch, size int) ([]byte, error) {
	b, values, records := forward(net, batch, size)
	last := len(net.Layers)
	// What flows back into each value; the additions make it a sum.
	flow := make([]string, last+1)
	flow[last] = b.headGradients(net, values[last])
	for i := last - 1; i >= 0; i-- {
		l := net.Layers[i]
		dx := b.backward(l, records[i], flow[i+1], i == 0)
		if i > 0 {
			flow[i] = b.sum(flow[i], dx)
		}
		if l.Add >= 0 {
			flow[l.Add] = b.sum(flow[l.Add], flow[i+1])
		}
	}
	return b.marshal()
}

// Forward is the same without the gradients: for the statistics only.
func Forward(net mobilenet.Net, batch, size int) ([]byte, error) {
	b, _, _ := forward(net, batch, size)
	return b.marshal()
}

func forward(net mobilenet.Net, batch, size int) (*builder, []value, []record) {
	b := &builder{graph: &onnx.Graph{Name: "train-step"}, batch: int64(batch), constants: map[string]bool{}}
	side := int64(size / 2)
	m := b.batch * side * side
	b.input(inPatches, 1, 27, m)
	b.input(inTargets, 1, int64(net.Classes), b.batch)

	values := make([]value, len(net.Layers)+1) // values[i] enters layer i
	records := make([]record, len(net.Layers))
	values[0] = value{b.reshape(inPatches, 27, m), side}
	for i, l := range net.Layers {
		values[i+1], records[i] = b.forward(l, values[i], i == 0)
		if l.Add >= 0 {
			values[i+1].name = b.op("Add", values[i+1].name, values[l.Add].name)
		}
	}
	b.head(net, values[len(net.Layers)])
	return b, values, records
}

func (b *builder) marshal() ([]byte, error) {
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}, {Domain: "com.microsoft", Version: 1}}, Producer: "chexp", Graph: b.graph}
	return m.Marshal()
}

// value is a tensor [C, batch × side × side].
type value struct {
	name string
	side int64
}

// record is what a layer's backward pass needs of its forward pass.
type record struct {
	in, out       value
	weight        string // [out, in], or [channels × batch, 1, 3, 3] where depthwise
	z             string // the convolution's result
	mean, inverse string // [C, 1]: of z; 1 / standard deviation
	scale         string // gamma × inverse
	before, after string // around ReLU6
}

func (b *builder) forward(l mobilenet.Layer, in value, stem bool) (value, record) {
	r := record{in: in, out: in}
	c := int64(l.Out)
	if l.Depthwise() {
		r.out.side = in.side / int64(l.Stride)
		b.input(l.Name, 1, c, 9)
		w := b.op("Expand", b.reshape(l.Name, c, 1, 9), b.ints(c, b.batch, 9))
		r.weight = b.reshape(w, c*b.batch, 1, 3, 3)
		z := b.op2("Conv", []string{b.picture(in, c), r.weight}, convolution(c*b.batch, int64(l.Stride))...)
		r.z = b.reshape(z, c, b.batch*r.out.side*r.out.side)
	} else {
		columns := int64(l.In)
		if stem {
			columns *= 9
		}
		b.input(l.Name, 1, c, columns)
		r.weight = b.reshape(l.Name, c, columns)
		r.z = b.op("MatMul", r.weight, in.name)
	}
	gamma, beta := b.column(gammaOf(l), c), b.column(betaOf(l), c)
	r.mean = b.mean(r.z)
	variance := b.op("Sub", b.mean(b.op("Mul", r.z, r.z)), b.op("Mul", r.mean, r.mean))
	variance = b.op("Max", variance, b.number(0))
	r.inverse = b.op("Reciprocal", b.op("Sqrt", b.op("Add", variance, b.number(epsilon))))
	r.scale = b.op("Mul", gamma, r.inverse)
	shift := b.op("Sub", beta, b.op("Mul", r.mean, r.scale))
	b.output(meanOf+l.Name, r.mean, 1, c, 1)
	b.output(varianceOf+l.Name, variance, 1, c, 1)

	r.before = b.op("Add", b.op("Mul", r.z, r.scale), shift)
	r.after = r.before
	if l.ReLU6 {
		r.after = b.op("Clip", r.before, b.number(0), b.number(6))
	}
	return value{r.after, r.out.side}, r
}

// backward returns the gradient of the layer's input; flow is that of its
// output.
func (b *builder) backward(l mobilenet.Layer, r record, flow string, stem bool) string {
	c := int64(l.Out)
	if l.ReLU6 { // it passes where it changed nothing
		flow = b.op("Where", b.op("Equal", r.before, r.after), flow, b.number(0))
	}
	// Batch normalisation: with x̂ the normalised z,
	// dz = scale × (flow - mean(flow) - x̂ × mean(flow × x̂)),
	// which is scale × flow + p × z + q with p and q one number a channel.
	m1 := b.mean(flow)
	m2 := b.op("Sub", b.mean(b.op("Mul", flow, r.z)), b.op("Mul", r.mean, m1))
	m2 = b.op("Mul", m2, r.inverse) // mean(flow × x̂)
	count := b.number(float32(b.batch * r.out.side * r.out.side))
	b.output(gradientOf+gammaOf(l), b.op("Mul", m2, count), 1, c, 1)
	b.output(gradientOf+betaOf(l), b.op("Mul", m1, count), 1, c, 1)
	p := b.op("Neg", b.op("Mul", b.op("Mul", r.scale, r.inverse), m2))
	q := b.op("Neg", b.op("Add", b.op("Mul", r.scale, m1), b.op("Mul", p, r.mean)))
	dz := b.op("Add", b.op("Mul", flow, r.scale), b.op("Add", b.op("Mul", r.z, p), q))

	if !l.Depthwise() {
		columns := int64(l.In)
		if stem {
			columns *= 9
		}
		dw := b.product(dz, r.in.name, false, true)
		b.output(gradientOf+l.Name, dw, 1, c, columns)
		if stem {
			return ""
		}
		return b.product(r.weight, dz, true, false)
	}
	return b.backwardDepthwise(l, r, dz)
}

func (b *builder) backwardDepthwise(l mobilenet.Layer, r record, dz string) string {
	c, s, stride := int64(l.Out), r.out.side, int64(l.Stride)
	groups := c * b.batch
	// The weights' gradient: the input convolved with dz as the kernel, whose
	// taps lie stride apart. With an even side and stride 2 there is room for
	// a fourth shift, which the padding leaves out.
	end := int64(1)
	if stride == 2 {
		end = 0
	}
	dw := b.op2("Conv", []string{b.picture(r.in, c), b.reshape(dz, groups, 1, s, s)},
		onnx.Int("group", groups), onnx.Ints("kernel_shape", s, s), onnx.Ints("dilations", stride, stride),
		onnx.Ints("strides", 1, 1), onnx.Ints("pads", 1, 1, end, end))
	dw = b.op2("ReduceSum", []string{b.reshape(dw, c, b.batch, 9), b.ints(1)}, onnx.Int("keepdims", 0))
	b.output(gradientOf+l.Name, dw, 1, c, 9)

	dy := b.reshape(dz, 1, groups, s, s)
	var dx string
	if stride == 1 { // a convolution with the kernel turned by half a turn
		turned := b.op2("Gather", []string{b.reshape(r.weight, groups, 1, 9), b.ints(8, 7, 6, 5, 4, 3, 2, 1, 0)}, onnx.Int("axis", 2))
		dx = b.op2("Conv", []string{dy, b.reshape(turned, groups, 1, 3, 3)}, convolution(groups, 1)...)
	} else {
		dx = b.op2("ConvTranspose", []string{dy, r.weight}, append(convolution(groups, stride), onnx.Ints("output_padding", 1, 1))...)
	}
	return b.reshape(dx, c, b.batch*r.in.side*r.in.side)
}

// head is the mean over each channel, the classifier and the loss.
func (b *builder) head(net mobilenet.Net, in value) {
	f, k := int64(net.Features()), int64(net.Classes)
	b.input(headWeight, 1, k, f)
	bias := b.column(headBias, k)
	weight := b.reshape(headWeight, k, f)
	b.pooled = b.op2("ReduceMean", []string{b.reshape(in.name, f, b.batch, in.side*in.side)}, onnx.Ints("axes", 2), onnx.Int("keepdims", 0))
	logits := b.op("Add", b.op("MatMul", weight, b.pooled), bias)
	b.logits = logits
	targets := b.reshape(inTargets, k, b.batch)
	logs := b.op2("LogSoftmax", []string{logits}, onnx.Int("axis", 0))
	loss := b.op2("ReduceSum", []string{b.op("Mul", targets, logs)}, onnx.Int("keepdims", 1))
	b.output(outLoss, b.op("Mul", loss, b.number(-1/float32(b.batch))), 1, 1)
	b.output(outLogits, logits, 1, k, b.batch)
}

// headGradients returns the gradient of the head's input.
func (b *builder) headGradients(net mobilenet.Net, in value) string {
	f, k, area := int64(net.Features()), int64(net.Classes), in.side*in.side
	targets, weight, logits := b.reshape(inTargets, k, b.batch), b.reshape(headWeight, k, f), b.logits
	d := b.op("Mul", b.op("Sub", b.op2("Softmax", []string{logits}, onnx.Int("axis", 0)), targets), b.number(1/float32(b.batch)))
	b.output(gradientOf+headWeight, b.product(d, b.pooled, false, true), 1, k, f)
	b.output(gradientOf+headBias, b.op2("ReduceSum", []string{d, b.ints(1)}, onnx.Int("keepdims", 1)), 1, k, 1)
	back := b.op("Mul", b.product(weight, d, true, false), b.number(1/float32(area)))
	spread := b.op("Expand", b.reshape(back, f, b.batch, 1), b.ints(f, b.batch, area))
	return b.reshape(spread, f, b.batch*area)
}

// convolution are the attributes of a depthwise 3×3 one.
func convolution(groups, stride int64) []*onnx.Attribute {
	return []*onnx.Attribute{onnx.Int("group", groups), onnx.Ints("kernel_shape", 3, 3),
		onnx.Ints("strides", stride, stride), onnx.Ints("pads", 1, 1, 1, 1)}
}

// builder appends nodes to a graph; each result gets a name of its own.
type builder struct {
	graph     *onnx.Graph
	batch     int64
	constants map[string]bool
	// Of the head, for its gradients.
	pooled, logits string
}

func (b *builder) op(op string, inputs ...string) string { return b.op2(op, inputs) }

func (b *builder) op2(op string, inputs []string, attributes ...*onnx.Attribute) string {
	name := fmt.Sprintf("v%d", len(b.graph.Nodes))
	b.graph.Nodes = append(b.graph.Nodes, &onnx.Node{Op: op, Name: name, Inputs: inputs, Outputs: []string{name}, Attributes: attributes})
	return name
}

// product is a matrix product of which either side may be transposed.
func (b *builder) product(x, y string, transX, transY bool) string {
	bit := map[bool]int64{true: 1}
	name := b.op2("FusedMatMul", []string{x, y}, onnx.Int("transA", bit[transX]), onnx.Int("transB", bit[transY]))
	b.graph.Nodes[len(b.graph.Nodes)-1].Domain = "com.microsoft"
	return name
}

func (b *builder) sum(x, y string) string {
	if x == "" {
		return y
	}
	return b.op("Add", x, y)
}

// mean is over each row, which is one channel.
func (b *builder) mean(x string) string {
	return b.op2("ReduceMean", []string{x}, onnx.Ints("axes", 1), onnx.Int("keepdims", 1))
}

func (b *builder) reshape(x string, dims ...int64) string { return b.op("Reshape", x, b.ints(dims...)) }

// picture views a value as one picture whose channels are those of the whole
// batch.
func (b *builder) picture(v value, channels int64) string {
	return b.reshape(v.name, 1, channels*b.batch, v.side, v.side)
}

// column is a parameter with one number a channel.
func (b *builder) column(name string, channels int64) string {
	b.input(name, 1, channels, 1)
	return b.reshape(name, channels, 1)
}

func (b *builder) ints(v ...int64) string {
	return b.constant(onnx.Int64Tensor(fmt.Sprint("i", v), []int64{int64(len(v))}, v))
}

func (b *builder) number(v float32) string {
	return b.constant(onnx.FloatTensor(fmt.Sprint("f", v), nil, []float32{v}))
}

// constant adds an initializer, once for each name.
func (b *builder) constant(t *onnx.Tensor) string {
	if !b.constants[t.Name] {
		b.constants[t.Name] = true
		b.graph.Initializers = append(b.graph.Initializers, t)
	}
	return t.Name
}

func (b *builder) input(name string, dims ...int64) {
	b.graph.Inputs = append(b.graph.Inputs, onnx.FloatValue(name, onnx.Fixed(dims...)...))
}

func (b *builder) output(name, from string, dims ...int64) {
	b.graph.Nodes = append(b.graph.Nodes, &onnx.Node{Op: "Reshape", Name: name, Inputs: []string{from, b.ints(dims...)}, Outputs: []string{name}})
	b.graph.Outputs = append(b.graph.Outputs, onnx.FloatValue(name, onnx.Fixed(dims...)...))
}
