// Package train trains chexp's built-in model from scratch on drawn pictures
// (package plates). A training step, forward and every gradient, is an ONNX
// graph that the ordinary inference build of ONNX Runtime runs, so nothing but
// what the agent carries anyway is needed; the optimizer (AdamW) is in Go.
//
// It is pure Go: who runs the graphs is an interface, which the command
// agent/cmd/chexp-train fulfils. The same seed gives the same pictures in the
// same order, but not the same weights to the last bit: the runtime's sums
// depend on the processor and the number of threads.
package train

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"chexp/models/mobilenet"
	"chexp/models/plates"
)

// Runner runs an ONNX graph whose inputs and outputs all have fixed shapes.
type Runner interface {
	// Input is the memory of an input, which the caller fills; Output that of
	// an output, valid until the next Run. nil if there is none of the name.
	Input(name string) []float32
	Output(name string) []float32
	Run() error
	Close() error
}

// Open loads a graph.
type Open func(model []byte) (Runner, error)

// Phase is a part of the plan: pictures of one size.
type Phase struct{ Steps, Size, Batch int }

// Plan is everything that decides what is learnt.
type Plan struct {
	Seed      uint64
	Phases    []Phase
	Rate      float64 // the highest learning rate; it falls as a cosine over all steps
	Warmup    int     // steps in which it rises to that
	Decay     float64 // of weights
	Smoothing float64 // of labels
}

// Default is the plan by which the built-in weights were made.
func Default() Plan {
	return Plan{Seed: 1, Phases: []Phase{{1600, 64, 32}, {300, 128, 16}, {1600, 224, 8}},
		Rate: 4e-3, Warmup: 50, Decay: 0.02, Smoothing: 0.05}
}

func (p Plan) steps() (n int) {
	for _, phase := range p.Phases {
		n += phase.Steps
	}
	return n
}

// leadsTo reports whether a training by this plan may go on by another: if they
// differ in nothing but how long the last phase is.
func (p Plan) leadsTo(q Plan) bool {
	same := func(p Plan) string {
		p.Phases = append([]Phase(nil), p.Phases...)
		if n := len(p.Phases); n > 0 {
			p.Phases[n-1].Steps = 0
		}
		return fmt.Sprint(p)
	}
	return same(p) == same(q)
}

// rate of a step, counted from 0.
func (p Plan) rate(step int) float64 {
	if step < p.Warmup {
		return p.Rate * float64(step+1) / float64(p.Warmup)
	}
	return p.Rate * (1 + math.Cos(math.Pi*float64(step)/float64(p.steps()))) / 2
}

// Trainer is a training under way.
type Trainer struct {
	Net  mobilenet.Net
	Plan Plan
	Open Open
	// Log gets a line now and then.
	Log func(format string, args ...any)
	// Checkpoint is the file that the state is kept in, so that a training that
	// was cut off goes on where it was.
	Checkpoint string

	state state
}

// state is what a checkpoint holds.
type state struct {
	Plan       Plan
	Step       int // how many are done
	Pictures   int // how many were drawn for them
	Seconds    float64
	Parameters []*Parameter
}

// checkpointEvery bounds what a crash costs.
const checkpointEvery = time.Minute

// Run trains to the plan's end, or until ctx ends, and keeps the state either
// way.
func (t *Trainer) Run(ctx context.Context) error {
	if err := t.Load(); err != nil {
		return err
	}
	first := 0
	for _, phase := range t.Plan.Phases {
		if err := t.phase(ctx, phase, first); err != nil {
			return err
		}
		first += phase.Steps
	}
	return nil
}

func (t *Trainer) phase(ctx context.Context, phase Phase, first int) error {
	if t.state.Step >= first+phase.Steps {
		return nil
	}
	step, err := Step(t.Net, phase.Batch, phase.Size)
	if err != nil {
		return err
	}
	runner, err := t.Open(step)
	if err != nil {
		return fmt.Errorf("the training step for %d pictures of %d: %w", phase.Batch, phase.Size, err)
	}
	defer runner.Close()
	feed := newFeed(plates.Train, t.state.Pictures, phase, t.Net.Classes, t.Plan.Smoothing)
	defer feed.close()
	saved, begin, right, seen := time.Now(), time.Now(), 0, 0
	loss := 0.0
	for t.state.Step < first+phase.Steps {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, t.save())
		}
		batch := feed.next()
		l, err := t.step(runner, batch)
		if err != nil {
			return err
		}
		right += batch.right(runner.Output(outLogits), t.Net.Classes)
		seen += phase.Batch
		loss += l
		t.state.Step++
		t.state.Pictures += phase.Batch
		if t.state.Step%25 == 0 {
			t.Log("step %d of %d: %d pixels, loss %.3f, right %.1f %% of the last %d, %.2f s a step", t.state.Step, t.Plan.steps(),
				phase.Size, loss*float64(phase.Batch)/float64(seen), 100*float64(right)/float64(seen), seen, time.Since(begin).Seconds()*float64(phase.Batch)/float64(seen))
			t.state.Seconds += time.Since(begin).Seconds()
			right, seen, loss, begin = 0, 0, 0, time.Now()
		}
		if time.Since(saved) > checkpointEvery {
			if err := t.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return t.save()
}

