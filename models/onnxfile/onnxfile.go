// Package onnxfile writes ONNX model files, and tells a file that is no ONNX
// model from one that may be.
//
// It is written by hand on protobuf's wire format: the message and field
// numbers are those of onnx.proto (github.com/onnx/onnx, IR version 8), and
// only what chexp's own models need is here. Nothing in it depends on map
// order or on the platform, so equal models give equal bytes.
package onnxfile

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Model is a ModelProto.
type Model struct {
	IRVersion       int64
	Opset           int64    // of the default domain
	Imports         []Import // of the other domains
	Producer        string
	ProducerVersion string
	Doc             string
	Metadata        []Property
	Graph           Graph
}

// Import names the version of an operator set beside the default one.
type Import struct {
	Domain  string
	Version int64
}

// Property is one entry of metadata_props.
type Property struct{ Key, Value string }

// Graph is a GraphProto.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []Node // in an order in which every input is made before it is used
	Initializers []Tensor
	Inputs       []Value
	Outputs      []Value
}

// Node is a NodeProto.
type Node struct {
	Op         string
	Domain     string // empty: the default one
	Name       string
	Inputs     []string
	Outputs    []string
	Attributes []Attribute
}

// Attribute is an AttributeProto: exactly one of the values is used, by Kind.
type Attribute struct {
	Name  string
	Kind  AttributeKind
	Int   int64
	Ints  []int64
	Float float32
}

// AttributeKind is AttributeProto.AttributeType.
type AttributeKind int32

// The kinds that are written here.
const (
	FloatAttribute AttributeKind = 1
	IntAttribute   AttributeKind = 2
	IntsAttribute  AttributeKind = 7
)

// Int makes an integer attribute.
func Int(name string, v int64) Attribute {
	return Attribute{Name: name, Kind: IntAttribute, Int: v}
}

// Float makes an attribute that is a number.
func Float(name string, v float32) Attribute {
	return Attribute{Name: name, Kind: FloatAttribute, Float: v}
}

// Ints makes an attribute that is a list of integers.
func Ints(name string, v ...int64) Attribute {
	return Attribute{Name: name, Kind: IntsAttribute, Ints: v}
}

// Tensor is a TensorProto of 32-bit floats, or of 64-bit integers where Ints is
// set. No Dims: a scalar.
type Tensor struct {
	Name string
	Dims []int64
	Data []float32
	Ints []int64
}

// Value is a ValueInfoProto: a tensor of 32-bit floats.
type Value struct {
	Name string
	Dims []Dim
}

// Dim is one dimension: a name where the size is free, else the size.
type Dim struct {
	Param string
	Size  int64
}

// Field numbers of onnx.proto.
const (
	modelIRVersion, modelProducer, modelProducerVersion, modelDoc protowire.Number = 1, 2, 3, 6
	modelGraph, modelOpset, modelMetadata                         protowire.Number = 7, 8, 14

	graphNode, graphName, graphInitializer, graphDoc, graphInput, graphOutput protowire.Number = 1, 2, 5, 10, 11, 12

	nodeInput, nodeOutput, nodeName, nodeOp, nodeAttribute, nodeDomain protowire.Number = 1, 2, 3, 4, 5, 7

	attrName, attrFloat, attrInt, attrInts, attrType protowire.Number = 1, 2, 3, 8, 20

	tensorDims, tensorType, tensorName, tensorRaw protowire.Number = 1, 2, 8, 9

	valueName, valueType, typeTensor          protowire.Number = 1, 2, 1
	tensorTypeElem, tensorTypeShape, shapeDim protowire.Number = 1, 2, 1
	dimValue, dimParam                        protowire.Number = 1, 2
	opsetDomain, opsetVersion                 protowire.Number = 1, 2
	entryKey, entryValue                      protowire.Number = 1, 2
	elemFloat, elemInt64                                       = 1, 7
)

// Marshal writes the model.
func (m *Model) Marshal() []byte {
	var b []byte
	b = appendInt(b, modelIRVersion, m.IRVersion)
	b = appendText(b, modelProducer, m.Producer)
	b = appendText(b, modelProducerVersion, m.ProducerVersion)
	b = appendText(b, modelDoc, m.Doc)
	b = appendBytes(b, modelGraph, m.Graph.marshal())
	b = appendBytes(b, modelOpset, appendInt(nil, opsetVersion, m.Opset))
	for _, i := range m.Imports {
		b = appendBytes(b, modelOpset, appendInt(appendText(nil, opsetDomain, i.Domain), opsetVersion, i.Version))
	}
	for _, p := range m.Metadata {
		b = appendBytes(b, modelMetadata, appendText(appendText(nil, entryKey, p.Key), entryValue, p.Value))
	}
	return b
}

func (g *Graph) marshal() []byte {
	var b []byte
	for _, n := range g.Nodes {
		b = appendBytes(b, graphNode, n.marshal())
	}
	b = appendText(b, graphName, g.Name)
	for _, t := range g.Initializers {
		b = appendBytes(b, graphInitializer, t.marshal())
	}
	b = appendText(b, graphDoc, g.Doc)
	for _, v := range g.Inputs {
		b = appendBytes(b, graphInput, v.marshal())
	}
	for _, v := range g.Outputs {
		b = appendBytes(b, graphOutput, v.marshal())
	}
	return b
}

func (n *Node) marshal() []byte {
	var b []byte
	for _, s := range n.Inputs {
		b = appendBytes(b, nodeInput, []byte(s)) // an empty name is an input left out
	}
	for _, s := range n.Outputs {
		b = appendBytes(b, nodeOutput, []byte(s))
	}
	b = appendText(b, nodeName, n.Name)
	b = appendText(b, nodeOp, n.Op)
	for _, a := range n.Attributes {
		b = appendBytes(b, nodeAttribute, a.marshal())
	}
	return appendText(b, nodeDomain, n.Domain)
}

func (a *Attribute) marshal() []byte {
	b := appendText(nil, attrName, a.Name)
	switch a.Kind {
	case IntAttribute:
		b = appendInt(b, attrInt, a.Int)
	case FloatAttribute:
		b = protowire.AppendTag(b, attrFloat, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(a.Float))
	case IntsAttribute:
		for _, v := range a.Ints { // proto2: not packed
			b = appendInt(b, attrInts, v)
		}
	}
	return appendInt(b, attrType, int64(a.Kind))
}

func (t *Tensor) marshal() []byte {
	var b []byte
	for _, d := range t.Dims {
		b = appendInt(b, tensorDims, d)
	}
	elem := int64(elemFloat)
	if t.Ints != nil {
		elem = elemInt64
	}
	b = appendInt(b, tensorType, elem)
	b = appendText(b, tensorName, t.Name)
	raw := make([]byte, 0, 4*len(t.Data)+8*len(t.Ints)) // little endian on every platform, as ONNX demands
	for _, v := range t.Ints {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	for _, v := range t.Data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return appendBytes(b, tensorRaw, raw)
}

func (v *Value) marshal() []byte {
	var shape []byte
	for _, d := range v.Dims {
		var dim []byte
		if d.Param != "" {
			dim = appendText(nil, dimParam, d.Param)
		} else {
			dim = appendInt(nil, dimValue, d.Size)
		}
		shape = appendBytes(shape, shapeDim, dim)
	}
	tensor := appendBytes(appendInt(nil, tensorTypeElem, elemFloat), tensorTypeShape, shape)
	return appendBytes(appendText(nil, valueName, v.Name), valueType, appendBytes(nil, typeTensor, tensor))
}

func appendInt(b []byte, n protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v))
}

func appendText(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return appendBytes(b, n, []byte(s))
}

func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}
