package quant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// Request is a quantization with what is needed to choose well.
type Request struct {
	Float   *onnx.Model // as Prepare returns it
	Options Options
	Method  Method
	Runner  infer.Runner
	// Session is how candidates are run, so that this machine computes as the
	// target will (infer.Exact).
	Session infer.Options
	// Samples calibrate; every third is held back to choose the method, and to
	// judge where Evaluation is empty.
	Samples    []Sample
	Labels     []int
	Evaluation []Sample
	EvalLabels []int
	// MaxDrop is how much may be lost on the evaluation: of accuracy where
	// there are labels, else of agreement with the float model. Negative: any.
	MaxDrop  float64
	Progress func(format string, args ...any)
	weights  rounding // once for all the models that are tried
}

// MethodResult is one line of the table of range methods.
type MethodResult struct {
	Method   Method    `json:"method"`
	HeldBack Judgement `json:"held_back"`
	Chosen   bool      `json:"chosen"`
}

// Step is a point on the way back: how much is in float, and what that gives.
type Step struct {
	Excluded  []string  `json:"excluded"`
	Bytes     int       `json:"bytes"`
	Judgement Judgement `json:"judgement"`
	Drop      float64   `json:"drop"`
	// IntegerShare is the share of multiply-adds that are on integers, -1 if
	// unknown.
	IntegerShare float64 `json:"integer_share"`
	// Estimate is how long an inference would take on this machine, between
	// what the float model and the one with all on integers were seen to take,
	// by the share; 0 if unknown.
	Estimate time.Duration `json:"estimate_ns_here"`
}

// Sensitivity is what quantizing one product alone costs.
type Sensitivity struct {
	Node string  `json:"node"`
	Op   string  `json:"op"`
	SQNR float64 `json:"sqnr_db"`
}

// Result is a quantized model and how it was chosen.
type Result struct {
	Model       *onnx.Model    `json:"-"`
	Options     Options        `json:"-"`
	Method      Method         `json:"method,omitempty"`
	Methods     []MethodResult `json:"methods,omitempty"`
	Float       Judgement      `json:"float"`
	Judgement   Judgement      `json:"judgement"`
	Sensitivity []Sensitivity  `json:"sensitivity,omitempty"`
	Frontier    []Step         `json:"frontier,omitempty"`
	FloatTime   time.Duration  `json:"float_ns_here"`
	Excluded    []string       `json:"excluded,omitempty"`
	Halves      *Halves        `json:"-"` // of a float16 model
	// Emit is how long writing the model took, without calibration.
	Emit    time.Duration `json:"emit_ns"`
	rounded time.Duration // of it, the weights: once for all candidates
}

// every third sample is held back.
const holdBack = 3

func divide[T any](list []T) (used, held []T) {
	for i, x := range list {
		if i%holdBack == holdBack-1 {
			held = append(held, x)
		} else {
			used = append(used, x)
		}
	}
	return used, held
}

// Run quantizes.
func (q Request) Run(ctx context.Context) (*Result, error) {
	if q.Options.Mode == Half {
		return q.runHalf(ctx)
	}
	if err := Nothing(q.Float, q.Options); err != nil {
		return nil, err
	}
	used, held := divide(q.Samples)
	_, heldLabels := divide(q.Labels)
	if len(held) == 0 {
		return nil, fmt.Errorf("%d samples are too few: at least %d are needed, of which one is held back to choose "+
			"and judge",
			len(q.Samples), holdBack)
	}
	ref, err := NewReference(ctx, q.Runner, q.Session, q.Float, held, heldLabels)
	if err != nil {
		return nil, err
	}
	res := &Result{Options: q.Options}
	begin := time.Now()
	if q.weights, err = roundAll(q.Float, q.Options); err != nil {
		return nil, err
	}
	res.rounded = time.Since(begin)
	var ranges map[string]Range
	if q.Options.Mode != Dynamic {
		q.say("calibrating on %d samples", len(used))
		c, err := Calibrate(ctx, q.Runner, q.Float, q.Options, used)
		if err != nil {
			return nil, err
		}
		if ranges, err = q.chooseMethod(ctx, ref, c, res); err != nil {
			return nil, err
		}
	}
	if len(q.Evaluation) > 0 {
		if ref, err = NewReference(ctx, q.Runner, q.Session, q.Float, q.Evaluation, q.EvalLabels); err != nil {
			return nil, err
		}
	}
	res.Float = ref.Float
	return res, q.backOff(ctx, ref, ranges, res)
}

func (q Request) say(format string, args ...any) {
	if q.Progress != nil {
		q.Progress(format, args...)
	}
}

// emit writes the model with these nodes in float besides those of the
// options.
func (q Request) emit(ranges map[string]Range, exclude []string) (*onnx.Model, error) {
	o := q.Options
	o.Exclude = slices.Concat(o.Exclude, exclude)
	if o.Mode == Dynamic {
		return dynamicModel(q.Float, o, q.weights)
	}
	return staticModel(q.Float, ranges, o, q.weights)
}

