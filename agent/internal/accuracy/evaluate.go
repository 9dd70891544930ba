// Package accuracy measures how often a model is right, on the device and apart
// from every timed inference: one short process for each model × provider runs
// the evaluation pictures through the model (Evaluate) and answers with the raw
// outputs; the supervisor compares them with the labels and with the outputs of
// the reference model (Examination). The pictures are drawn on the spot
// (package models/plates) or come as a pack in the bundle (package
// models/pictures/pack).
package accuracy

import (
	"encoding/binary"
	"math"
	"path/filepath"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/input"
	"chexp/experiments/trial"
	"chexp/models/pictures/pack"
	"chexp/models/plates"
)

// Flag makes the runner evaluate instead of measure: a Request on its standard
// input, a Reply as its result.
const Flag = "-accuracy"

// Request is what the runner gets.
type Request struct {
	ModelPath string         `json:"model_path"`
	Inputs    []input.Input  `json:"inputs,omitempty"` // as in session.Request
	Provider  trial.Provider `json:"provider"`
	Pictures  int            `json:"pictures"`
	// Pack is the file of packed pictures; empty: drawn ones.
	Pack string `json:"pack,omitempty"`
}

// RuntimeName is the runtime to evaluate with, empty for the agent's own.
func (r Request) RuntimeName() string { return r.Provider.Runtime }

// Reply is what it answers: one row of outputs for each picture, or why not.
type Reply struct {
	Classes int    `json:"classes,omitempty"` // outputs a picture
	Threads int    `json:"threads,omitempty"`
	Outputs []byte `json:"outputs,omitempty"` // float32, little endian, picture by picture
	Labels  []int  `json:"labels,omitempty"`
	// Reason is set when there are no outputs.
	Reason *trial.Reason `json:"reason,omitempty"`
}

// Engine is a loaded model whose output can be read.
type Engine interface {
	session.Engine
	// FirstOutput is the model's first output after a Run, valid until the
	// next one.
	FirstOutput() ([]float32, error)
}

// maxValues bounds the outputs of one evaluation: 32 MiB of them. An answer may
// have 64 MiB (package matrix), and base64 adds a third.
const maxValues = 8 << 20

// Evaluate answers a request. The engine takes one picture an inference.
func Evaluate(req Request, threads int, open func() (Engine, error)) *Reply {
	reply := &Reply{Threads: threads}
	if err := evaluate(req, open, reply); err != nil {
		why := reason.Of(err, reason.RuntimeFailed)
		return &Reply{Reason: &why}
	}
	return reply
}

func evaluate(req Request, open func() (Engine, error), reply *Reply) error {
	engine, err := open()
	if err != nil {
		return err
	}
	defer engine.Close()
	in, err := inputOf(engine)
	if err != nil {
		return err
	}
	source, err := sourceOf(req, in)
	if err != nil {
		return err
	}
	defer source.close()
	for i := range req.Pictures {
		p, err := source.next()
		if err != nil {
			return reason.Errorf(reason.InputUnsupported, "evaluation picture %d", i+1).Because(err)
		}
		p.fill(in)
		if err := engine.Prepare(); err != nil {
			return reason.Errorf(reason.InferenceFailed, "an inference could not be prepared").Because(err)
		}
		if err := engine.Run(); err != nil {
			return reason.Errorf(reason.InferenceFailed, "the inference of evaluation picture %d failed",
				i+1).Because(err)
		}
		out, err := engine.FirstOutput()
		if err != nil {
			return reason.Errorf(reason.InputUnsupported, "the model's output cannot be read").Because(err)
		}
		if err := reply.add(out, p.label, source.classes(), req.Pictures); err != nil {
			return err
		}
	}
	return nil
}

// add keeps one picture's outputs.
func (r *Reply) add(out []float32, label, classes, pictures int) error {
	if len(out) != classes {
		return reason.Errorf(reason.InputUnsupported, "the model has %d outputs for a picture, and the pictures have "+
			"%d classes", len(out), classes).
			Advise("evaluate it on pictures of its own classes")
	}
	if len(out)*pictures > maxValues {
		return reason.Errorf(reason.InputUnsupported, "%d outputs for each of %d pictures are more than %d values",
			len(out), pictures, maxValues).
			Advise("evaluate fewer pictures")
	}
	r.Classes = classes
	for _, v := range out {
		r.Outputs = binary.LittleEndian.AppendUint32(r.Outputs, math.Float32bits(v))
	}
	r.Labels = append(r.Labels, label)
	return nil
}

// Right counts the pictures whose highest output is their label's.
func (r *Reply) Right() int {
	var o outputs
	if r.Reason != nil || !o.take(r, len(r.Labels)) {
		return 0
	}
	return score(o, "").Right
}

