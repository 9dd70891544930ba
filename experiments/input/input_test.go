package input

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func dims(list ...any) (out []Dim) {
	out = []Dim{}
	for _, x := range list {
		switch v := x.(type) {
		case int:
			out = append(out, Dim{Size: int64(v)})
		case string:
			out = append(out, Dim{Size: Open, Symbol: strings.TrimPrefix(v, "?")})
		}
	}
	return out
}

func sizes(list ...any) (out []Size) {
	for _, x := range list {
		if n, ok := x.(int); ok {
			out = append(out, Size{N: int64(n)})
		} else {
			out = append(out, Size{Batch: true})
		}
	}
	return out
}

// Each case is one model: what it declares, what a person says, and what follows,
// or what is said.
func TestResolve(t *testing.T) {
	floats := func(name string, d ...any) Port { return Port{Name: name, Type: Float32, Dims: dims(d...)} }
	for name, c := range map[string]struct {
		ports   []Port
		given   []Given
		batches []int
		want    string // the inputs, or part of the problems
		note    string
	}{
		"a classifier": {ports: []Port{floats("x", "batch_size", 3, 224, 224)},
			want: "x float32 [batch, 3, 224, 224], random, normal"},
		"an unnamed first dimension is a guess": {ports: []Port{floats("x", "?", 8)},
			want: "x float32 [batch, 8], random, normal", note: "counts as the batch, which is a guess"},
		"a first dimension with the name of a size": {ports: []Port{floats("x", "seq_len", 8)},
			want: `leaves more open than the batch: the size of axis 0 (seq_len) (counted from 0). Give it: ` +
				`inputs: {x: […, 8]}`},
		"open sizes are asked for": {ports: []Port{floats("x", "n", 3, 48, "w")},
			want: `the size of axis 3 (w) (counted from 0). Give it: inputs: {x: [batch, 3, 48, …]}`},
		"given by a list": {ports: []Port{floats("x", "n", 3, 48, "w")},
			given: []Given{{Name: "x", Sizes: sizes("batch", 3, 48, 320)}},
			want:  "x float32 [batch, 3, 48, 320], random, normal"},
		"by numbers only": {ports: []Port{floats("x", "?", 3, "?", "?")},
			given: []Given{{Name: "x", Sizes: sizes(1, 3, 320, 320)}},
			want:  "x float32 [batch 1, 3, 320, 320], random, normal"},
		"by numbers that fix another batch": {ports: []Port{floats("x", "?", 3, "?", "?")}, batches: []int{4},
			given: []Given{{Name: "x", Sizes: sizes(1, 3, 320, 320)}},
			want:  "has a batch of 1, and batches asks for [4]"},
		"by symbols, in every input": {ports: []Port{{Name: "ids", Type: "int64", Dims: dims("b", "seq"),
			Use: Use{Rows: 1000}}, {Name: "mask", Type: "int64", Dims: dims("b", "seq")}},
			given: []Given{{Name: "ids", Symbols: map[string]int64{"seq": 128}}},
			want: "ids int64 [batch, 128], random, 0 to 999; mask int64 [batch, 128], random, 0 to 1 " +
				"(0 or 1 is a guess; inputs: {mask: {values: {random: [0, 9]}}}, for example, sets it)"},
		"by one input's list or file, for the same symbol of another": {ports: []Port{floats("x", "b", "w"),
			floats("y", "b", "w"), floats("u", "b", "v"), floats("v", "b", "v")},
			given: []Given{{Name: "y", Sizes: sizes("batch", 320)}, {Name: "u", Values: file(7, 5)}},
			want: "x float32 [batch, 320], random, normal; y float32 [batch, 320], random, normal; " +
				"u float32 [batch, 5], from x.npy; v float32 [batch, 5], random, normal"},
		"a symbol that is not there": {ports: []Port{floats("x", "b", "seq")},
			given: []Given{{Name: "x", Symbols: map[string]int64{"sex": 128}}}, want: `did you mean "seq"?`},
		"an input that is not there": {ports: []Port{floats("input", "b", 8)},
			given: []Given{{Name: "imput", Sizes: sizes("batch", 8)}}, want: `is no input of the model; did you mean "input"?`},
		"a state": {ports: []Port{floats("x", "batch", 512), floats("h", 2, "batch", 8)},
			want: "x float32 [batch, 512], random, normal; h float32 [2, batch, 8], random, normal"},
		"a state whose batch has no name": {ports: []Port{floats("x", "batch", 512), floats("h", 2, "?", 8)},
			given: []Given{{Name: "h", Sizes: sizes(2, "batch", 8), Values: Values{Kind: Constant, Constant: []string{"0"}}}},
			want:  "x float32 [batch, 512], random, normal; h float32 [2, batch, 8], 0"},
		"a picture without a batch": {ports: []Port{floats("x", 24, 32, 3)}, want: "x float32 [24, 32, 3], random, normal"},
		"a picture is no batch of 24": {ports: []Port{floats("x", 24, 32, 3)}, batches: []int{24},
			want: "has no batch axis, so one inference handles one input, and batches asks for [24]"},
		"unless a person says so": {ports: []Port{floats("x", 24, 32, 3)}, batches: []int{24},
			given: []Given{{Name: "x", AxisGiven: true}}, want: "x float32 [batch 24, 32, 3], random, normal"},
		"an open picture is asked about": {ports: []Port{floats("x", "?", "?", 3)},
			given: []Given{{Name: "x", Sizes: sizes(24, 32, 3)}}, want: "has the first size 24, and the model leaves it open"},
		"a batch of 8 that old files ask for": {ports: []Port{floats("x", 8, 3, 32, 32)}, batches: []int{8},
			want: "x float32 [batch 8, 3, 32, 32], random, normal"},
		"a batch of 8 that nobody asks for": {ports: []Port{floats("x", 8, 3, 32, 32)},
			want: "x float32 [8, 3, 32, 32], random, normal", note: "does not count as a batch"},
		"a state's first size is no batch": {ports: []Port{floats("x", 1, 576), floats("h", 2, 1, 128)}, batches: []int{1, 2},
			want: "x float32 [1, 576], random, normal; h float32 [2, 1, 128], random, normal",
			note: "has no batch axis: it is measured one input at a time only"},
		"nor beside an open batch": {ports: []Port{floats("x", "batch", 576), floats("h", 2, "batch", 128)},
			batches: []int{2}, want: "x float32 [batch, 576], random, normal; h float32 [2, batch, 128], random, normal"},
		"two batches": {ports: []Port{floats("x", 8, 3), floats("y", 4, 3)},
			given: []Given{{Name: "x", AxisGiven: true}, {Name: "y", AxisGiven: true}},
			want:  "has a batch of 4, and x one of 8"},
		"no shape": {ports: []Port{{Name: "x", Type: Float32}},
			want: "has no shape in the model. Give it: inputs: {x: [1, 8]}"},
		"no shape, but given": {ports: []Port{{Name: "x", Type: Float32}},
			given: []Given{{Name: "x", Sizes: sizes(1, 8)}}, want: "x float32 [batch 1, 8], random, normal"},
		"no shape, and none of a scalar either": {ports: []Port{{Name: "x", Type: Float32}},
			given: []Given{{Name: "x", Values: Values{Kind: Constant, Constant: []string{"1"}}}}, want: "has no shape"},
		"empty": {ports: []Port{floats("past", 1, 0, 8)},
			want: "is empty: the model fixes its axis 1 (counted from 0) at 0, [1, 0, 8]"},
		"empty, and said so": {ports: []Port{floats("past", 1, 0, 8)}, given: []Given{{Name: "past", Sizes: sizes(1, 0, 8)}},
			want: "past float32 [1, 0, 8], random, normal"},
		"another size than the model's": {ports: []Port{floats("x", "n", 3, 32, 32)},
			given: []Given{{Name: "x", Sizes: sizes("batch", 3, 64, 32)}}, want: "has the size 32 on axis 2"},
		"another rank": {ports: []Port{floats("x", "n", 8)}, given: []Given{{Name: "x", Sizes: sizes(8)}},
			want: "has 2 dimensions in the model, [n, 8], and 1 sizes are given"},
		"a decision": {ports: []Port{{Name: "sr", Type: "int64", Dims: dims(),
			Use: Use{Decides: true, Compared: []string{"16000"}}}},
			want: "decides which branch of the model runs (the model compares it with 16000), so no value can be guessed. " +
				"Give it, as in inputs: {sr: 16000}"},
		"a size": {ports: []Port{{Name: "n", Type: "int64", Dims: dims(1), Use: Use{Sizes: true}}},
			want: "decides how much the model computes, so no value can be guessed. Give it, as in inputs: {n: 1}"},
		"a decision made": {ports: []Port{{Name: "sr", Type: "int64", Dims: dims(), Use: Use{Decides: true}}},
			given: []Given{{Name: "sr", Values: Values{Kind: Constant, Constant: []string{"16000"}}}},
			want:  "sr int64 [], 16000"},
		"a constant of another type": {ports: []Port{{Name: "sr", Type: "int64", Dims: dims()}},
			given: []Given{{Name: "sr", Values: Values{Kind: Constant, Constant: []string{"1.5"}}}},
			want:  `is given "1.5", but it takes a whole number of int64`},
		"too many constants": {ports: []Port{{Name: "s", Type: Float32, Dims: dims(2)}},
			given: []Given{{Name: "s", Values: Values{Kind: Constant, Constant: []string{"1", "2", "3"}}}},
			want:  "has 2 values for one input, and 3 are given"},
		"a range beyond the type": {ports: []Port{{Name: "x", Type: "int8", Dims: dims("n", 8)}},
			given: []Given{{Name: "x", Values: Values{Kind: Uniform, High: 200}}},
			want:  "whole numbers from -128 to 127"},
		"no tensor": {ports: []Port{{Name: "x"}}, want: "is no tensor"},
		"complex": {ports: []Port{{Name: "x", Type: "complex64", Dims: dims(1)}},
			want: "is of complex64, and ONNX Runtime takes no complex numbers"},
		"packed": {ports: []Port{{Name: "x", Type: "int4", Dims: dims(1)}}, want: "several values share a byte"},
		"empty on two axes": {ports: []Port{floats("x", 0, 3, 0)}, want: "; is empty: the model fixes its axis 0 (counted " +
			"from 0) at 0, [0, 3, 0]. Export the model with a size there, or write inputs: {x: [0, 3, 0]} to measure it " +
			"with nothing in that input"},
		"a file of samples": {ports: []Port{floats("x", "n", 8)}, given: []Given{{Name: "x", Values: file(100, 8)}},
			want: "x float32 [batch, 8], from x.npy"},
		"a file that gives the open size": {ports: []Port{floats("x", "n", "w")}, given: []Given{{Name: "x",
			Values: file(5, 320)}}, want: "x float32 [batch, 320], from x.npy"},
		"a file of one sample": {ports: []Port{floats("x", "n", "w")}, given: []Given{{Name: "x", Values: file(320)}},
			want: "x float32 [batch, 320], from x.npy"},
		"a file of another shape": {ports: []Port{floats("x", "n", 8)}, given: []Given{{Name: "x", Values: file(100, 9)}},
			want: "holds an array of shape [100 9]"},
	} {
		t.Run(name, func(t *testing.T) {
			inputs, notes, problems := Resolve(c.ports, c.given, Options{Batches: c.batches})
			var got []string
			for _, in := range inputs {
				s := in.String()
				if in.Guess != "" {
					s += " (" + in.Guess + ")"
				}
				got = append(got, s)
			}
			text := strings.Join(got, "; ")
			for _, p := range problems {
				text += "; " + p.Text
			}
			if len(problems) > 0 && !strings.Contains(text, c.want) || len(problems) == 0 && text != c.want {
				t.Errorf("%s\nwant %s", text, c.want)
			}
			if said := strings.Join(notes, "; "); !strings.Contains(said, c.note) || c.note == "" && said != "" {
				t.Errorf("notes: %s", said)
			}
		})
	}
}

