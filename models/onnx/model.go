// Package onnx reads and writes ONNX models, checks them, infers their shapes
// and counts their work. It is written by hand on protobuf's wire format: the
// message and field numbers are those of onnx.proto (github.com/onnx/onnx),
// and fields that are not modelled here are kept byte for byte.
//
// A model file is somebody else's: Parse bounds what it allocates by what it
// was given, Check refuses a graph that contradicts itself, and nothing here
// trusts a length, an index or a name of a file. Nothing depends on map order
// or on the platform either, so equal models give equal bytes.
//
// The sums of bytes and operations are in Work; package inspect says what a
// person wants to know of a model, package infer runs one.
package onnx

// Model is a ModelProto.
type Model struct {
	IRVersion       int64
	Producer        string
	ProducerVersion string
	Domain          string
	Version         int64
	Doc             string
	Graph           *Graph
	Opsets          []Opset
	Metadata        []Property
	// Functions counts the model's local functions, whose bytes are in
	// Unknown: a node may call one by its name.
	Functions int
	Unknown   []byte // training_info, functions and whatever else there is
}

// Opset says which version of a domain's operators the model means. The empty
// domain is ai.onnx.
type Opset struct {
	Domain  string
	Version int64
	Unknown []byte
}

// Property is a key and its value.
type Property struct {
	Key, Value string
	Unknown    []byte
}

// Graph is a GraphProto.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []*Node
	Initializers []*Tensor
	Inputs       []*Value // before IR version 4, the initializers' too
	Outputs      []*Value
	Values       []*Value // shapes of what lies between
	Unknown      []byte   // quantization annotations, sparse initializers, metadata
}

// Node is a NodeProto.
type Node struct {
	Op         string
	Domain     string // empty: ai.onnx
	Name       string
	Inputs     []string // an empty name is an input left out
	Outputs    []string
	Attributes []*Attribute
	Doc        string
	Unknown    []byte
}

// AttributeKind is AttributeProto.AttributeType.
type AttributeKind int32

// The kinds of attributes whose values are read here. Others (sparse tensors,
// types) are kept in Unknown.
const (
	FloatAttribute   AttributeKind = 1
	IntAttribute     AttributeKind = 2
	StringAttribute  AttributeKind = 3
	TensorAttribute  AttributeKind = 4
	GraphAttribute   AttributeKind = 5
	FloatsAttribute  AttributeKind = 6
	IntsAttribute    AttributeKind = 7
	StringsAttribute AttributeKind = 8
	TensorsAttribute AttributeKind = 9
	GraphsAttribute  AttributeKind = 10
)

// Attribute is an AttributeProto: exactly one of the values is used, by Kind.
type Attribute struct {
	Name    string
	Kind    AttributeKind
	Ref     string // ref_attr_name, inside functions
	Float   float32
	Int     int64
	Bytes   []byte // a string: ONNX does not promise UTF-8
	Tensor  *Tensor
	Graph   *Graph
	Floats  []float32
	Ints    []int64
	Strings [][]byte
	Tensors []*Tensor
	Graphs  []*Graph
	Doc     string
	Unknown []byte
}

// Int makes an integer attribute.
func Int(name string, v int64) *Attribute {
	return &Attribute{Name: name, Kind: IntAttribute, Int: v}
}

// Ints makes an attribute that is a list of integers.
func Ints(name string, v ...int64) *Attribute {
	return &Attribute{Name: name, Kind: IntsAttribute, Ints: v}
}

// Float makes a 32-bit float attribute.
func Float(name string, v float32) *Attribute {
	return &Attribute{Name: name, Kind: FloatAttribute, Float: v}
}

// Value is a ValueInfoProto. Of its type, tensors are read; other types
// (sequences, maps, optionals) are in Other.
type Value struct {
	Name string
	Elem DataType
	// Shape is nil where the file says nothing about it; a scalar's is empty.
	Shape   []Dim
	Doc     string
	Other   []byte // the TypeProto as it is, when it is no tensor
	typeTag []byte // unknown fields of the TypeProto, such as its denotation
	elemTag []byte // unknown fields of TypeProto.Tensor
	Unknown []byte
}

