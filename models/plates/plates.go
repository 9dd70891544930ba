// Package plates draws pictures of food: eleven kinds of dish on plates, boards
// and in bowls, with garnish, cutlery, light and noise. They are DRAWN, they are
// no photographs, and they have nothing to do with the data set Food-11 but the
// names of its classes: a model that knows them knows no real food. What they
// are good for: a model trained on them has a true accuracy, and that can be
// measured on any device without sending it a single picture, since a picture
// is a function of a set's name, a number and a size.
//
// The same picture is the same bytes on every platform. Go may fuse x*y+z into
// one rounding where the processor can (arm64, amd64 from v3 on), so every
// product here goes through mul, which forbids it, and nothing calls math but
// for Sqrt, which IEEE 754 defines to the last bit.
package plates

import "fmt"

// Kinds are the labels, in the order of the classes.
var Kinds = [...]string{"bread", "dairy", "dessert", "egg", "fried", "meat", "noodles", "rice", "seafood", "soup",
	"vegetable"}

// Classes is how many there are.
const Classes = len(Kinds)

// The sets in use. No picture of one is in another.
const (
	// Train is what the built-in model was trained on (models/builtin/MODEL.md).
	Train = "train"
	// Calibration is for choosing the ranges of quantized values.
	Calibration = "calibration"
	// Evaluation is held out: it is only ever measured on.
	Evaluation = "evaluation"
)

// MaxSize bounds a picture's side in pixels.
const MaxSize = 1024

// Label is the class of a picture. The kinds take turns, so that any run of
// pictures is balanced.
func Label(id int) int { return id % Classes }

// Draw draws a picture: size × size pixels of red, green and blue, row by row.
func Draw(set string, id, size int) ([]uint8, error) {
	if id < 0 || size < 8 || size > MaxSize {
		return nil, fmt.Errorf("picture %d of %d pixels: want a number from 0 on and a size from 8 to %d", id, size,
			MaxSize)
	}
	r := newRandom(set, id)
	c := newCanvas(size, r.uint64())
	drawScene(c, r, Label(id))
	return c.bytes(r), nil
}

// Normalization of the values, per channel: (value/255 - mean) / deviation.
// These are ImageNet's, as nearly every image model expects them.
var (
	Mean      = [3]float32{0.485, 0.456, 0.406}
	Deviation = [3]float32{0.229, 0.224, 0.225}
)

// Input writes a picture into a model's input: plane by plane (NCHW), and
// normalised. dst must have 3 × pixels values.
func Input(dst []float32, picture []uint8) {
	pixels := len(picture) / 3
	for ch := range 3 {
		var table [256]float32
		for v := range table {
			table[v] = (float32(v)/255 - Mean[ch]) / Deviation[ch]
		}
		plane := dst[ch*pixels : (ch+1)*pixels]
		for i := range plane {
			plane[i] = table[picture[3*i+ch]]
		}
	}
}
