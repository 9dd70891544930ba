package train

import (
	"bytes"
	"math"
	"testing"

	"chexp/models/mobilenet"
	"chexp/models/onnx"
	"chexp/models/plates"
)

// The first step of Adam has the length of the rate, whatever the gradient's;
// many steps find a parabola's lowest point; decay alone shrinks.
func TestAdamW(t *testing.T) {
	p := &Parameter{Value: []float32{1, -2}, First: make([]float32, 2), Second: make([]float32, 2)}
	p.adamW([]float32{1e-3, 5}, 0.1, 0, 1)
	if math.Abs(float64(p.Value[0])-0.9) > 1e-4 || math.Abs(float64(p.Value[1])+2.1) > 1e-4 {
		t.Errorf("after the first step: %v", p.Value)
	}
	for step := 2; step <= 2000; step++ {
		p.adamW([]float32{2 * (p.Value[0] - 3), 20 * (p.Value[1] - 7)}, 0.05, 0, step)
	}
	if math.Abs(float64(p.Value[0])-3) > 0.01 || math.Abs(float64(p.Value[1])-7) > 0.01 {
		t.Errorf("the lowest point is 3, 7; found %v", p.Value)
	}
	d := &Parameter{Value: []float32{1}, First: make([]float32, 1), Second: make([]float32, 1), decays: true}
	d.adamW([]float32{0}, 0.1, 0.02, 1)
	if math.Abs(float64(d.Value[0])-0.998) > 1e-6 {
		t.Errorf("decayed to %v, want 0.998", d.Value[0])
	}
	d.decays = false
	d.adamW([]float32{0}, 0.1, 0.02, 2)
	if math.Abs(float64(d.Value[0])-0.998) > 1e-6 {
		t.Errorf("a bias decayed to %v", d.Value[0])
	}
}

func TestRateRisesAndFalls(t *testing.T) {
	p := Default()
	if p.rate(0) > p.Rate/10 || math.Abs(p.rate(p.Warmup-1)-p.Rate) > 1e-12 {
		t.Errorf("warm-up from %v to %v", p.rate(0), p.rate(p.Warmup-1))
	}
	for step := p.Warmup + 1; step < p.steps(); step++ {
		if p.rate(step) >= p.rate(step-1) && step > p.Warmup+1 {
			t.Fatalf("the rate rises in step %d", step)
		}
	}
	if last := p.rate(p.steps() - 1); last > p.Rate/1e4 || last < 0 {
		t.Errorf("it ends with %v", last)
	}
}

func TestStepIsOneValidGraph(t *testing.T) {
	net := mobilenet.V2(plates.Classes)
	data, err := Step(net, 2, 64)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := Step(net, 2, 64); !bytes.Equal(data, again) {
		t.Error("two graphs of the same step differ")
	}
	m, err := onnx.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	// Patches, targets, three parameters for each layer and two of the head;
	// loss, logits, a gradient for each parameter, two statistics a layer.
	layers := len(net.Layers)
	if in, out := len(m.Graph.Inputs), len(m.Graph.Outputs); in != 2+3*layers+2 || out != 2+3*layers+2+2*layers {
		t.Errorf("%d inputs, %d outputs for %d layers", in, out, layers)
	}
}

// The patches are those that a 3×3 convolution with stride 2 and padding 1 sees.
func TestCut(t *testing.T) {
	const size, n = 6, 2
	planes := make([]float32, 3*size*size)
	for i := range planes {
		planes[i] = float32(i + 1)
	}
	patches := make([]float32, 27*n*9)
	cut(patches, planes, 1, n, size)
	at := func(ch, ky, kx, y, x int) float32 { return patches[((ch*9+ky*3+kx)*n+1)*9+y*3+x] }
	pixel := func(ch, y, x int) float32 {
		if y < 0 || x < 0 || y >= size || x >= size {
			return 0
		}
		return planes[(ch*size+y)*size+x]
	}
	for ch := range 3 {
		for k := range 9 {
			for o := range 9 {
				y, x := o/3, o%3
				if got, want := at(ch, k/3, k%3, y, x), pixel(ch, 2*y+k/3-1, 2*x+k%3-1); got != want {
					t.Fatalf("channel %d, tap %d, output %d: %v, want %v", ch, k, o, got, want)
				}
			}
		}
	}
	for row := range 27 {
		for o := range 9 {
			if patches[row*n*9+o] != 0 {
				t.Fatal("another picture's patches were written")
			}
		}
	}
}

func TestBatchIsBalancedAndSmoothed(t *testing.T) {
	b := drawBatch("x", 5, Phase{1, 32, 22}, plates.Classes, 0.05)
	count := make([]int, plates.Classes)
	for i, l := range b.labels {
		count[l]++
		sum := float32(0)
		for k := range plates.Classes {
			sum += b.targets[k*22+i]
		}
		if math.Abs(float64(sum)-1) > 1e-5 || b.targets[l*22+i] < 0.9 {
			t.Errorf("picture %d: targets add up to %v", i, sum)
		}
	}
	for k, c := range count {
		if c != 2 {
			t.Errorf("%d pictures of %s", c, plates.Kinds[k])
		}
	}
	if b.right(b.targets, plates.Classes) != 22 {
		t.Error("the targets themselves are not all right")
	}
}
