package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// MaxBytes is where a protobuf message, and with it an ONNX file, ends.
	// Larger models keep their weights in files of their own.
	MaxBytes = 2<<30 - 1
	// maxDepth bounds graphs within graphs (the bodies of If, Loop and Scan).
	maxDepth = 16
	// maxObjects bounds how many messages and strings a file may hold: a file
	// of empty ones would otherwise take a hundred times its size in memory.
	maxObjects = 4 << 20
)

// Parse reads a model. What it returns shares memory with b, which must not be
// changed afterwards. Parse understands the bytes only; whether they make a
// model that can run is for Check.
func Parse(b []byte) (*Model, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("the file has %d bytes; an ONNX file ends at 2 GB (larger models keep their weights "+
			"in files of their own)", len(b))
	}
	d := &decoder{objects: maxObjects}
	m := d.model(b)
	switch {
	case d.err != nil:
		return nil, fmt.Errorf("not an ONNX model, or a damaged one: %w", d.err)
	case m.IRVersion == 0:
		return nil, errors.New("not an ONNX model: it has no IR version")
	case m.Graph == nil:
		return nil, errors.New("not an ONNX model: it has no graph")
	}
	return m, nil
}

// ParseTensor reads a TensorProto, as in the test data of ONNX itself.
func ParseTensor(b []byte) (*Tensor, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("the file has %d bytes; a tensor's ends at 2 GB", len(b))
	}
	d := &decoder{objects: maxObjects}
	if t := d.tensor(b); d.err == nil {
		return t, nil
	}
	return nil, fmt.Errorf("not an ONNX tensor, or a damaged one: %w", d.err)
}

// decoder keeps the first error; after it, all work comes to nothing.
type decoder struct {
	objects int
	depth   int
	err     error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// field is one field of a message.
type field struct {
	what   string // the message it is in, for errors
	number protowire.Number
	kind   protowire.Type
	value  []byte // without the tag, and for bytes without the length
	whole  []byte
}

// each calls f for every field of a message, and collects those that f does
// not know.
func (d *decoder) each(what string, b []byte, f func(x field) bool) (unknown []byte) {
	if d.objects--; d.objects < 0 {
		d.fail("it has more than %d parts", maxObjects)
	}
	for len(b) > 0 && d.err == nil {
		number, kind, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			d.fail("a %s is cut short or damaged", what)
			return nil
		}
		n := protowire.ConsumeFieldValue(number, kind, b[tag:])
		if n < 0 {
			d.fail("field %d of a %s is cut short or damaged", number, what)
			return nil
		}
		x := field{what: what, number: number, kind: kind, value: b[tag : tag+n : tag+n], whole: b[: tag+n : tag+n]}
		if kind == protowire.BytesType {
			x.value, _ = protowire.ConsumeBytes(b[tag:])
			x.value = x.value[:len(x.value):len(x.value)]
		}
		if !f(x) {
			unknown = append(unknown, x.whole...)
		}
		b = b[tag+n:]
	}
	return unknown
}

func (d *decoder) kind(x field, want protowire.Type) bool {
	if x.kind != want {
		d.fail("field %d of a %s has another wire type than it must", x.number, x.what)
	}
	return d.err == nil
}

func (d *decoder) bytes(x field) []byte {
	if !d.kind(x, protowire.BytesType) {
		return nil
	}
	return x.value
}

func (d *decoder) text(x field) string { return string(d.bytes(x)) }

func (d *decoder) texts(x field) string {
	d.objects--
	return d.text(x)
}

func (d *decoder) int(x field) int64 {
	if !d.kind(x, protowire.VarintType) {
		return 0
	}
	v, _ := protowire.ConsumeVarint(x.value)
	return int64(v)
}

func (d *decoder) float(x field) float32 {
	if !d.kind(x, protowire.Fixed32Type) {
		return 0
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(x.value))
}

// ints appends a repeated integer, packed or not.
func (d *decoder) ints(x field, to []int64) []int64 {
	if x.kind != protowire.BytesType {
		return append(to, d.int(x))
	}
	for b := x.value; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			d.fail("field %d of a %s is damaged", x.number, x.what)
			return to
		}
		to, b = append(to, int64(v)), b[n:]
	}
	return to
}

// fixed appends a repeated float or double, packed or not, as the bytes that
// it is: the wire and raw_data have the same order.
func (d *decoder) fixed(x field, width int, to []byte) []byte {
	single := protowire.Fixed32Type
	if width == 8 {
		single = protowire.Fixed64Type
	}
	if x.kind != single && d.kind(x, protowire.BytesType) && len(x.value)%width != 0 {
		d.fail("field %d of a %s is damaged", x.number, x.what)
	}
	if d.err != nil {
		return to
	}
	if to == nil {
		return x.value
	}
	return append(to, x.value...)
}