// Dim is one dimension: a name where the size is free, else the size, which is
// -1 where the file says nothing.
type Dim struct {
	Param   string
	Size    int64
	Unknown []byte // the denotation
}

// FloatValue makes a tensor of 32-bit floats that goes in or out; without
// dimensions it is a scalar.
func FloatValue(name string, dims ...Dim) *Value {
	return &Value{Name: name, Elem: Float32, Shape: append([]Dim{}, dims...)}
}

// Fixed makes dimensions of known sizes.
func Fixed(sizes ...int64) []Dim {
	dims := make([]Dim, len(sizes))
	for i, n := range sizes {
		dims[i].Size = n
	}
	return dims
}

// Known says whether the dimension is a number.
func (d Dim) Known() bool { return d.Param == "" && d.Size >= 0 }

// Attr returns the node's attribute of that name, nil if there is none.
func (n *Node) Attr(name string) *Attribute {
	for _, a := range n.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// IntAttr returns an integer attribute or its default.
func (n *Node) IntAttr(name string, otherwise int64) int64 {
	if a := n.Attr(name); a != nil && a.Kind == IntAttribute {
		return a.Int
	}
	return otherwise
}

// FloatAttr returns a float attribute or its default.
func (n *Node) FloatAttr(name string, otherwise float32) float32 {
	if a := n.Attr(name); a != nil && a.Kind == FloatAttribute {
		return a.Float
	}
	return otherwise
}

// IntsAttr returns a list of integers, nil if there is none.
func (n *Node) IntsAttr(name string) []int64 {
	if a := n.Attr(name); a != nil && a.Kind == IntsAttribute {
		return a.Ints
	}
	return nil
}

// TextAttr returns a string attribute or its default.
func (n *Node) TextAttr(name, otherwise string) string {
	if a := n.Attr(name); a != nil && a.Kind == StringAttribute {
		return string(a.Bytes)
	}
	return otherwise
}

// Input returns the i-th input's name, empty if it was left out.
func (n *Node) Input(i int) string {
	if i < len(n.Inputs) {
		return n.Inputs[i]
	}
	return ""
}

// Type is the operator with its domain, as people write it.
func (n *Node) Type() string {
	if n.Domain == "" || n.Domain == "ai.onnx" {
		return n.Op
	}
	return n.Domain + "." + n.Op
}

// Opset returns the version of ai.onnx that the model imports, 0 if it
// imports none.
func (m *Model) Opset() int64 { return m.OpsetOf("") }

// OpsetOf returns the version of a domain that the model imports.
func (m *Model) OpsetOf(domain string) int64 {
	for _, o := range m.Opsets {
		if o.Domain == domain || domain == "" && o.Domain == "ai.onnx" {
			return o.Version
		}
	}
	return 0
}

// Initializer returns the graph's constant of that name, nil if there is none.
func (g *Graph) Initializer(name string) *Tensor {
	for _, t := range g.Initializers {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// RealInputs are the inputs that a caller must give: those that are no
// initializers.
func (g *Graph) RealInputs() []*Value {
	constant := make(map[string]bool, len(g.Initializers))
	for _, t := range g.Initializers {
		constant[t.Name] = true
	}
	var inputs []*Value
	for _, v := range g.Inputs {
		if !constant[v.Name] {
			inputs = append(inputs, v)
		}
	}
	return inputs
}

// SharedNames counts the nodes whose name another node has too: ONNX Runtime refuses
// such a model.
func (g *Graph) SharedNames() (n int, example string) {
	seen := map[string]int{}
	for _, node := range g.Nodes {
		if node.Name != "" {
			seen[node.Name]++
		}
	}
	for _, node := range g.Nodes {
		if seen[node.Name] > 1 {
			if n++; example == "" {
				example = node.Name
			}
		}
	}
	return n, example
}