func file(shape ...int64) Values { return Values{Kind: File, Shape: shape, Name: "x.npy"} }

func TestBatches(t *testing.T) {
	axis := 1
	for _, c := range []struct {
		shape []int64
		axis  *int
		want  string
	}{{[]int64{2, Open, 8}, &axis, "[1 4]"}, {[]int64{2, 8, 8}, &axis, "[8]"}, {[]int64{2, 8}, nil, "[1]"}} {
		if got := fmt.Sprint(Batches([]Input{{Shape: c.shape, Batch: c.axis}}, []int{1, 4})); got != c.want {
			t.Errorf("%v: %s", c.shape, got)
		}
	}
	// A model without inputs is measured one inference at a time; of an old plan nothing is known.
	none, notes, _ := Resolve(nil, nil, Options{Batches: []int{1, 4}})
	if got := fmt.Sprint(Batches(none, []int{1, 4}), Batches(nil, []int{1, 4}), len(notes)); got != "[1] [1 4] 1" {
		t.Errorf("without inputs: %s", got)
	}
}

// Values of every type are what the format says, by known bits.
func TestEncode(t *testing.T) {
	for _, c := range []struct {
		t    Type
		s    string
		want string
	}{
		{Float16, "1", "003c"}, {Float16, "-2", "00c0"}, {Float16, "65504", "ff7b"}, {Float16, "1e9", "ff7b"},
		{Float16, "6e-8", "0100"}, {Float16, "0.1", "662e"}, {BFloat16, "1", "803f"}, {BFloat16, "-0.1", "cdbd"},
		{Float64, "0.5", "000000000000e03f"}, {"float8e5m2", "1", "3c"}, {"float8e4m3fn", "1", "38"},
		{"float8e4m3fn", "0.5", "30"}, {"int8", "-1", "ff"}, {"int16", "-2", "feff"}, {"uint16", "65535", "ffff"},
		{"int64", "16000", "803e000000000000"}, {Bool, "true", "01"}, {Text, "hé", "68c3a9"},
	} {
		b, err := Encode(c.t, c.s)
		if err != nil || fmt.Sprintf("%x", b) != c.want {
			t.Errorf("%s of %s: %x, %v; want %s", c.s, c.t, b, err, c.want)
		}
	}
	for _, c := range []struct {
		t Type
		s string
	}{{"int8", "128"}, {"uint8", "-1"}, {Float32, "a"}, {Bool, "2"}} {
		if b, err := Encode(c.t, c.s); err == nil {
			t.Errorf("%s as %s: %x", c.s, c.t, b)
		}
	}
}

