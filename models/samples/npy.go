package samples

import (
	"encoding/binary"
	"fmt"
	"math"

	"chexp/models/arrays"
	"chexp/models/onnx"
)

// array reads a NumPy array of the input's shape, with or without the batch
// of 1 in front. It is given to the model as it is.
func array(b []byte, dims []int64) (*onnx.Tensor, error) {
	a, err := arrays.Parse(b)
	if err != nil {
		return nil, err
	}
	shape := a.Shape
	if len(shape) == len(dims)-1 {
		shape = append([]int64{1}, shape...)
	}
	if fmt.Sprint(shape) != fmt.Sprint(dims) {
		return nil, fmt.Errorf("an array of shape %v, but the model takes %v", shape, dims)
	}
	if a, err = a.To("float32"); err != nil {
		return nil, err
	}
	values := make([]float32, len(a.Data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))
	}
	return onnx.FloatTensor("", dims, values), nil
}
