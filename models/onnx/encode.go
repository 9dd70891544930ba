package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of onnx.proto.
const (
	modelIRVersion, modelProducer, modelProducerVersion, modelDomain protowire.Number = 1, 2, 3, 4
	modelVersion, modelDoc, modelGraph, modelOpset                   protowire.Number = 5, 6, 7, 8
	modelMetadata, modelFunctions                                    protowire.Number = 14, 25

	opsetDomain, opsetVersion protowire.Number = 1, 2
	entryKey, entryValue      protowire.Number = 1, 2

	graphNode, graphName, graphInitializer, graphDoc protowire.Number = 1, 2, 5, 10
	graphInput, graphOutput, graphValue              protowire.Number = 11, 12, 13

	nodeInput, nodeOutput, nodeName, nodeOp, nodeAttribute, nodeDoc, nodeDomain protowire.Number = 1, 2, 3, 4, 5, 6, 7

	attrName, attrFloat, attrInt, attrString, attrTensor, attrGraph protowire.Number = 1, 2, 3, 4, 5, 6
	attrFloats, attrInts, attrStrings, attrTensors, attrGraphs      protowire.Number = 7, 8, 9, 10, 11
	attrDoc, attrType, attrRef                                      protowire.Number = 13, 20, 21

	tensorDims, tensorType, tensorFloats, tensorInt32s, tensorStrings protowire.Number = 1, 2, 4, 5, 6
	tensorInt64s, tensorName, tensorRaw, tensorDoubles, tensorUint64s protowire.Number = 7, 8, 9, 10, 11
	tensorDoc, tensorExternal, tensorLocation                         protowire.Number = 12, 13, 14

	valueName, valueType, valueDoc            protowire.Number = 1, 2, 3
	typeTensor                                protowire.Number = 1
	tensorTypeElem, tensorTypeShape, shapeDim protowire.Number = 1, 2, 1
	dimValue, dimParam                        protowire.Number = 1, 2
)

// Marshal writes the model. It refuses one that no reader could take: a
// protobuf message ends at 2 GB.
func (m *Model) Marshal() ([]byte, error) {
	var size int64
	for _, t := range m.Graph.Initializers {
		size += int64(len(t.Raw))
	}
	if size > MaxBytes {
		return nil, fmt.Errorf("the model's values alone are %d bytes; an ONNX file ends at 2 GB", size)
	}
	b := make([]byte, 0, size+size/16+1<<16)
	b = appendNumber(b, modelIRVersion, m.IRVersion)
	b = appendText(b, modelProducer, m.Producer)
	b = appendText(b, modelProducerVersion, m.ProducerVersion)
	b = appendText(b, modelDomain, m.Domain)
	b = appendNumber(b, modelVersion, m.Version)
	b = appendText(b, modelDoc, m.Doc)
	b = appendMessage(b, modelGraph, m.Graph.append)
	for _, o := range m.Opsets {
		b = appendMessage(b, modelOpset, func(b []byte) []byte {
			b = appendInt(appendText(b, opsetDomain, o.Domain), opsetVersion, o.Version)
			return append(b, o.Unknown...)
		})
	}
	for _, p := range m.Metadata {
		b = appendMessage(b, modelMetadata, p.append)
	}
	b = append(b, m.Unknown...)
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("the model would take %d bytes; an ONNX file ends at 2 GB", len(b))
	}
	return b, nil
}

// Marshal writes the tensor as a file of its own.
func (t *Tensor) Marshal() []byte { return t.append(nil) }

func (p *Property) append(b []byte) []byte {
	return append(appendText(appendText(b, entryKey, p.Key), entryValue, p.Value), p.Unknown...)
}

func (g *Graph) append(b []byte) []byte {
	for _, n := range g.Nodes {
		b = appendMessage(b, graphNode, n.append)
	}
	b = appendText(b, graphName, g.Name)
	for _, t := range g.Initializers {
		b = appendMessage(b, graphInitializer, t.append)
	}
	b = appendText(b, graphDoc, g.Doc)
	for _, v := range g.Inputs {
		b = appendMessage(b, graphInput, v.append)
	}
	for _, v := range g.Outputs {
		b = appendMessage(b, graphOutput, v.append)
	}
	for _, v := range g.Values {
		b = appendMessage(b, graphValue, v.append)
	}
	return append(b, g.Unknown...)
}

func (n *Node) append(b []byte) []byte {
	for _, s := range n.Inputs {
		b = appendBytes(b, nodeInput, []byte(s))
	}
	for _, s := range n.Outputs {
		b = appendBytes(b, nodeOutput, []byte(s))
	}
	b = appendText(b, nodeName, n.Name)
	b = appendText(b, nodeOp, n.Op)
	for _, a := range n.Attributes {
		b = appendMessage(b, nodeAttribute, a.append)
	}
	b = appendText(b, nodeDoc, n.Doc)
	b = appendText(b, nodeDomain, n.Domain)
	return append(b, n.Unknown...)
}

