//go:build cgo

package ort

/*
#include <stdlib.h>
#include <string.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"chexp/agent/internal/reason"
	"chexp/experiments/input"
	format "chexp/models/onnx"
)

// values are tensors over memory in C, which stay where they are until they are
// released. The zero value but lib is ready to use.
type values struct {
	lib    *Library
	list   []C.value
	memory []unsafe.Pointer
}

// make makes a tensor of the type over zeroed memory, which it returns; a tensor of
// strings has none that can be written to.
func (v *values) make(t input.Type, shape []int64) (made C.value, data []byte, err error) {
	n := format.Elements(shape)
	const most = 1 << 30 // a model that asks for more is refused before the memory is
	if n < 0 || n > most || !t.Known() {
		return nil, nil, fmt.Errorf("the shape %v of %s is too large, or the type is not known", shape, t)
	}
	dims := (*C.int64_t)(unsafe.SliceData(shape))
	if t == input.Text {
		err = take(C.chexp_text_tensor(v.lib.api, dims, C.size_t(len(shape)), &made))
	} else {
		size := n * int64(t.Bytes())
		// 64: a cache line, and the widest vector that the runtime uses.
		memory := C.aligned_alloc(64, C.size_t(max(64, (size+63)&^63)))
		if memory == nil {
			return nil, nil, reason.Errorf(reason.OutOfMemory, "no memory for a tensor of %d bytes", size).
				Advise("lower the batch")
		}
		v.memory = append(v.memory, memory)
		data = unsafe.Slice((*byte)(memory), size)
		clear(data)
		err = take(C.chexp_tensor(v.lib.api, C.int(t.Number()), dims, C.size_t(len(shape)), memory, C.size_t(size), &made))
	}
	if err == nil {
		v.list = append(v.list, made)
	}
	return made, data, err
}

// setText gives a tensor of strings its texts.
func (v *values) setText(tensor C.value, texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	list := make([]*C.char, len(texts))
	for i, s := range texts {
		list[i] = C.CString(s)
	}
	defer func() {
		for _, s := range list {
			C.free(unsafe.Pointer(s))
		}
	}()
	array := (**C.char)(C.malloc(C.size_t(len(list)) * C.size_t(unsafe.Sizeof(list[0]))))
	defer C.free(unsafe.Pointer(array))
	copy(unsafe.Slice(array, len(list)), list)
	return take(C.chexp_fill_text(v.lib.api, tensor, array, C.size_t(len(list))))
}

func (v *values) release() {
	for _, x := range v.list {
		C.chexp_release_value(v.lib.api, x)
	}
	for _, m := range v.memory {
		C.free(m)
	}
	v.list, v.memory = nil, nil
}

// bindTo binds a value to an input or an output of the model.
func (l *Library) bindTo(binding unsafe.Pointer, name string, v C.value, output bool) error {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	var which C.int
	if output {
		which = 1
	}
	return take(C.chexp_bind(l.api, binding, c, v, which))
}

// bindFree lets the runtime allocate an output at the next inference.
func (l *Library) bindFree(binding unsafe.Pointer, name string) error {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return take(C.chexp_bind_output(l.api, binding, c))
}

// output is a bound output after a run: one tensor, or those that a sequence or a
// map holds, one after the other, with their place in the name.
func (l *Library) output(binding unsafe.Pointer, index int, name string) ([]*format.Tensor, error) {
	var v C.value
	if err := take(C.chexp_bound_output(l.api, binding, C.size_t(index), &v)); err != nil {
		return nil, err
	}
	defer C.chexp_release_value(l.api, v)
	most := maxParts
	return l.read(v, name, &most)
}

// maxParts bounds the tensors of one output.
const maxParts = 100_000

// read copies a value into Go's memory. Both processors that the agent is built
// for are little endian, as ONNX is.
func (l *Library) read(v C.value, name string, most *int) (list []*format.Tensor, err error) {
	var d C.chexp_value
	if err := take(C.chexp_describe(l.api, v, &d)); err != nil {
		return nil, err
	}
	if *most--; *most < 0 {
		return nil, errors.New("it holds too many values")
	}
	const tensor, sequence, dictionary = 1, 2, 3
	switch d.kind {
	case tensor:
		t, err := l.tensor(v, &d, name)
		return []*format.Tensor{t}, err
	case sequence, dictionary:
		for i := range int(d.parts) {
			var part C.value
			if err := take(C.chexp_part(l.api, v, C.int(i), &part)); err != nil {
				return nil, err
			}
			label := fmt.Sprintf("%s[%d]", name, i)
			if d.kind == dictionary {
				label = name + []string{".keys", ".values"}[min(i, 1)]
			}
			more, err := l.read(part, label, most)
			C.chexp_release_value(l.api, part)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
		return list, nil
	}
	return nil, fmt.Errorf("it is neither a tensor nor a sequence or a map (ONNX Runtime's kind %d)", int(d.kind))
}

func (l *Library) tensor(v C.value, d *C.chexp_value, name string) (*format.Tensor, error) {
	t := &format.Tensor{Name: name, Type: format.DataType(d._type), Dims: []int64{}}
	for i := range int(d.rank) {
		t.Dims = append(t.Dims, int64(d.dim[i]))
	}
	n := int(d.elements)
	if t.Type == format.Text {
		return t, l.texts(v, t, n, int(d.text))
	}
	size := t.Bytes()
	if size < 0 {
		return nil, fmt.Errorf("values of %v are not read here", t.Type)
	}
	if t.Raw = make([]byte, size); size > 0 {
		copy(t.Raw, unsafe.Slice((*byte)(d.data), size))
	}
	return t, nil
}

func (l *Library) texts(v C.value, t *format.Tensor, n, size int) error {
	if n == 0 {
		return nil
	}
	data, begins := make([]byte, size+1), make([]C.size_t, n)
	err := take(C.chexp_texts(l.api, v, unsafe.Pointer(&data[0]), C.size_t(size), &begins[0], C.size_t(n)))
	if err != nil {
		return err
	}
	for i, b := range begins {
		end := size
		if i+1 < n {
			end = int(begins[i+1])
		}
		t.Strings = append(t.Strings, append([]byte{}, data[int(b):end]...))
	}
	return nil
}
