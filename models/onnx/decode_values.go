package onnx

import "encoding/binary"

func (d *decoder) value(b []byte) *Value {
	v := &Value{}
	v.Unknown = d.each("value", b, func(x field) bool {
		switch x.number {
		case valueName:
			v.Name = d.text(x)
		case valueType:
			d.valueType(d.bytes(x), v)
		case valueDoc:
			v.Doc = d.text(x)
		default:
			return false
		}
		return true
	})
	return v
}

func (d *decoder) valueType(b []byte, v *Value) {
	tensor := false
	v.typeTag = d.each("type", b, func(x field) bool {
		if x.number != typeTensor {
			return false
		}
		if tensor {
			d.fail("value %q has two types", v.Name)
		}
		tensor = true
		v.elemTag = d.each("tensor type", d.bytes(x), func(x field) bool {
			switch x.number {
			case tensorTypeElem:
				v.Elem = DataType(d.int(x))
			case tensorTypeShape:
				if v.Shape != nil {
					d.fail("value %q has two shapes", v.Name)
				}
				v.Shape = d.shape(d.bytes(x))
			default:
				return false
			}
			return true
		})
		return true
	})
	if !tensor {
		v.typeTag, v.Other = nil, b
	}
}

func (d *decoder) shape(b []byte) []Dim {
	shape := []Dim{}
	unknown := d.each("shape", b, func(x field) bool {
		if x.number != shapeDim {
			return false
		}
		dim := Dim{Size: -1}
		dim.Unknown = d.each("dimension", d.bytes(x), func(x field) bool {
			switch x.number {
			case dimValue:
				dim.Size = d.int(x)
			case dimParam:
				dim.Param = d.text(x)
			default:
				return false
			}
			return true
		})
		shape = append(shape, dim)
		return true
	})
	if len(unknown) > 0 {
		// TensorShapeProto has never had another field; keeping it would need
		// a place in every shape.
		d.fail("a shape holds something else than dimensions")
	}
	return shape
}

func (d *decoder) tensor(b []byte) *Tensor {
	t := &Tensor{}
	var floats, doubles, raw []byte
	var int32s, int64s []int64
	t.Unknown = d.each("tensor", b, func(x field) bool {
		switch x.number {
		case tensorDims:
			t.Dims = d.ints(x, t.Dims)
		case tensorType:
			t.Type = DataType(d.int(x))
		case tensorFloats:
			floats = d.fixed(x, 4, floats)
		case tensorInt32s:
			int32s = d.ints(x, int32s)
		case tensorStrings:
			d.objects--
			t.Strings = append(t.Strings, d.bytes(x))
		case tensorInt64s, tensorUint64s:
			int64s = d.ints(x, int64s)
		case tensorName:
			t.Name = d.text(x)
		case tensorRaw:
			raw = d.bytes(x)
		case tensorDoubles:
			doubles = d.fixed(x, 8, doubles)
		case tensorDoc:
			t.Doc = d.text(x)
		case tensorExternal:
			t.External = append(t.External, d.property(d.bytes(x)))
		case tensorLocation:
			t.Outside = d.int(x) == 1
		default:
			return false
		}
		return true
	})
	filled := 0
	for _, n := range []int{len(raw), len(floats), len(doubles), len(int32s), len(int64s), len(t.Strings)} {
		if n > 0 {
			filled++
		}
	}
	if filled > 1 {
		d.fail("tensor %q holds its values twice", t.Name)
		return t
	}
	switch {
	case raw != nil:
		t.Raw = raw
	case floats != nil:
		t.Raw = floats
	case doubles != nil:
		t.Raw = doubles
	case int32s != nil:
		t.Raw = d.narrow(t, int32s)
	case int64s != nil:
		t.Raw = d.wide(t, int64s)
	}
	return t
}

// narrow packs int32_data, which holds every type of up to 32 bits in numbers
// of its own: 16-bit floats by their bits, 4-bit values two in each.
func (d *decoder) narrow(t *Tensor, values []int64) []byte {
	width := (types[t.Type].bits + 7) / 8
	if width == 0 || width == 3 || width > 4 {
		d.fail("tensor %q of %v holds int32_data", t.Name, t.Type)
		return nil
	}
	raw := make([]byte, 0, int(width)*len(values))
	for _, v := range values {
		switch width {
		case 1:
			raw = append(raw, byte(v))
		case 2:
			raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
		default:
			raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
		}
	}
	return raw
}

// wide packs int64_data and uint64_data; uint32 is in the latter.
func (d *decoder) wide(t *Tensor, values []int64) []byte {
	if t.Type != Int64 && t.Type != Uint64 && t.Type != Uint32 {
		d.fail("tensor %q of %v holds int64_data or uint64_data", t.Name, t.Type)
		return nil
	}
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		if t.Type == Uint32 {
			raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
		} else {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
	}
	return raw
}