// step runs one batch and moves every parameter.
func (t *Trainer) step(r Runner, batch batch) (loss float64, err error) {
	for _, p := range t.state.Parameters {
		copy(r.Input(p.Name), p.Value)
	}
	copy(r.Input(inPatches), batch.patches)
	copy(r.Input(inTargets), batch.targets)
	if err := r.Run(); err != nil {
		return 0, err
	}
	loss = float64(r.Output(outLoss)[0])
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, fmt.Errorf("the loss of step %d is %v: the learning rate is too high", t.state.Step+1, loss)
	}
	for _, p := range t.state.Parameters {
		p.adamW(r.Output(gradientOf+p.Name), t.Plan.rate(t.state.Step), t.Plan.Decay, t.state.Step+1)
	}
	return loss, nil
}

// Finish measures the batch normalisations' statistics over pictures of the
// net's own size, which the last phase has drawn none of, and folds them into
// the weights.
func (t *Trainer) Finish(batches, size int) (*mobilenet.Weights, error) {
	phase := Phase{Steps: batches, Size: t.Net.Size, Batch: size}
	forward, err := Forward(t.Net, phase.Batch, phase.Size)
	if err != nil {
		return nil, err
	}
	runner, err := t.Open(forward)
	if err != nil {
		return nil, err
	}
	defer runner.Close()
	feed := newFeed(plates.Train, t.state.Pictures, phase, t.Net.Classes, 0)
	defer feed.close()
	sums := make([]statistics, len(t.Net.Layers))
	for i, l := range t.Net.Layers {
		sums[i] = statistics{make([]float32, l.Out), make([]float32, l.Out)}
	}
	for range batches {
		b := feed.next()
		for _, p := range t.state.Parameters {
			copy(runner.Input(p.Name), p.Value)
		}
		copy(runner.Input(inPatches), b.patches)
		copy(runner.Input(inTargets), b.targets)
		if err := runner.Run(); err != nil {
			return nil, err
		}
		for i, l := range t.Net.Layers {
			for c := range l.Out {
				sums[i].mean[c] += runner.Output(meanOf + l.Name)[c] / float32(batches)
				sums[i].variance[c] += runner.Output(varianceOf + l.Name)[c] / float32(batches)
			}
		}
	}
	return t.fold(sums), nil
}

// fold turns each convolution and its normalisation into a convolution with a
// bias.
func (t *Trainer) fold(stats []statistics) *mobilenet.Weights {
	byName := map[string][]float32{}
	for _, p := range t.state.Parameters {
		byName[p.Name] = p.Value
	}
	w := &mobilenet.Weights{Head: mobilenet.Affine{Weight: byName[headWeight], Bias: byName[headBias]}}
	for i, l := range t.Net.Layers {
		a := mobilenet.Affine{Weight: make([]float32, l.Weights()), Bias: make([]float32, l.Out)}
		fan := l.FanIn()
		for c := range l.Out {
			scale := float64(byName[gammaOf(l)][c]) / math.Sqrt(float64(stats[i].variance[c])+epsilon)
			for j := c * fan; j < (c+1)*fan; j++ {
				a.Weight[j] = float32(float64(byName[l.Name][j]) * scale)
			}
			a.Bias[c] = float32(float64(byName[betaOf(l)][c]) - float64(stats[i].mean[c])*scale)
		}
		w.Layers = append(w.Layers, a)
	}
	return w
}

// Progress is how far the training is: steps, pictures drawn, and seconds.
func (t *Trainer) Progress() (steps, pictures int, seconds float64) {
	return t.state.Step, t.state.Pictures, t.state.Seconds
}

// Load takes the state from the checkpoint; without one the training is at its
// beginning.
func (t *Trainer) Load() error {
	t.state = state{Plan: t.Plan, Parameters: parameters(t.Net, t.Plan.Seed)}
	data, err := os.ReadFile(t.Checkpoint)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var saved state
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&saved); err != nil {
		return fmt.Errorf("checkpoint %s: %w; delete it to begin anew", t.Checkpoint, err)
	}
	if !saved.Plan.leadsTo(t.Plan) || len(saved.Parameters) != len(t.state.Parameters) {
		return fmt.Errorf("checkpoint %s is of another plan, %+v; delete it to begin anew", t.Checkpoint, saved.Plan)
	}
	saved.Plan = t.Plan
	for i, p := range saved.Parameters {
		p.decays = t.state.Parameters[i].decays
	}
	t.state = saved
	t.Log("going on after step %d", saved.Step)
	return nil
}

func (t *Trainer) save() error {
	if t.Checkpoint == "" {
		return nil
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(t.state); err != nil {
		return err
	}
	if err := os.WriteFile(t.Checkpoint+".new", b.Bytes(), 0o666); err != nil {
		return err
	}
	return os.Rename(t.Checkpoint+".new", t.Checkpoint)
}
