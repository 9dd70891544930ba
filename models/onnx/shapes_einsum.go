package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// einsumSizes reads an equation: the size of each letter, and the output's letters.
// Ellipses are not read.
func einsumSizes(n *Node, inputs [][]int64) (size map[rune]int64, out string, err error) {
	equation := strings.ReplaceAll(n.TextAttr("equation", ""), " ", "")
	left, out, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if strings.Contains(equation, ".") || len(terms) != len(inputs) {
		return nil, "", fmt.Errorf("its equation is %q", equation)
	}
	size, seen := map[rune]int64{}, map[rune]int{}
	for i, term := range terms {
		if len(term) != len(inputs[i]) {
			return nil, "", fmt.Errorf("its equation is %q, for %v", equation, inputs)
		}
		for k, letter := range term {
			size[letter] = max(size[letter], inputs[i][k])
			seen[letter]++
		}
	}
	if !explicit {
		var once []rune
		for letter, n := range seen {
			if n == 1 {
				once = append(once, letter)
			}
		}
		slices.Sort(once)
		out = string(once)
	}
	return size, out, nil
}

func einsum(c *call) ([]*value, error) {
	var inputs [][]int64
	for i := range c.n.Inputs {
		x, err := c.dims(i)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, x)
	}
	size, out, err := einsumSizes(c.n, inputs)
	if err != nil {
		return nil, err
	}
	dims := []int64{}
	for _, letter := range out {
		dims = append(dims, size[letter])
	}
	return shaped(dims...), nil
}

// countEinsum: of two operands, one product for each combination of all letters.
// More operands are multiplied in an order that the runtime chooses.
func countEinsum(p *productCounter, n *Node) (float, integer int64, err error) {
	var at []int
	for i := range n.Inputs {
		at = append(at, i)
	}
	inputs, err := p.inputs(n, at...)
	if err != nil {
		return 0, 0, err
	}
	size, _, err := einsumSizes(n, inputs)
	if err != nil || len(inputs) > 2 {
		return 0, 0, orElse(err, "%s: it multiplies %d operands at once", label(n), len(inputs))
	}
	if len(inputs) == 1 {
		return 0, 0, nil
	}
	all := []int64{}
	for _, s := range size {
		all = append(all, s)
	}
	float, err = counted(n, times(all...))
	return float, 0, err
}