// backOff leaves more and more nodes in float, the most sensitive first, until
// the drop is inside what may be lost.
func (q Request) backOff(ctx context.Context, ref *Reference, ranges map[string]Range, res *Result) error {
	if q.MaxDrop >= 0 && !ref.Kind.Classes {
		return fmt.Errorf("what is lost is counted in answers, and the first output is no list of classes (%s): leave the "+
			"limit out", ref.Kind.Why)
	}
	var order, excluded []string
	var whole time.Duration // of the model with all on integers
	for {
		begin := time.Now()
		m, err := q.emit(ranges, excluded)
		if err != nil {
			return err
		}
		res.Emit = res.rounded + time.Since(begin)
		j, known := res.judged(q, excluded)
		if !known {
			if j, err = ref.Judge(ctx, m); err != nil {
				return err
			}
		}
		b, err := m.Marshal()
		if err != nil {
			return err
		}
		step := Step{Excluded: slices.Clone(excluded), Bytes: len(b), Judgement: j, Drop: drop(ref.Float, j),
			IntegerShare: integerShare(m)}
		if excluded == nil {
			if res.FloatTime, whole, err = q.times(ctx, ref, m); err != nil {
				return err
			}
		}
		if full := append(res.Frontier, step)[0].IntegerShare; full > 0 && step.IntegerShare >= 0 {
			step.Estimate = res.FloatTime + time.Duration(float64(whole-res.FloatTime)*step.IntegerShare/full)
		}
		res.Frontier = append(res.Frontier, step)
		res.Model, res.Judgement, res.Excluded = m, j, step.Excluded
		if q.MaxDrop < 0 || step.Drop <= q.MaxDrop {
			return nil
		}
		if order == nil {
			if order, err = q.bySensitivity(ctx, ref, ranges, res); err != nil {
				return err
			}
		}
		if len(excluded) == len(order) {
			return nil // all in float: there is nothing left to give back
		}
		q.say("%d in float: %.4f lost, back off from %s", len(excluded), step.Drop, order[len(excluded)])
		excluded = order[:len(excluded)+1]
	}
}

// times runs the float and the quantized model in turns, as fast as this
// machine can.
func (q Request) times(ctx context.Context, ref *Reference, m *onnx.Model) (float, quantized time.Duration, err error) {
	const rounds, runs, seed = 2, 4, 1
	times, err := Race(ctx, q.Runner, infer.Options{}, []*onnx.Model{q.Float, m}, ref.Samples, rounds, runs, seed)
	if err != nil {
		return 0, 0, err
	}
	return median(slices.Concat(times[0]...)), median(slices.Concat(times[1]...)), nil
}

// judged returns the chosen method's judgement, where that is what the first
// step would measure again.
func (res *Result) judged(q Request, excluded []string) (Judgement, bool) {
	for _, m := range res.Methods {
		if m.Chosen && len(excluded) == 0 && len(q.Evaluation) == 0 {
			return m.HeldBack, true
		}
	}
	return Judgement{}, false
}

// drop is what was lost, in accuracy if that is known.
func drop(float, j Judgement) float64 {
	if j.Correct >= 0 {
		return float64(float.Correct-j.Correct) / float64(j.Inputs)
	}
	return 1 - j.Agreement
}

func integerShare(m *onnx.Model) float64 {
	w, err := onnx.Work(m, 1)
	if err != nil || w.Float+w.Integer == 0 {
		return -1
	}
	return float64(w.Integer) / float64(w.Float+w.Integer)
}

// bySensitivity quantizes each product alone and sorts them, the most harmful
// first.
func (q Request) bySensitivity(ctx context.Context, ref *Reference, ranges map[string]Range, res *Result) ([]string,
	error) {
	var all []string
	for _, n := range Products(q.Float, q.Options) {
		all = append(all, NodeName(n))
	}
	some := *ref // a few samples tell the order
	if n := 16; len(some.Samples) > n {
		some.Samples, some.outputs = some.Samples[:n], some.outputs[:n]
		if some.Labels != nil {
			some.Labels = some.Labels[:n]
		}
	}
	q.say("measuring the sensitivity of %d nodes on %d samples", len(all), len(some.Samples))
	for _, n := range Products(q.Float, q.Options) {
		others := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == NodeName(n) })
		m, err := q.emit(ranges, others)
		if err != nil {
			return nil, err
		}
		j, err := some.Judge(ctx, m)
		if err != nil {
			return nil, err
		}
		res.Sensitivity = append(res.Sensitivity, Sensitivity{NodeName(n), n.Op, j.SQNR})
	}
	slices.SortStableFunc(res.Sensitivity, func(a, b Sensitivity) int { return cmp.Compare(a.SQNR, b.SQNR) })
	var order []string
	for _, s := range res.Sensitivity {
		order = append(order, s.Node)
	}
	return order, nil
}
