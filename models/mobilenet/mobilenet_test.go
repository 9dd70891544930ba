package mobilenet

import (
	"encoding/binary"
	"math"
	"reflect"
	"testing"
)

func TestV2IsThePapers(t *testing.T) {
	n := V2(11)
	adds, relus, weights, biases := 0, 0, 0, 0
	for i, l := range n.Layers {
		if l.Add >= 0 {
			adds++
			if n.Layers[l.Add].In != l.Out {
				t.Errorf("%s adds %d channels to %d", l.Name, n.Layers[l.Add].In, l.Out)
			}
		}
		if l.ReLU6 {
			relus++
		}
		if i > 0 && l.In != n.Layers[i-1].Out {
			t.Errorf("%s takes %d channels of %d", l.Name, l.In, n.Layers[i-1].Out)
		}
		weights += l.Weights()
		biases += l.Out
	}
	if len(n.Layers) != 52 || adds != 10 || relus != 35 || weights != 2189760 || biases != 17056 ||
		n.Features() != 1280 {
		t.Errorf("%d layers, %d additions, %d ReLU6, %d weights, %d biases", len(n.Layers), adds, relus, weights,
			biases)
	}
}

// IEEE 754: a normal binary16 is (1024 + mantissa) × 2^(exponent-25), a subnormal
// one mantissa × 2^-24.
func TestHalfIsExact(t *testing.T) {
	for h := range 1 << 16 {
		exponent, mantissa := h>>10&31, float64(h&1023)
		if exponent == 31 {
			continue // infinities and NaN, which weights are not
		}
		want := math.Ldexp(mantissa, -24)
		if exponent > 0 {
			want = math.Ldexp(1024+mantissa, exponent-25)
		}
		want = math.Copysign(want, 1-2*float64(h>>15))
		if got := float64(fromHalf(uint16(h))); got != want || math.Signbit(got) != math.Signbit(want) {
			t.Fatalf("%04x is %v, want %v", h, got, want)
		}
	}
}

func TestFromHalf(t *testing.T) {
	n := New(32, 8, []Stage{{1, 8, 1, 1}, {2, 8, 2, 2}}, 16, 3)
	want, data := &Weights{}, []byte(nil)
	half := []uint16{0x3800, 0xb400, 0x3c00} // 0.5, -0.25, 1
	value := []float32{0.5, -0.25, 1}
	add := func(weights, biases int) (a Affine) {
		for i := range weights {
			a.Weight = append(a.Weight, value[i%3])
			data = binary.LittleEndian.AppendUint16(data, half[i%3])
		}
		for i := range biases {
			a.Bias = append(a.Bias, float32(i)*0.1)
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(a.Bias[i]))
		}
		return a
	}
	for _, l := range n.Layers {
		want.Layers = append(want.Layers, add(l.Weights(), l.Out))
	}
	want.Head = add(n.Classes*n.Features(), n.Classes)
	got, err := n.FromHalf(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the weights are not those in the file")
	}
	for _, bad := range [][]byte{data[:len(data)-1], append(data, 0), nil} {
		if _, err := n.FromHalf(bad); err == nil {
			t.Errorf("%d bytes were read as %d", len(bad), len(data))
		}
	}
	got.Layers[0].Bias = nil
	if _, err := Build(n, got, Info{}); err == nil {
		t.Error("a model was built of weights that do not fit")
	}
}
