package input

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"chexp/experiments/words"
)

// Problem is why an input cannot be fed. Text is a clause about it that ends
// with what to do.
type Problem struct {
	Input string // "": the model's
	Text  string
}

// Options of a resolution.
type Options struct {
	// Batches are those that the experiment names, nil where it names none. A
	// first dimension that the model fixes at one of them is the batch.
	Batches []int
	// Trusting asks for nothing that can be guessed: an agent does not refuse the
	// plan of an orchestrator that knew less.
	Trusting bool
}

// Resolve says how each input of a model is fed. notes are clauses about what was
// decided without being asked.
func Resolve(ports []Port, given []Given, o Options) (inputs []Input, notes []string, problems []Problem) {
	r := &resolver{Options: o, given: map[string]Given{}, symbols: map[string]int64{}, batch: map[string]bool{}}
	r.take(ports, given)
	r.alike = alike(ports)
	if len(ports) == 0 {
		inputs = []Input{} // not nil: it is known that there are none
	}
	for _, p := range ports {
		before := len(r.problems)
		in := r.one(p, r.given[p.Name])
		if len(r.problems) == before {
			inputs = append(inputs, in)
		}
	}
	if len(r.problems) == 0 {
		r.together(inputs)
	}
	return inputs, r.notes, r.problems
}

type resolver struct {
	Options
	given    map[string]Given
	symbols  map[string]int64 // that a person gave
	batch    map[string]bool  // symbols that stand for the batch
	alike    int64            // the first dimension that the model fixes in all inputs; 0: none
	notes    []string
	problems []Problem
}

func (r *resolver) problem(input, format string, args ...any) {
	r.problems = append(r.problems, Problem{input, fmt.Sprintf(format, args...)})
}

// take sorts what was given by input, and finds the symbols that are the batch.
func (r *resolver) take(ports []Port, given []Given) {
	names, known := []string{}, map[string]bool{}
	for _, p := range ports {
		names = append(names, p.Name)
		for _, d := range p.Dims {
			if d.Size < 0 && d.Symbol != "" {
				known[d.Symbol] = true
			}
		}
	}
	for _, g := range given {
		if !slices.Contains(names, g.Name) {
			r.problem(g.Name, "is no input of the model; %s", oneOf(g.Name, names))
		}
		r.given[g.Name] = g
		for _, s := range slices.Sorted(maps.Keys(g.Symbols)) {
			n := g.Symbols[s]
			if first, twice := r.symbols[s]; twice && first != n {
				r.problem(g.Name, "gives %s the size %d, and another input gives it %d", s, n, first)
			}
			if !known[s] {
				r.problem(g.Name, "gives a size to %q, and no input of the model leaves a size of that name open; %s", s,
					oneOf(s, slices.Sorted(maps.Keys(known))))
			}
			r.symbols[s] = n
		}
	}
	defer r.learn(ports)
	for _, p := range ports {
		g := r.given[p.Name]
		for i, d := range p.Dims {
			stated := g.AxisGiven && g.Axis == i || i < len(g.Sizes) && g.Sizes[i].Batch
			named := i == 0 && g.Sizes == nil && !g.AxisGiven && likeBatch(d.Symbol)
			if d.Size < 0 && d.Symbol != "" && (stated || named) {
				r.batch[d.Symbol] = true
			}
		}
	}
}

// learn takes what a person says of one input's size for that of its symbol: it
// has one size in all inputs.
func (r *resolver) learn(ports []Port) {
	for _, p := range ports {
		g := r.given[p.Name]
		for i, d := range p.Dims {
			if _, known := r.symbols[d.Symbol]; known || d.Size >= 0 || d.Symbol == "" || r.batch[d.Symbol] || i == 0 {
				continue
			}
			shape := g.Values.Shape
			switch {
			case i < len(g.Sizes) && !g.Sizes[i].Batch:
				r.symbols[d.Symbol] = g.Sizes[i].N
			case len(shape) == len(p.Dims):
				r.symbols[d.Symbol] = shape[i]
			case len(shape) == len(p.Dims)-1:
				r.symbols[d.Symbol] = shape[i-1]
			}
		}
	}
}

// alike is the first dimension of all inputs, where they have the same one: that of
// a state is not the batch's.
func alike(ports []Port) (n int64) {
	for _, p := range ports {
		switch {
		case len(p.Dims) == 0:
		case n == 0:
			n = p.Dims[0].Size
		case n != p.Dims[0].Size:
			return 0
		}
	}
	return max(0, n)
}

func oneOf(s string, allowed []string) string {
	if n := words.Nearest(s, allowed); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(allowed) == 0 {
		return "there is none"
	}
	return "there are: " + strings.Join(allowed, ", ")
}

