package quant

import (
	"context"
	"fmt"
	"sync"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// Sample is one set of inputs of the model, by name.
type Sample []*onnx.Tensor

// Calibration is what was seen of a model's values.
type Calibration struct {
	seen map[string]*histogram
}

// Calibrate runs a prepared model on samples and watches the values that
// these options need.
func Calibrate(ctx context.Context, r infer.Runner, m *onnx.Model, o Options, samples []Sample) (*Calibration, error) {
	if len(samples) == 0 {
		return nil, fmt.Errorf("static quantization needs sample inputs")
	}
	names := Activations(m, o)
	c := &Calibration{seen: map[string]*histogram{}}
	for _, name := range names {
		c.seen[name] = &histogram{}
	}
	err := observe(ctx, r, m, names, samples, func(seen map[string]*glance) {
		for name, x := range seen {
			if h := c.seen[name]; h != nil {
				h.add(x)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		switch h := c.seen[name]; {
		case h.notNumbers > 0:
			return nil, fmt.Errorf("the value %q was infinite or no number for %d of %d samples: are the inputs "+
				"scaled as the model wants them?", name, h.notNumbers, len(samples))
		case h.samples == 0:
			return nil, fmt.Errorf("the value %q was never seen as 32-bit floats", name)
		}
	}
	return c, nil
}

// observe runs a model on samples and calls see with what was seen of the named
// values and of the inputs: sample by sample, and beside the next sample's run.
func observe(ctx context.Context, r infer.Runner, m *onnx.Model, names []string, samples []Sample,
	see func(map[string]*glance)) error {
	w := watch(m, names, samples[0])
	b, err := w.model.Marshal()
	if err != nil {
		return err
	}
	s, err := r.Open(ctx, b, infer.Options{})
	if err != nil {
		return fmt.Errorf("the model with its inner values as outputs: %w", err)
	}
	defer s.Close()
	var seeing sync.WaitGroup
	defer seeing.Wait()
	for _, sample := range samples {
		out, _, err := s.Run(ctx, sample)
		seeing.Wait()
		if err != nil {
			return err
		}
		seen, err := w.seen(out)
		if err != nil {
			return err
		}
		for _, t := range sample {
			if t.Type == onnx.Float32 {
				seen[t.Name] = &glance{numbers: t.Raw}
			}
		}
		seeing.Go(func() { see(seen) })
	}
	return nil
}

// Ranges are what the method chooses for every value.
func (c *Calibration) Ranges(m Method) map[string]Range {
	ranges := make(map[string]Range, len(c.seen))
	for name, h := range c.seen {
		ranges[name] = h.choose(m)
	}
	return ranges
}
