package input

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"chexp/experiments/words"
)

// values decides what an input is filled with.
func (r *resolver) values(p Port, g Given, in *Input) {
	in.Values = g.Values
	switch v := &in.Values; v.Kind {
	case "":
		r.byDefault(p, in)
	case Normal:
		if !in.Type.IsFloat() {
			r.problem(in.Name, "is of %s, which has no normal distribution: write values: {random: [low, high]}", in.Type)
		}
	case Uniform:
		r.uniform(in)
	case Constant:
		r.constant(in)
	case File:
		r.file(in)
	}
}

// byDefault chooses values where a person says nothing.
func (r *resolver) byDefault(p Port, in *Input) {
	single, elements := false, int64(1)
	for _, n := range in.Shape {
		if n != Open {
			elements *= n
		}
	}
	single = elements == 1 && in.Axis() == None
	discrete := in.Type == Bool || in.Type.IsInteger()
	set := "{values: {random: [0, 9]}}"
	switch {
	case in.Type == Text:
		set = "WORDS"
	case in.Type == Bool:
		set = "true"
	case single:
		set = "1"
	}
	set = fmt.Sprintf("inputs: {%s: %s}", key(in.Name), set)
	guess := func(v Values, text string) {
		in.Values, in.Guess = v, text+" is a guess; "+set+", for example, sets it"
	}
	switch {
	case (p.Use.Decides || p.Use.Sizes) && discrete && !r.Trusting:
		compared, what := "", "which branch of the model runs"
		if !p.Use.Decides {
			what = "how much the model computes"
		}
		if len(p.Use.Compared) > 0 {
			set = fmt.Sprintf("inputs: {%s: %s}", key(in.Name), p.Use.Compared[0])
			compared = " (the model compares it with " + strings.Join(p.Use.Compared, ", ") + ")"
		}
		r.problem(in.Name, "is of %s and decides %s%s, so no value can be guessed. Give it, as in %s", in.Type, what,
			compared, set)
	case p.Use.Rows > 0 && in.Type.IsInteger():
		_, high := in.Type.Range()
		in.Values = Values{Kind: Uniform, High: math.Min(float64(p.Use.Rows-1), high)}
	case in.Type == Text:
		guess(Values{Kind: Constant, Constant: []string{"text"}}, `the word "text"`)
	case in.Type == Uint8:
		if in.Values = (Values{Kind: Uniform, High: 255}); len(in.Shape) < 3 { // no pixels
			guess(in.Values, "0 to 255")
		}
	case in.Type == "int8" && len(in.Shape) > 2: // quantized, like such models' activations
		in.Values = Values{Kind: Uniform, Low: -128, High: 127}
	case discrete: // valid as masks, and as indexes of nearly anything
		guess(Values{Kind: Uniform, High: 1}, "0 or 1")
	case single:
		guess(Values{Kind: Normal}, "a random number")
	default:
		in.Values = Values{Kind: Normal}
	}
}

func (r *resolver) uniform(in *Input) {
	v := in.Values
	switch {
	case in.Type == Text:
		r.problem(in.Name, "is of string, of which there are no random ones: give it a text, or a .txt file of lines")
	case v.Low > v.High:
		r.problem(in.Name, "has random values from %s to %s: the first must be the lower", number(v.Low), number(v.High))
	case in.Type == Bool && (v.Low != 0 || v.High != 1):
		r.problem(in.Name, "is of bool, whose random values are 0 or 1")
	case in.Type.IsInteger():
		low, high := in.Type.Range()
		if v.Low < low || v.High > high || v.Low != math.Trunc(v.Low) || v.High != math.Trunc(v.High) {
			r.problem(in.Name, "is of %s, whose random values must be whole numbers from %s to %s, and they are to be %s "+
				"to %s", in.Type, number(low), number(high), number(v.Low), number(v.High))
		}
	}
}

func (r *resolver) constant(in *Input) {
	list := in.Values.Constant
	elements := int64(1)
	for _, n := range in.Shape {
		if n != Open {
			elements *= n
		}
	}
	if len(list) != 1 && int64(len(list)) != elements {
		r.problem(in.Name, "has %s for one input, and %s are given: give one for all, or one for each",
			words.Plural(int(elements), "value"), strconv.Itoa(len(list)))
		return
	}
	for _, s := range list {
		if _, err := Encode(in.Type, s); err != nil {
			r.problem(in.Name, "is given %q, but %v", words.Line(s, 60), err)
			return
		}
	}
}

// file brings the shape of the file's array, as many samples along the batch
// axis as it has, into line with the input's.
func (r *resolver) file(in *Input) {
	v := &in.Values
	shape, axis := v.Shape, in.Axis()
	switch {
	case in.Type == Text && strings.HasSuffix(v.Name, ".txt"):
		shape = r.lines(in)
	case axis >= 0 && len(shape) == len(in.Shape)-1: // one sample
		shape = append(append(append([]int64{}, shape[:axis]...), 1), shape[axis:]...)
	}
	bad := len(shape) != len(in.Shape)
	for i := 0; !bad && i < len(shape); i++ {
		bad = i != axis && shape[i] != in.Shape[i] || i == axis && shape[i] < 1
	}
	if bad {
		r.problem(in.Name, "is %s, and %s holds an array of shape %v: it must have the same sizes, and along the batch any "+
			"number of inputs, which are used in turns", in.ShapeText(), v.Name, v.Shape)
		return
	}
	v.Shape = shape
}

// lines is the shape that a file's lines have as samples of the input.
func (r *resolver) lines(in *Input) []int64 {
	n, each := in.Values.Shape[0], int64(1)
	shape := append([]int64{}, in.Shape...)
	for i, d := range shape {
		if i != in.Axis() {
			each *= d
		}
	}
	if a := in.Axis(); a >= 0 && each > 0 && n%each == 0 {
		shape[a] = n / each
	} else if n != each {
		return in.Values.Shape
	}
	return shape
}

// Encode is one value as ONNX stores it, little endian; for strings, its bytes.
// The error is a clause that begins with "it".
func Encode(t Type, s string) ([]byte, error) {
	switch {
	case t == Text:
		return []byte(s), nil
	case t == Bool:
		switch strings.ToLower(s) {
		case "true", "1":
			return []byte{1}, nil
		case "false", "0":
			return []byte{0}, nil
		}
		return nil, fmt.Errorf("it takes true or false")
	case t.IsFloat():
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("it takes a number")
		}
		return appendFloat(nil, t, v), nil
	case strings.HasPrefix(string(t), "u"):
		v, err := strconv.ParseUint(s, 10, 8*t.Bytes())
		if err != nil {
			return nil, fmt.Errorf("it takes a whole number of %s", t)
		}
		return appendInteger(nil, t, v), nil
	}
	v, err := strconv.ParseInt(s, 10, 8*t.Bytes())
	if err != nil {
		return nil, fmt.Errorf("it takes a whole number of %s", t)
	}
	return appendInteger(nil, t, uint64(v)), nil
}