// image is the one input of an image model.
type image struct {
	session.Buffer
	height, width int
	last          bool // the channels are the last dimension: NHWC
}

func inputOf(e Engine) (in image, err error) {
	all := e.Inputs()
	if len(all) != 1 {
		return in, reason.Errorf(reason.InputUnsupported,
			"the model has %d inputs; accuracy is measured on image models, which have one", len(all))
	}
	in.Buffer = all[0]
	s := in.Shape
	switch {
	case len(s) == 4 && s[0] == 1 && s[1] == 3:
		in.height, in.width = int(s[2]), int(s[3])
	case len(s) == 4 && s[0] == 1 && s[3] == 3:
		in.height, in.width, in.last = int(s[1]), int(s[2]), true
	default:
		return in, reason.Errorf(reason.InputUnsupported,
			"input %q has the shape %v, but an image model's is [1, 3, height, width] or [1, height, width, 3]",
			in.Name, s)
	}
	if in.Float32 == nil && in.Uint8 == nil {
		return in, reason.Errorf(reason.InputUnsupported, "input %q is neither of float32 nor of uint8", in.Name)
	}
	return in, nil
}

// picture is one to evaluate: pixels of red, green and blue, row by row.
type picture struct {
	pixels    []uint8
	label     int
	mean, std [3]float32
}

// fill writes the picture into the model's input: normalised where that is of
// floats, as it is where that is of bytes.
func (p picture) fill(in image) {
	pixels := len(p.pixels) / 3
	for ch := range 3 {
		var table [256]float32
		for v := range table {
			table[v] = (float32(v)/255 - p.mean[ch]) / p.std[ch]
		}
		step, at := 1, ch*pixels
		if in.last {
			step, at = 3, ch
		}
		for i := range pixels {
			v := p.pixels[3*i+ch]
			if in.Float32 != nil {
				in.Float32[at+i*step] = table[v]
			} else {
				in.Uint8[at+i*step] = v
			}
		}
	}
}

// source gives the pictures in order.
type source interface {
	next() (picture, error)
	classes() int
	close()
}

func sourceOf(req Request, in image) (source, error) {
	if req.Pack != "" {
		return openPack(req.Pack, in)
	}
	if in.height != in.width {
		return nil, reason.Errorf(reason.InputUnsupported,
			"the model takes pictures of %d × %d pixels; drawn ones are square", in.width, in.height)
	}
	d := &drawn{ahead: make(chan result, 4), stop: make(chan struct{})}
	go d.draw(in.width)
	return d, nil
}

// drawn are pictures of plates, drawn while the model works on the ones before.
type drawn struct {
	ahead chan result
	stop  chan struct{}
}

type result struct {
	picture
	err error
}

func (d *drawn) draw(size int) {
	for id := 0; ; id++ {
		pixels, err := plates.Draw(plates.Evaluation, id, size)
		r := result{picture{pixels: pixels, label: plates.Label(id), mean: plates.Mean, std: plates.Deviation}, err}
		select {
		case d.ahead <- r:
		case <-d.stop:
			return
		}
	}
}

func (d *drawn) next() (picture, error) { r := <-d.ahead; return r.picture, r.err }
func (d *drawn) classes() int           { return plates.Classes }
func (d *drawn) close()                 { close(d.stop) }

// packed are a user's pictures.
type packed struct{ *pack.Reader }

func openPack(path string, in image) (source, error) {
	r, err := pack.Open(path)
	if err != nil {
		return nil, reason.Errorf(reason.InputUnsupported, "the pack %s cannot be read",
			filepath.Base(path)).Because(err)
	}
	h := r.Header
	layout := "NCHW"
	if in.last {
		layout = "NHWC"
	}
	if h.Side != in.height || h.Side != in.width || h.Layout != layout {
		r.Close()
		return nil, reason.Errorf(reason.InputUnsupported,
			"the model takes %s pictures of %d × %d pixels, the pack was made for %s and %d × %d",
			layout, in.width, in.height, h.Layout, h.Side, h.Side).
			Advise("set accuracy.preprocess (crop, layout) as the model wants it")
	}
	return packed{r}, nil
}

func (p packed) next() (picture, error) {
	pixels, label, err := p.Next()
	h := p.Header
	out := picture{pixels: pixels, label: label}
	for ch := range 3 {
		out.mean[ch], out.std[ch] = float32(h.Mean[ch]), float32(h.Std[ch])
	}
	return out, err
}
func (p packed) classes() int { return len(p.Header.Labels) }
func (p packed) close()       { p.Close() }