// one resolves one input.
func (r *resolver) one(p Port, g Given) Input {
	in := Input{Name: p.Name, Type: p.Type, Shape: []int64{}}
	switch {
	case p.Type == "":
		r.problem(p.Name, "is no tensor (a sequence, a map or an optional): only tensors can be given to a model here. "+
			"Export the model with tensors as inputs")
		return in
	case !p.Type.Known():
		r.problem(p.Name, "is of %s, %s. Export the model with another type there, and a Cast behind it", p.Type,
			notTaken(p.Type))
		return in
	}
	dims := r.dimensions(p, g)
	if dims == nil {
		return in
	}
	s := &shaping{resolver: r, port: p, given: g, axis: None}
	for i, d := range dims {
		in.Shape = append(in.Shape, s.size(i, d))
	}
	s.finish(&in)
	if len(s.open) > 0 || s.failed {
		return in
	}
	if s.axis >= 0 {
		in.Batch = &s.axis
	}
	_, described := r.given[p.Name]
	in.Described = described || s.named
	r.values(p, g, &in)
	return in
}

// dimensions are the model's, or as many open ones as a person gave sizes for.
func (r *resolver) dimensions(p Port, g Given) []Dim {
	dims, wanted := p.Dims, g.Sizes
	if dims == nil {
		n := len(wanted)
		if n == 0 {
			n = len(g.Values.Shape)
		}
		if n == 0 && wanted == nil && g.Values.Kind != File {
			r.problem(p.Name, "has no shape in the model. Give it: inputs: {%s: [1, 8]}, with its sizes (the word batch "+
				"in place of the number that is the batch), or export the model with shapes", key(p.Name))
			return nil
		}
		dims = make([]Dim, n)
		for i := range dims {
			dims[i].Size = Open
		}
	}
	if wanted != nil && len(wanted) != len(dims) {
		r.problem(p.Name, "has %s in the model, %s, and %d sizes are given",
			words.Plural(len(dims), "dimension"), Declared(p), len(wanted))
		return nil
	}
	if g.AxisGiven && g.Axis >= len(dims) {
		r.problem(p.Name, "has no axis %d for the batch: its axes are counted from 0, and it has %d", g.Axis, len(dims))
		return nil
	}
	return append([]Dim{}, dims...)
}

// Declared is a port's shape as its model has it: "[batch_size, 3, ?, ?]".
func Declared(p Port) string {
	parts := make([]string, len(p.Dims))
	for i, d := range p.Dims {
		switch {
		case d.Size >= 0:
			parts[i] = fmt.Sprint(d.Size)
		case d.Symbol != "":
			parts[i] = d.Symbol
		default:
			parts[i] = "?"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// together checks what the inputs say of the batch.
func (r *resolver) together(inputs []Input) {
	fixed, by := int64(0), ""
	for _, in := range inputs {
		a := in.Axis()
		if a == None || in.Shape[a] == Open {
			continue
		}
		if n := in.Shape[a]; fixed > 0 && n != fixed {
			r.problem(in.Name, "has a batch of %d, and %s one of %d", n, by, fixed)
		}
		fixed, by = in.Shape[a], in.Name
	}
	_, axis := Fixed(inputs)
	switch {
	case len(r.Batches) == 0 || r.Trusting:
	case !axis && !slices.Contains(r.Batches, 1):
		r.problem("", "has no batch axis, so one inference handles one input, and batches asks for %v. Leave batches out, "+
			"or say which axis it is, such as inputs: {%s: {batch_axis: 0}}", r.Batches, key(first(inputs)))
	case !axis && len(r.Batches) > 1:
		r.notes = append(r.notes, "has no batch axis: it is measured one input at a time only, whatever batches says")
	case fixed > 0 && !slices.Contains(r.Batches, int(fixed)):
		r.problem(by, "has a batch of %d, and batches asks for %v. Write the word batch in place of the number where the "+
			"model leaves it open, or batches: [%d]", fixed, r.Batches, fixed)
	case fixed > 0 && len(r.Batches) > 1:
		r.notes = append(r.notes, fmt.Sprintf("has a fixed batch: it is measured with batch %d only", fixed))
	}
	if fixed > 0 { // what is open elsewhere follows
		for i, in := range inputs {
			if a := in.Axis(); a != None {
				inputs[i].Shape[a] = fixed
			}
		}
	}
}

func first(inputs []Input) string {
	if len(inputs) == 0 {
		return "x"
	}
	return inputs[0].Name
}

// key writes a name as a YAML key.
func key(name string) string {
	for _, c := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-", c) {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}
