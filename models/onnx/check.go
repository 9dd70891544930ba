package onnx

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxProblems is how many problems of one model are told.
const maxProblems = 8

// Check says in what ways the model contradicts itself: values that nobody
// makes or two make, a cycle, tensors that are not as large as they say,
// impossible shapes. A model that passes may still use operators or types that
// a runtime does not know.
func (m *Model) Check() error {
	c := &checker{}
	if len(m.Opsets) == 0 && m.IRVersion >= 3 {
		c.problem("it imports no operator set")
	}
	c.graph(m.Graph, nil)
	if len(c.problems) == 0 {
		return nil
	}
	if more := c.count - len(c.problems); more > 0 {
		c.problems = append(c.problems, fmt.Sprintf("and %d more", more))
	}
	return errors.New("the model contradicts itself: " + strings.Join(c.problems, "; "))
}

type checker struct {
	problems []string
	count    int
}

func (c *checker) problem(format string, args ...any) {
	if c.count++; c.count <= maxProblems {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// scope is the names that a graph can use: its own and those of the graphs
// around it.
type scope struct {
	names map[string]bool
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[name] {
			return true
		}
	}
	return false
}

func (c *checker) graph(g *Graph, outer *scope) {
	s := &scope{names: map[string]bool{}, outer: outer}
	for _, v := range g.Inputs {
		if s.names[v.Name] {
			c.problem("two inputs are called %q", v.Name)
		}
		s.names[v.Name] = true
	}
	constants := map[string]bool{}
	for _, t := range g.Initializers {
		if constants[t.Name] {
			c.problem("two initializers are called %q", t.Name)
		}
		constants[t.Name], s.names[t.Name] = true, true
		c.tensor(t)
	}
	for _, name := range sparseNames(g) {
		s.names[name] = true
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			if o != "" && s.names[o] {
				c.problem("%s makes %q, which there is already", label(n), o)
			}
			s.names[o] = true
		}
	}
	delete(s.names, "")
	for _, n := range g.Nodes {
		for _, i := range n.Inputs {
			if i != "" && !s.has(i) {
				c.problem("%s uses %q, which nothing makes", label(n), i)
			}
		}
		for _, a := range n.Attributes {
			c.attribute(a, s)
		}
	}
	for _, v := range g.Outputs {
		if !s.has(v.Name) {
			c.problem("nothing makes the output %q", v.Name)
		}
	}
	for _, list := range [][]*Value{g.Inputs, g.Outputs, g.Values} {
		for _, v := range list {
			c.value(v)
		}
	}
	if _, stuck := g.order(); stuck != nil {
		c.problem("its nodes form a cycle: %s needs what is made from its own output", label(stuck))
	}
}

func (c *checker) attribute(a *Attribute, s *scope) {
	if a.Tensor != nil {
		c.tensor(a.Tensor)
	}
	for _, t := range a.Tensors {
		c.tensor(t)
	}
	if a.Graph != nil {
		c.graph(a.Graph, s)
	}
	for _, g := range a.Graphs {
		c.graph(g, s)
	}
}

func (c *checker) value(v *Value) {
	for i, d := range v.Shape {
		if d.Param == "" && d.Size < -1 {
			c.problem("dimension %d of %q is %d", i+1, v.Name, d.Size)
		}
	}
}

func (c *checker) tensor(t *Tensor) {
	if _, ok := types[t.Type]; !ok {
		c.problem("tensor %q has the unknown element type %d", t.Name, int32(t.Type))
		return
	}
	for _, d := range t.Dims {
		if d < 0 {
			c.problem("tensor %q has the dimensions %v", t.Name, t.Dims)
			return
		}
	}
	if t.Outside && t.Raw == nil {
		if _, _, _, err := t.place(); err != nil {
			c.problem("%v", err)
		}
		return
	}
	if err := t.complete(); err != nil {
		c.problem("%v", err)
	}
}

// label names a node for people.
func label(n *Node) string {
	switch {
	case n.Name != "":
		return fmt.Sprintf("%s %q", n.Op, n.Name)
	case len(n.Outputs) > 0:
		return fmt.Sprintf("%s that makes %q", n.Op, n.Outputs[0])
	}
	return n.Op
}

// sparseNames are the names of sparse initializers, which are not decoded.
func sparseNames(g *Graph) (names []string) {
	const graphSparse, sparseValues = 15, 1
	d := &decoder{objects: maxObjects}
	d.each("graph", g.Unknown, func(x field) bool {
		if x.number == graphSparse && x.kind == protowire.BytesType {
			d.each("sparse tensor", x.value, func(x field) bool {
				if x.number == sparseValues && x.kind == protowire.BytesType {
					names = append(names, d.tensor(x.value).Name)
				}
				return true
			})
		}
		return true
	})
	return names
}

// order sorts the nodes so that every value is made before it is used, stably:
// a file that is in order stays as it is. stuck is a node of a cycle, nil if
// there is none. What the bodies of If, Loop and Scan use counts as used by
// the node that they belong to.
func (g *Graph) order() (sorted []*Node, stuck *Node) {
	maker := map[string]int{}
	for i, n := range g.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				maker[o] = i
			}
		}
	}
	users := make([][]int, len(g.Nodes))
	missing := make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		EachUse(n, func(name string) {
			if m, ok := maker[name]; ok {
				users[m] = append(users[m], i)
				missing[i]++
			}
		})
	}
	ready := &intHeap{}
	for i, n := range missing {
		if n == 0 {
			ready.push(i)
		}
	}
	for len(*ready) > 0 {
		i := ready.pop()
		sorted = append(sorted, g.Nodes[i])
		for _, u := range users[i] {
			if missing[u]--; missing[u] == 0 {
				ready.push(u)
			}
		}
	}
	if len(sorted) < len(g.Nodes) {
		for i, n := range missing {
			if n > 0 {
				return sorted, g.Nodes[i]
			}
		}
	}
	return sorted, nil
}

// EachUse calls f with every name that the node reads, its bodies' included.
func EachUse(n *Node, f func(name string)) {
	for _, i := range n.Inputs {
		if i != "" {
			f(i)
		}
	}
	body := func(g *Graph) {
		if g == nil {
			return
		}
		own := map[string]bool{} // a body may not shadow, but may define
		for _, v := range g.Inputs {
			own[v.Name] = true
		}
		for _, t := range g.Initializers {
			own[t.Name] = true
		}
		for _, n := range g.Nodes {
			for _, o := range n.Outputs {
				own[o] = true
			}
		}
		for _, n := range g.Nodes {
			EachUse(n, func(name string) {
				if !own[name] {
					f(name)
				}
			})
		}
		for _, v := range g.Outputs {
			if !own[v.Name] {
				f(v.Name)
			}
		}
	}
	for _, a := range n.Attributes {
		body(a.Graph)
		for _, g := range a.Graphs {
			body(g)
		}
	}
}

// intHeap pops the smallest number first.
type intHeap []int

func (h *intHeap) push(v int) {
	*h = append(*h, v)
	s := *h
	for i := len(s) - 1; i > 0 && s[(i-1)/2] > s[i]; i = (i - 1) / 2 {
		s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
	}
}

func (h *intHeap) pop() int {
	s := *h
	top := s[0]
	s[0] = s[len(s)-1]
	s = s[:len(s)-1]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < len(s) && s[child+1] < s[child] {
			child++
		}
		if child >= len(s) || s[i] <= s[child] {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*h = s
	return top
}
