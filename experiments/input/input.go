// Package input says how the inputs of a model are fed: their sizes, which axis
// is the batch, and where the values come from. A person describes an input
// (Given), the model's file or the runtime declares it (Port), and Resolve makes
// of the two what a plan carries and an agent fills (Input), or says what is
// missing. It is the one description for experiments, for `chexp model …`, and
// for the agent. It reads no model and no file.
//
// The rules where a person says nothing:
//
//   - The first dimension is the batch only if it is open: by its name ("batch",
//     "N"), else as a guess, which is said. One whose name is that of a size
//     ("height", "seq_len") is no batch, and its size is asked for. An axis with
//     the batch's name is the batch in every input.
//   - Every other open size is asked for.
//   - Floats are normally distributed, as a normalised picture is; 8-bit unsigned
//     integers are uniform from 0 to 255, as pixels. Integers that choose rows of a
//     table take all of its rows. Other integers are 0 or 1, and that is a guess.
//   - An integer or a truth value that decides which branch runs is asked for.
package input

import (
	"slices"
	"strconv"
	"strings"
)

// Open is the size of a dimension that a model leaves open.
const Open = -1

// None is the batch axis of an input that has none.
const None = -1

// Port is what a model says of one of its inputs.
type Port struct {
	Name string
	Type Type // "" for what is no tensor
	// Dims are nil where the model says nothing of the shape; a scalar's are empty.
	Dims []Dim
	Use  Use
}

// Dim is a dimension: its size, or Open with the symbol that the model has for it.
type Dim struct {
	Size   int64
	Symbol string
}

// Use is what the model's graph does with an input, as far as it matters for its
// values. Its zero value says that nothing is known.
type Use struct {
	Rows     int64    // the values choose rows of a table with so many; 0: no such table
	Decides  bool     // the values decide which branch runs, or how often a loop does
	Sizes    bool     // the values decide how large something is that the model computes
	Compared []string // with these constants
}

// Given is what a person says of one input.
type Given struct {
	Name    string
	Sizes   []Size           // the whole shape; nil: as the model declares it
	Symbols map[string]int64 // sizes of symbols, in this and every other input
	// Axis is the batch axis where AxisGiven; it may be None.
	Axis      int
	AxisGiven bool
	Values    Values // Kind "": the default
	Line      int    // in the experiment file
}

// Size is one item of a shape: a number, or the word batch.
type Size struct {
	N     int64
	Batch bool
}

// Kinds of values.
const (
	Normal   = "normal"   // mean 0, standard deviation 1
	Uniform  = "uniform"  // from Low to High; integers reach both
	Constant = "constant" // one value everywhere, or one for each place
	File     = "file"     // of an array or of lines; every inference takes the next ones
)

// Values say where the values of an input come from. Random ones are other ones at
// every inference, and the same for the same seed.
type Values struct {
	Kind     string   `json:"kind"`
	Low      float64  `json:"low,omitempty"`
	High     float64  `json:"high,omitempty"`
	Constant []string `json:"constant,omitempty"` // as written

	// A file's values travel as Packed makes them: SHA256 and Bytes are the pack's,
	// Shape is the array's.
	SHA256 string  `json:"sha256,omitempty"`
	Bytes  int64   `json:"bytes,omitempty"`
	Shape  []int64 `json:"shape,omitempty"`
	Name   string  `json:"name,omitempty"` // of the file, for people

	Path  string `json:"-"` // of the file on this machine
	Array string `json:"-"` // of an .npz; "": the one called as the input, or the only one
}

// Input is how one input of a model is fed.
type Input struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	// Shape has Open for a batch axis whose size is the trial's batch.
	Shape  []int64 `json:"shape"`
	Batch  *int    `json:"batch_axis,omitempty"` // nil: the input has no batch
	Values Values  `json:"values"`
	// Described says that a person described it: that it is not fed as its model's
	// file alone would have it.
	Described bool `json:"described,omitempty"`
	// Guess says what was guessed and how to set it; empty: nothing was.
	Guess string `json:"guess,omitempty"`
}

// At is the input's shape where one inference handles batch inputs.
func (in Input) At(batch int64) []int64 {
	shape := slices.Clone(in.Shape)
	for i, n := range shape {
		if n == Open {
			shape[i] = batch
		}
	}
	return shape
}

// Axis is the batch axis, or None.
func (in Input) Axis() int {
	if in.Batch == nil {
		return None
	}
	return *in.Batch
}

// Fixed returns the batch that the inputs allow where that is one number only;
// 0: any. axis is false where no input has a batch.
func Fixed(inputs []Input) (batch int64, axis bool) {
	for _, in := range inputs {
		if a := in.Axis(); a >= 0 && a < len(in.Shape) {
			axis = true
			if n := in.Shape[a]; n != Open {
				batch = n
			}
		}
	}
	return batch, axis
}

// Batches are those of the list that the inputs allow. A model without a batch
// axis handles one input at a time, whatever the list says, and one with a fixed
// batch that many.
func Batches(inputs []Input, list []int) []int {
	fixed, axis := Fixed(inputs)
	switch {
	case inputs == nil: // a plan of before they were described
		return list
	case !axis:
		return []int{1}
	case fixed > 0:
		return []int{int(fixed)}
	}
	return list
}

// String is the input as a person reads it: "x float32 [batch, 3, 224, 224], normal".
func (in Input) String() string {
	return in.Name + " " + string(in.Type) + " " + in.ShapeText() + ", " + in.Values.String()
}

// ShapeText is the shape with its batch axis named: "[batch, 3, 224, 224]".
func (in Input) ShapeText() string {
	parts := make([]string, len(in.Shape))
	for i, n := range in.Shape {
		parts[i] = strconv.FormatInt(n, 10)
		if n == Open {
			parts[i] = "batch"
		} else if i == in.Axis() {
			parts[i] = "batch " + parts[i]
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (v Values) String() string {
	switch v.Kind {
	case Normal:
		return "random, normal"
	case Uniform:
		return "random, " + number(v.Low) + " to " + number(v.High)
	case File:
		return "from " + v.Name
	}
	const most = 4
	if len(v.Constant) > most {
		return strings.Join(v.Constant[:most], " ") + " …"
	}
	return strings.Join(v.Constant, " ")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
