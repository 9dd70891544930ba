package findings

import (
	"fmt"
	"slices"
	"strings"
)

type builder struct {
	*Table
	notes  map[string]int     // key → index in Table.Notes
	shared map[string]*shared // of the footnotes of several trials, by key
}

// note returns the mark of a footnote; the same key is the same footnote.
func (b *builder) note(key, text string) int {
	if b.notes == nil {
		b.notes = map[string]int{}
	}
	i, ok := b.notes[key]
	if !ok {
		i = len(b.Notes)
		b.notes[key] = i
		b.Notes = append(b.Notes, Note{Mark: i + 1, Text: text})
	}
	return i + 1
}

func (b *builder) known(key string) bool {
	_, ok := b.notes[key]
	return ok
}

func (b *builder) mark(r *Row, column, key, text string) {
	m := b.note(key, text)
	if !slices.Contains(r.Marks[column], m) {
		r.Marks[column] = append(r.Marks[column], m)
	}
	if !slices.Contains(r.Notes, m) {
		r.Notes = append(r.Notes, m)
	}
}

// alike marks a cell with a footnote that trials share though their numbers
// differ; the text is that of the first.
func (b *builder) alike(r *Row, column, key, text, advice string) {
	b.mark(r, column, key, text)
	if b.shared == nil {
		b.shared = map[string]*shared{}
	}
	s := b.shared[key]
	if s == nil {
		s = &shared{text: text, advice: advice}
		b.shared[key] = s
	}
	s.trials++
	s.differ = s.differ || s.text != text
}

// shared is a footnote of several trials.
type shared struct {
	text, advice string
	trials       int
	differ       bool
}

// finishNotes says of shared footnotes how many trials they are about, and
// gives every footnote a full stop.
func (b *builder) finishNotes() {
	for key, s := range b.shared {
		t := s.text
		if s.differ {
			t += fmt.Sprintf(" (so or alike in %d trials)", s.trials)
		}
		if s.advice != "" {
			t += ". " + strings.ToUpper(s.advice[:1]) + s.advice[1:]
		}
		b.Notes[b.notes[key]].Text = t
	}
	for i := range b.Notes {
		if t := b.Notes[i].Text; !strings.HasSuffix(t, ".") {
			b.Notes[i].Text = t + "."
		}
	}
}
