package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/words"
)

// Problem is one thing that is wrong with an experiment file. Line and Column
// count from 1; 0 means that the problem has no place in the file.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path,omitempty"` // "lease.duration", "models[1].sha256"
	Msg    string `json:"message"`        // what is wrong and what is allowed
}

// String is `file:line:col: path: message`, which editors can jump to.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Msg)
	return b.String()
}

// Problems are all the problems of one file, in the order of its lines.
type Problems []Problem

// Error is one problem per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what a person is shown; a file with more is not a typo.
const maxProblems = 100

// err sorts by place, bounds, and returns nil when there are none.
func (ps Problems) err(file string) error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if more := len(ps) - maxProblems; more > 0 {
		ps = append(ps[:maxProblems:maxProblems], Problem{File: file, Msg: fmt.Sprintf("and %d more problems", more)})
	}
	return ps
}

// position is a place in the file.
type position struct{ line, column int }

// Problemf makes a problem at the place of a path such as "models[1].builtin"
// or "providers[0]", for those who find out later than Parse that an
// experiment cannot run. A path that the file does not have is reported at the
// nearest section around it.
func (e *Experiment) Problemf(path, format string, args ...any) Problem {
	p := Problem{File: e.file, Path: path, Msg: fmt.Sprintf(format, args...)}
	for at := path; ; {
		if pos, ok := e.positions[at]; ok {
			p.Line, p.Column = pos.line, pos.column
			return p
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			return p
		}
		at = at[:i]
	}
}

// Where is the place of a part of the experiment, as a Problem says it.
func (e *Experiment) Where(path string) string {
	return strings.TrimSuffix(e.Problemf(path, "").String(), ": ")
}

// didYouMean is " (did you mean x?)" or, when nothing is near, what is allowed.
func didYouMean(s string, allowed []string) string {
	if n := words.Nearest(s, allowed); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "allowed: " + strings.Join(allowed, ", ")
}
