package train

import (
	"math"
	"math/rand/v2"

	"chexp/models/mobilenet"
)

const headWeight, headBias = "head.weight", "head.bias"

func gammaOf(l mobilenet.Layer) string { return l.Name + ".gamma" }
func betaOf(l mobilenet.Layer) string  { return l.Name + ".beta" }

// Parameter is one trained tensor, with AdamW's two moments.
type Parameter struct {
	Name          string
	Value         []float32
	First, Second []float32
	decays        bool // weights do; biases and normalisations do not
}

// statistics of one layer's batch normalisation, averaged over batches.
type statistics struct{ mean, variance []float32 }

// parameters draws a net's first weights: He's normal distribution for what a
// ReLU6 follows, half its variance for the rest.
func parameters(net mobilenet.Net, seed uint64) []*Parameter {
	rng := rand.New(rand.NewPCG(seed, 0x7472 /* "tr" */))
	var list []*Parameter
	add := func(name string, n int, decays bool, value func() float32) {
		p := &Parameter{Name: name, Value: make([]float32, n), First: make([]float32, n), Second: make([]float32, n), decays: decays}
		for i := range p.Value {
			p.Value[i] = value()
		}
		list = append(list, p)
	}
	normal := func(variance float64) func() float32 {
		deviation := math.Sqrt(variance)
		return func() float32 { return float32(rng.NormFloat64() * deviation) }
	}
	zero, one := func() float32 { return 0 }, func() float32 { return 1 }
	for _, l := range net.Layers {
		gain := 1.0
		if l.ReLU6 {
			gain = 2
		}
		add(l.Name, l.Weights(), true, normal(gain/float64(l.FanIn())))
		add(gammaOf(l), l.Out, false, one)
		add(betaOf(l), l.Out, false, zero)
	}
	add(headWeight, net.Classes*net.Features(), true, normal(1/float64(net.Features())))
	add(headBias, net.Classes, false, zero)
	return list
}

// adamW moves a parameter against its gradient (Loshchilov and Hutter 2019).
// step counts from 1.
func (p *Parameter) adamW(gradient []float32, rate, decay float64, step int) {
	const beta1, beta2, tiny = 0.9, 0.999, 1e-8
	if !p.decays {
		decay = 0
	}
	c1 := 1 / (1 - math.Pow(beta1, float64(step)))
	c2 := 1 / (1 - math.Pow(beta2, float64(step)))
	for i, g := range gradient {
		m := beta1*p.First[i] + (1-beta1)*g
		v := beta2*p.Second[i] + (1-beta2)*g*g
		p.First[i], p.Second[i] = m, v
		move := rate * (float64(m) * c1 / (math.Sqrt(float64(v)*c2) + tiny))
		p.Value[i] -= float32(move + rate*decay*float64(p.Value[i]))
	}
}