func (a *Attribute) append(b []byte) []byte {
	b = appendText(b, attrName, a.Name)
	if a.Ref == "" { // else the value is the caller's
		b = a.appendValue(b)
	}
	b = appendText(b, attrDoc, a.Doc)
	if a.Kind != 0 {
		b = appendInt(b, attrType, int64(a.Kind))
	}
	b = appendText(b, attrRef, a.Ref)
	return append(b, a.Unknown...)
}

func (a *Attribute) appendValue(b []byte) []byte {
	switch a.Kind {
	case FloatAttribute:
		b = appendFloat(b, attrFloat, a.Float)
	case IntAttribute:
		b = appendInt(b, attrInt, a.Int)
	case StringAttribute:
		b = appendBytes(b, attrString, a.Bytes)
	case TensorAttribute:
		b = appendMessage(b, attrTensor, a.Tensor.append)
	case GraphAttribute:
		b = appendMessage(b, attrGraph, a.Graph.append)
	case FloatsAttribute:
		for _, v := range a.Floats { // proto2: not packed
			b = appendFloat(b, attrFloats, v)
		}
	case IntsAttribute:
		for _, v := range a.Ints {
			b = appendInt(b, attrInts, v)
		}
	case StringsAttribute:
		for _, v := range a.Strings {
			b = appendBytes(b, attrStrings, v)
		}
	case TensorsAttribute:
		for _, t := range a.Tensors {
			b = appendMessage(b, attrTensors, t.append)
		}
	case GraphsAttribute:
		for _, g := range a.Graphs {
			b = appendMessage(b, attrGraphs, g.append)
		}
	}
	return b
}

func (t *Tensor) append(b []byte) []byte {
	for _, d := range t.Dims {
		b = appendInt(b, tensorDims, d)
	}
	b = appendInt(b, tensorType, int64(t.Type))
	for _, s := range t.Strings {
		b = appendBytes(b, tensorStrings, s)
	}
	b = appendText(b, tensorName, t.Name)
	if t.Raw != nil && len(t.Strings) == 0 {
		b = appendBytes(b, tensorRaw, t.Raw)
	}
	b = appendText(b, tensorDoc, t.Doc)
	for _, p := range t.External {
		b = appendMessage(b, tensorExternal, p.append)
	}
	if t.Outside {
		b = appendInt(b, tensorLocation, 1)
	}
	return append(b, t.Unknown...)
}

func (v *Value) append(b []byte) []byte {
	b = appendText(b, valueName, v.Name)
	switch {
	case v.Other != nil:
		b = appendBytes(b, valueType, v.Other)
	case v.Elem != 0 || v.Shape != nil || v.typeTag != nil || v.elemTag != nil:
		b = appendMessage(b, valueType, v.appendType)
	}
	b = appendText(b, valueDoc, v.Doc)
	return append(b, v.Unknown...)
}

func (v *Value) appendType(b []byte) []byte {
	b = appendMessage(b, typeTensor, func(b []byte) []byte {
		b = appendInt(b, tensorTypeElem, int64(v.Elem))
		if v.Shape != nil {
			b = appendMessage(b, tensorTypeShape, func(b []byte) []byte {
				for _, d := range v.Shape {
					b = appendMessage(b, shapeDim, d.append)
				}
				return b
			})
		}
		return append(b, v.elemTag...)
	})
	return append(b, v.typeTag...)
}

func (d *Dim) append(b []byte) []byte {
	switch {
	case d.Param != "":
		b = appendText(b, dimParam, d.Param)
	case d.Size != -1: // a dimension of size -1 says nothing, and so does none
		b = appendInt(b, dimValue, d.Size)
	}
	return append(b, d.Unknown...)
}

func appendInt(b []byte, n protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v))
}

func appendNumber(b []byte, n protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return appendInt(b, n, v)
}

func appendFloat(b []byte, n protowire.Number, v float32) []byte {
	return binary.LittleEndian.AppendUint32(protowire.AppendTag(b, n, protowire.Fixed32Type), math.Float32bits(v))
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

// appendMessage writes the body in place and then moves it behind its length,
// so that nested messages are not built apart and copied at each level.
func appendMessage(b []byte, n protowire.Number, body func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, n, protowire.BytesType)
	start := len(b)
	b = body(b)
	size := len(b) - start
	var length [10]byte
	prefix := protowire.AppendVarint(length[:0], uint64(size))
	b = append(b, prefix...)
	copy(b[start+len(prefix):], b[start:start+size])
	copy(b[start:], prefix)
	return b
}
