package mobilenet

import (
	"math"
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
	if len(n.Layers) != 52 || adds != 10 || relus != 35 || weights != 2189760 || biases != 17056 || n.Features() != 1280 {
		t.Errorf("%d layers, %d additions, %d ReLU6, %d weights, %d biases", len(n.Layers), adds, relus, weights, biases)
	}
}

// Every binary16 number is its own.
func TestHalfIsExactOnItsOwnNumbers(t *testing.T) {
	for h := range 1 << 16 {
		if h&0x7c00 == 0x7c00 {
			continue // infinities and NaN, which weights are not
		}
		v := fromHalf(uint16(h))
		back, err := toHalf(v)
		if err != nil || back != uint16(h) {
			t.Fatalf("%04x is %v is %04x (%v)", h, v, back, err)
		}
	}
	for v, want := range map[float32]float32{
		1 + 1.0/2048: 1, 1 + 3.0/2048: 1 + 4.0/2048, 0.1: 0.099975586, 65519: 65504, 1e-8: 0, 3e-8: 5.9604645e-8,
		1.0/(1<<14) - 1e-9: 1.0 / (1 << 14), -2.0009766: -2,
	} {
		h, err := toHalf(v)
		if got := fromHalf(h); err != nil || got != want {
			t.Errorf("%v becomes %v, want %v (%v)", v, got, want, err)
		}
	}
	for _, v := range []float32{65520, float32(math.Inf(-1)), float32(math.NaN())} {
		if h, err := toHalf(v); err == nil {
			t.Errorf("%v becomes %04x", v, h)
		}
	}
}

func TestWeightsComeBack(t *testing.T) {
	n := New(32, 8, []Stage{{1, 8, 1, 1}, {2, 8, 2, 2}}, 16, 3)
	w := &Weights{}
	fill := func(weights, biases int) Affine {
		a := Affine{make([]float32, weights), make([]float32, biases)}
		for i := range a.Weight {
			a.Weight[i] = float32(i%17)/16 - 0.5
		}
		for i := range a.Bias {
			a.Bias[i] = float32(i) * 0.1
		}
		return a
	}
	for _, l := range n.Layers {
		w.Layers = append(w.Layers, fill(l.Weights(), l.Out))
	}
	w.Head = fill(n.Classes*n.Features(), n.Classes)
	data, err := n.Half(w)
	if err != nil {
		t.Fatal(err)
	}
	back, err := n.FromHalf(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.Layers {
		for j, v := range w.Layers[i].Weight {
			if back.Layers[i].Weight[j] != v {
				t.Fatalf("layer %d weight %d: %v, was %v", i, j, back.Layers[i].Weight[j], v)
			}
		}
	}
	if back.Head.Bias[2] != w.Head.Bias[2] {
		t.Error("a bias changed")
	}
	for _, bad := range [][]byte{data[:len(data)-1], append(data, 0), nil} {
		if _, err := n.FromHalf(bad); err == nil {
			t.Errorf("%d bytes were read as %d", len(bad), len(data))
		}
	}
	w.Layers[0].Bias = nil
	if _, err := Build(n, w, Info{}); err == nil {
		t.Error("a model was built of weights that do not fit")
	}
}