func (d *decoder) model(b []byte) *Model {
	m := &Model{}
	m.Unknown = d.each("model", b, func(x field) bool {
		switch x.number {
		case modelIRVersion:
			m.IRVersion = d.int(x)
		case modelProducer:
			m.Producer = d.text(x)
		case modelProducerVersion:
			m.ProducerVersion = d.text(x)
		case modelDomain:
			m.Domain = d.text(x)
		case modelVersion:
			m.Version = d.int(x)
		case modelDoc:
			m.Doc = d.text(x)
		case modelGraph:
			if m.Graph != nil {
				d.fail("it has two graphs")
			}
			m.Graph = d.graph(d.bytes(x))
		case modelOpset:
			m.Opsets = append(m.Opsets, d.opset(d.bytes(x)))
		case modelMetadata:
			m.Metadata = append(m.Metadata, d.property(d.bytes(x)))
		case modelFunctions:
			m.Functions++
			return false
		default:
			return false
		}
		return true
	})
	return m
}

func (d *decoder) opset(b []byte) (o Opset) {
	o.Unknown = d.each("opset import", b, func(x field) bool {
		switch x.number {
		case opsetDomain:
			o.Domain = d.text(x)
		case opsetVersion:
			o.Version = d.int(x)
		default:
			return false
		}
		return true
	})
	return o
}

func (d *decoder) property(b []byte) (p Property) {
	p.Unknown = d.each("property", b, func(x field) bool {
		switch x.number {
		case entryKey:
			p.Key = d.text(x)
		case entryValue:
			p.Value = d.text(x)
		default:
			return false
		}
		return true
	})
	return p
}

func (d *decoder) graph(b []byte) *Graph {
	if d.depth++; d.depth > maxDepth {
		d.fail("its graphs are nested more than %d deep", maxDepth)
	}
	defer func() { d.depth-- }()
	g := &Graph{}
	g.Unknown = d.each("graph", b, func(x field) bool {
		switch x.number {
		case graphNode:
			g.Nodes = append(g.Nodes, d.node(d.bytes(x)))
		case graphName:
			g.Name = d.text(x)
		case graphInitializer:
			g.Initializers = append(g.Initializers, d.tensor(d.bytes(x)))
		case graphDoc:
			g.Doc = d.text(x)
		case graphInput:
			g.Inputs = append(g.Inputs, d.value(d.bytes(x)))
		case graphOutput:
			g.Outputs = append(g.Outputs, d.value(d.bytes(x)))
		case graphValue:
			g.Values = append(g.Values, d.value(d.bytes(x)))
		default:
			return false
		}
		return true
	})
	return g
}

func (d *decoder) node(b []byte) *Node {
	n := &Node{}
	n.Unknown = d.each("node", b, func(x field) bool {
		switch x.number {
		case nodeInput:
			n.Inputs = append(n.Inputs, d.texts(x))
		case nodeOutput:
			n.Outputs = append(n.Outputs, d.texts(x))
		case nodeName:
			n.Name = d.text(x)
		case nodeOp:
			n.Op = d.text(x)
		case nodeAttribute:
			n.Attributes = append(n.Attributes, d.attribute(d.bytes(x)))
		case nodeDoc:
			n.Doc = d.text(x)
		case nodeDomain:
			n.Domain = d.text(x)
		default:
			return false
		}
		return true
	})
	return n
}

func (d *decoder) attribute(b []byte) *Attribute {
	a := &Attribute{}
	seen := AttributeKind(0) // what a file without types (IR version 1) means
	a.Unknown = d.each("attribute", b, func(x field) bool {
		found := AttributeKind(0)
		switch x.number {
		case attrName:
			a.Name = d.text(x)
		case attrRef:
			a.Ref = d.text(x)
		case attrDoc:
			a.Doc = d.text(x)
		case attrType:
			a.Kind = AttributeKind(d.int(x))
		case attrFloat:
			a.Float, found = d.float(x), FloatAttribute
		case attrInt:
			a.Int, found = d.int(x), IntAttribute
		case attrString:
			a.Bytes, found = d.bytes(x), StringAttribute
		case attrTensor:
			a.Tensor, found = d.tensor(d.bytes(x)), TensorAttribute
		case attrGraph:
			a.Graph, found = d.graph(d.bytes(x)), GraphAttribute
		case attrFloats:
			for b := d.fixed(x, 4, nil); len(b) >= 4; b = b[4:] {
				a.Floats = append(a.Floats, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			}
			found = FloatsAttribute
		case attrInts:
			a.Ints, found = d.ints(x, a.Ints), IntsAttribute
		case attrStrings:
			d.objects--
			a.Strings, found = append(a.Strings, d.bytes(x)), StringsAttribute
		case attrTensors:
			a.Tensors, found = append(a.Tensors, d.tensor(d.bytes(x))), TensorsAttribute
		case attrGraphs:
			a.Graphs, found = append(a.Graphs, d.graph(d.bytes(x))), GraphsAttribute
		default:
			return false
		}
		if found != 0 {
			seen = found
		}
		return true
	})
	if a.Kind == 0 {
		a.Kind = seen
	}
	switch {
	case a.Kind == TensorAttribute && a.Tensor == nil && a.Ref == "":
		d.fail("attribute %q says that it is a tensor, and holds none", a.Name)
	case a.Kind == GraphAttribute && a.Graph == nil && a.Ref == "":
		d.fail("attribute %q says that it is a graph, and holds none", a.Name)
	}
	return a
}
