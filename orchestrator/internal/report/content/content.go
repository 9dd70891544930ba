// Package content holds what a report says, before anyone draws it: headlines,
// tables of cells, sentences and footnotes. [OfRun] makes it of one run and
// [OfComparison] of several; the terminal, Markdown and the pages draw the same
// [Document], so they cannot disagree.
package content

import (
	"slices"

	"chexp/orchestrator/internal/report/findings"
)

// Document is what a report says, in the order in which it is read.
type Document struct {
	Headline []string // what was run, where and when, one fact a line
	Cautions []string // hold for the whole of it
	Tables   []Table
	// Scatter is the table of what each level adds to the scatter, nil where that is
	// not known; a page draws it as pictures.
	Scatter *Table
	// Trials is one level below the tables: what each trial gave. Nil where it is not
	// asked for.
	Trials   *Table
	Answer   string
	Details  []string
	Next     string // what to do now
	Sections []Section
	Notes    []Note
	Legend   []string // what the numbers are
	Dir      string   // where the raw values lie on this machine
}

// Note is a footnote.
type Note = findings.Note

// Section is a heading with lines under it.
type Section struct {
	Head  string
	Lines []Line
	Foot  string
}

// Line is a line of a section. A line that is Below explains the one above it.
type Line struct {
	Text  string
	Below bool
}

// Table has rows of cells, one cell for each column.
type Table struct {
	Title   string
	Columns []Column
	Rows    [][]Cell
	Foot    []string
}

// Column is the head of a column, and how the column gives way where the table is
// too wide. Ranks count from 1, which gives way first; 0 never does.
type Column struct {
	Key   string
	Head  string
	Right bool   // it is aligned to the right
	Fold  int    // rank: where all rows have the same, it becomes a sentence
	Leave int    // rank: it is left out
	Last  bool   // it is left out where nothing else helps
	Short string // another head, and what that means
	Means string
	Least int    // its texts may be shortened to this width
	Note  string // explains the column below the table, as long as it is there
}

// Dash stands in a cell that has nothing to say.
const Dash = "-"

// Cell is a text with its footnotes and a colour.
type Cell struct {
	Text  string
	Why   string // a reason, which may be left to the footnote
	Marks []int
	Tone  Tone
	Sign  string // says the same as the colour to those who cannot tell colours apart
}

// Full is the text with its reason.
func (c Cell) Full() string {
	if c.Why != "" {
		return c.Text + ": " + c.Why
	}
	return c.Text
}

// Empty reports whether the cell has nothing to say.
func (c Cell) Empty() bool { return c.Text == Dash && len(c.Marks) == 0 }

// Tone is what a colour says of a cell.
type Tone string

// Tones; most cells have none.
const (
	Plain Tone = ""
	Good  Tone = "good"
	Bad   Tone = "bad"
	Open  Tone = "open" // unknown, skipped, doubtful
)

// Without returns the table without the columns of these keys.
func (t Table) Without(keys ...string) Table {
	for i := len(t.Columns) - 1; i >= 0; i-- {
		if slices.Contains(keys, t.Columns[i].Key) {
			t = t.Drop(i)
		}
	}
	return t
}

// Drop returns the table without column i.
func (t Table) Drop(i int) Table {
	t.Columns = slices.Delete(slices.Clone(t.Columns), i, i+1)
	rows := make([][]Cell, len(t.Rows))
	for j, r := range t.Rows {
		rows[j] = slices.Delete(slices.Clone(r), i, i+1)
	}
	t.Rows = rows
	return t
}

// field is a column together with the function that makes its cells.
type field[R any] struct {
	Column
	cell func(R) Cell
}

// tabulate makes a table with one row of cells for each of rows.
func tabulate[R any](rows []R, fields []field[R]) (t Table) {
	for _, f := range fields {
		t.Columns = append(t.Columns, f.Column)
	}
	for _, r := range rows {
		line := make([]Cell, len(fields))
		for i, f := range fields {
			line[i] = f.cell(r)
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}