// Random values stay in their range, change, and repeat with the seed.
func TestRandomValues(t *testing.T) {
	for _, typ := range []Type{"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", Bool, Float32,
		Float16, BFloat16, Float64} {
		in := Input{Name: "x", Type: typ, Shape: []int64{4, 8}, Values: Values{Kind: Uniform, High: 1}}
		fill := func(seed uint64) string {
			f, err := NewFiller(in, 1, rand.New(rand.NewPCG(seed, 0)), nil)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 32*typ.Bytes())
			var all string
			for range 3 {
				f.Next(b)
				all += fmt.Sprintf("%x ", b)
				if typ.IsInteger() || typ == Bool {
					for i, x := range b {
						if x > 1 || x == 1 && i%typ.Bytes() != 0 {
							t.Fatalf("%s: %x", typ, b)
						}
					}
				}
			}
			return all
		}
		one := fill(1)
		if parts := strings.Fields(one); parts[0] == parts[1] || one != fill(1) || one == fill(2) {
			t.Errorf("%s: %s", typ, one)
		}
	}
	low, high := Type("int64").Range()
	if low != -math.Exp2(63) || high != math.Exp2(63) { // as floats
		t.Error(low, high)
	}
}

// A file's samples are taken in turns, along the batch axis wherever that is.
func TestSamplesOfAFile(t *testing.T) {
	axis := 1
	in := Input{Name: "h", Type: Uint8, Shape: []int64{2, Open, 1}, Batch: &axis,
		Values: Values{Kind: File, Shape: []int64{2, 3, 1}}}
	f, err := NewFiller(in, 2, nil, []byte{1, 2, 3, 11, 12, 13})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	for _, want := range []string{"[1 2 11 12]", "[3 1 13 11]", "[2 3 12 13]"} {
		if f.Next(b); fmt.Sprint(b) != want {
			t.Errorf("%v, want %s", b, want)
		}
	}
	in = Input{Name: "s", Type: Text, Shape: []int64{2}, Values: Values{Kind: File, Shape: []int64{2}}}
	f, err = NewFiller(in, 1, nil, PackTexts([]string{"ab", ""}))
	if err != nil || fmt.Sprintf("%q", f.NextText()) != `["ab" ""]` {
		t.Error(err)
	}
	if _, err := NewFiller(in, 1, nil, []byte{200, 1}); err == nil {
		t.Error("a pack that is cut short was read")
	}
}
