package train

import (
	"math"
	"strings"

	"chexp/models/mobilenet"
)

// Slope is one parameter's derivative of the loss in the direction of its
// gradient: as the gradient says it, and as two evaluations of the loss do.
type Slope struct {
	Parameter            string
	Gradient, Difference float64
}

// CheckGradients compares every gradient of a step with differences of the
// loss: a graph of gradients that is wrong somewhere still learns, only worse.
// It is for tests, which are where a Runner is: with agent/cmd/chexp-train.
//
// A difference crosses some of the corners that ReLU6 has, and is off by that.
// With inner, the normalised values are moved to the middle between the corners,
// where nearly none is crossed; the corners themselves are then not exercised.
func CheckGradients(open Open, net mobilenet.Net, batchSize, size int, seed uint64, inner bool) ([]Slope, error) {
	step, err := Step(net, batchSize, size)
	if err != nil {
		return nil, err
	}
	r, err := open(step)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	list := parameters(net, seed)
	for _, p := range list { // off the symmetric start, where gammas are 1 and betas 0
		for i := range p.Value {
			p.Value[i] += 0.2 * float32(math.Sin(float64(i)+float64(len(p.Name))))
			if inner && strings.HasSuffix(p.Name, ".gamma") {
				p.Value[i] *= 0.6
			} else if inner && strings.HasSuffix(p.Name, ".beta") {
				p.Value[i] += 3
			}
		}
		copy(r.Input(p.Name), p.Value)
	}
	b := drawBatch("gradients", 0, Phase{1, size, batchSize}, net.Classes, 0.05)
	copy(r.Input(inPatches), b.patches)
	copy(r.Input(inTargets), b.targets)
	if err := r.Run(); err != nil {
		return nil, err
	}
	gradients := map[string][]float32{} // Run writes over the outputs
	for _, p := range list {
		gradients[p.Name] = append([]float32(nil), r.Output(gradientOf+p.Name)...)
	}
	var slopes []Slope
	for _, p := range list {
		slope, err := slopeAlong(r, p, gradients[p.Name])
		if err != nil {
			return nil, err
		}
		slopes = append(slopes, slope)
	}
	return slopes, nil
}

// slopeAlong moves one parameter up and down along its gradient g.
func slopeAlong(r Runner, p *Parameter, g []float32) (Slope, error) {
	norm := 0.0
	for _, v := range g {
		norm += float64(v) * float64(v)
	}
	norm = math.Max(math.Sqrt(norm), 1e-12)
	// So far that the loss changes by 1/500, which is above the rounding
	// of its sums.
	reach := math.Min(0.001/norm, 0.02)
	at := func(sign float64) (float64, error) {
		for i, v := range p.Value {
			r.Input(p.Name)[i] = v + float32(sign*reach*float64(g[i])/norm)
		}
		err := r.Run()
		return float64(r.Output(outLoss)[0]), err
	}
	up, err := at(1)
	if err != nil {
		return Slope{}, err
	}
	down, err := at(-1)
	if err != nil {
		return Slope{}, err
	}
	copy(r.Input(p.Name), p.Value)
	return Slope{p.Name, norm, (up - down) / (2 * reach)}, nil
}
