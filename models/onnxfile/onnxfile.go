// Package onnxfile writes down chexp's own models: literals of plain values,
// which package onnx checks, quantizes and writes as bytes. It has only what
// float networks need; a model that came from elsewhere is package onnx's.
package onnxfile

import (
	"chexp/models/onnx"
)

// Model is a model to be written.
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
type Property = onnx.Property

// Graph is the network.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []Node // in an order in which every input is made before it is used
	Initializers []Tensor
	Inputs       []Value
	Outputs      []Value
}

// Node is one operator.
type Node struct {
	Op         string
	Domain     string // empty: the default one
	Name       string
	Inputs     []string // an empty name is an input left out
	Outputs    []string
	Attributes []Attribute
}

// Attribute is one of a node's.
type Attribute = onnx.Attribute

// Int makes an integer attribute.
func Int(name string, v int64) Attribute { return *onnx.Int(name, v) }

// Ints makes an attribute that is a list of integers.
func Ints(name string, v ...int64) Attribute { return *onnx.Ints(name, v...) }

// Tensor holds 32-bit floats, or 64-bit integers where Ints is set. No Dims: a
// scalar.
type Tensor struct {
	Name string
	Dims []int64
	Data []float32
	Ints []int64
}

// Value is a tensor of 32-bit floats that goes in or out.
type Value struct {
	Name string
	Dims []Dim
}

// Dim is one dimension: a name where the size is free, else the size.
type Dim struct {
	Param string
	Size  int64
}

// ONNX returns the model as package onnx has it.
func (m *Model) ONNX() *onnx.Model {
	out := &onnx.Model{
		IRVersion: m.IRVersion, Producer: m.Producer, ProducerVersion: m.ProducerVersion, Doc: m.Doc,
		Opsets: []onnx.Opset{{Version: m.Opset}}, Metadata: m.Metadata,
		Graph: &onnx.Graph{Name: m.Graph.Name, Doc: m.Graph.Doc, Inputs: values(m.Graph.Inputs), Outputs: values(m.Graph.Outputs)},
	}
	for _, i := range m.Imports {
		out.Opsets = append(out.Opsets, onnx.Opset{Domain: i.Domain, Version: i.Version})
	}
	for _, n := range m.Graph.Nodes {
		node := &onnx.Node{Op: n.Op, Domain: n.Domain, Name: n.Name, Inputs: n.Inputs, Outputs: n.Outputs}
		for _, a := range n.Attributes {
			node.Attributes = append(node.Attributes, &a)
		}
		out.Graph.Nodes = append(out.Graph.Nodes, node)
	}
	for _, t := range m.Graph.Initializers {
		x := onnx.FloatTensor(t.Name, t.Dims, t.Data)
		if t.Ints != nil {
			x = onnx.Int64Tensor(t.Name, t.Dims, t.Ints)
		}
		out.Graph.Initializers = append(out.Graph.Initializers, x)
	}
	return out
}

func values(list []Value) (out []*onnx.Value) {
	for _, v := range list {
		shape := []onnx.Dim{}
		for _, d := range v.Dims {
			shape = append(shape, onnx.Dim{Param: d.Param, Size: d.Size})
		}
		out = append(out, &onnx.Value{Name: v.Name, Elem: onnx.Float32, Shape: shape})
	}
	return out
}

// Marshal writes the model. chexp's own are far below the 2 GB at which ONNX
// ends, the only thing that could go wrong.
func (m *Model) Marshal() []byte {
	b, err := m.ONNX().Marshal()
	if err != nil {
		panic(err)
	}
	return b
}
