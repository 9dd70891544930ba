package seal

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/store"
)

// How is what happened to a file.
type How string

// What can have happened.
const (
	Changed How = "changed"
	Missing How = "missing"
	Added   How = "added"
)

// Fault is a file that is not as it was sealed.
type Fault struct {
	How  How    `json:"state"`
	File string `json:"file"`
	Text string `json:"text"`
}

// Verdict is what verifying a run found.
type Verdict struct {
	// Unavailable says why nothing can be told of the run; then the rest is empty.
	Unavailable string
	Seals       int
	Last        Seal
	Faults      []Fault
	Signed      []Signature // oldest first; each is of its seal, whoever made it
	// Open says that a chexp has worked in the directory since the last seal and has
	// not sealed it: what such work changes is not judged.
	Open bool
}

// Verify holds a run's directory against its seals.
func Verify(r *store.Run) (v Verdict, err error) {
	r = r.Whole()
	seals, faults := chain(r)
	if len(seals) == 0 && len(faults) == 0 {
		return Verdict{Unavailable: "the run has no seal: its chexp was older than seals, or was killed before it made one"},
			nil
	}
	v.Seals, v.Faults = len(seals), faults
	for _, s := range seals {
		key, err := signed(r, s)
		switch {
		case err != nil:
			v.Faults = append(v.Faults, Fault{Changed, s.Name() + signature, err.Error()})
		case key != nil:
			v.Signed = append(v.Signed, Signature{s.N, s.Name() + signature, key})
		}
	}
	if len(seals) == 0 {
		return v, nil
	}
	now, err := look(r)
	if err != nil {
		return v, r.Damaged("the directory", err)
	}
	v.Last = seals[len(seals)-1]
	_, unsealed := os.Lstat(filepath.Join(r.Dir, openMark))
	v.Open = unsealed == nil || now.sizes[journal] > v.Last.Grows[journal]
	v.Faults = append(v.Faults, now.against(r, v.Last, v.Open)...)
	return v, nil
}

// journal is the file that a chexp adds to when it measures.
const journal = "journal.jsonl"

// openMark is there from when a chexp begins to work in a run until it has sealed it,
// and stays behind if the chexp is killed: not all work adds to the journal.
const openMark = ".open"

// against holds what is there against a seal.
func (s state) against(r *store.Run, last Seal, open bool) (faults []Fault) {
	for _, name := range slices.Sorted(maps.Keys(last.Files)) {
		sealed, sum := last.Files[name], s.sums[name]
		size, growing := last.Grows[name]
		if open && growing && s.sizes[name] > size {
			sum = prefix(r, name, size)
		}
		switch {
		case sum == sealed || open && !growing && !evidence(name):
		case s.odd[name] != "":
			faults = append(faults, Fault{Changed, name, s.odd[name]})
		case sum == "" && s.sums[name] == "":
			faults = append(faults, Fault{Missing, name, "it was there when the run was sealed"})
		default:
			faults = append(faults, Fault{Changed, name, "its SHA-256 is not the one that was sealed, " + sealed[:12] + "…"})
		}
	}
	if open {
		return faults
	}
	for _, name := range slices.Sorted(maps.Keys(s.sums)) {
		if last.Files[name] == "" {
			faults = append(faults, Fault{Added, name, "it was not there when the run was sealed"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.odd)) {
		if last.Files[name] == "" {
			faults = append(faults, Fault{Added, name, s.odd[name]})
		}
	}
	return faults
}

// Err is an error that names what is not as it was sealed, and says what to do; nil if
// all is.
func (v Verdict) Err(r *store.Run, advice string) error {
	if len(v.Faults) == 0 {
		return nil
	}
	return failure.Storage.Errorf("run %s is not what was sealed: %s", r.Whole().ID, v.Named()).Advise("%s", advice)
}

// Named names the files that are not as they were sealed.
func (v Verdict) Named() string {
	by := map[How][]string{}
	for _, f := range v.Faults {
		by[f.How] = append(by[f.How], f.File)
	}
	var parts []string
	for _, how := range []How{Changed, Missing, Added} {
		if by[how] != nil {
			parts = append(parts, string(how)+": "+words.Line(words.List(by[how], ", ", 8), words.MaxSentence))
		}
	}
	return strings.Join(parts, "; ")
}

// Before is what was wrong with a run before a program began to work in its
// directory: its next seal must not cover that up.
type Before struct {
	run     *store.Run
	faults  []Fault
	now     state
	seals   []Seal
	journal int64
}

// Begin looks at a run before a program works in its directory.
func Begin(r *store.Run) Before {
	b := Before{run: r.Whole()}
	b.seals, _ = chain(b.run)
	b.now, _ = look(b.run) // what cannot be read is faulty then as before
	b.journal = b.now.sizes[journal]
	if v, err := Verify(b.run); err == nil {
		b.faults = v.Faults
	}
	if len(b.seals) > 0 && !b.broken() {
		_ = b.run.Replace(openMark, nil) // if it cannot be written, the journal alone tells
	}
	return b
}

// broken reports whether the seals themselves are not what was written: then no other
// can follow them.
func (b Before) broken() bool {
	return slices.ContainsFunc(b.faults, func(f Fault) bool { return strings.HasPrefix(f.File, Dir+"/") })
}

// Seal writes the next seal of a run, if anything is new since the last. What was not
// as it was sealed before, and nobody has put right since, keeps its old sum, so that
// it is still found. A run that was never sealed is sealed only once more of it was
// measured: what was read again tells nothing of what happened to it before.
func (b Before) Seal(at time.Time) error {
	now, err := look(b.run)
	if err != nil || now.sums[journal] == "" || b.broken() || len(b.seals) == 0 && b.journal == now.sizes[journal] {
		return err
	}
	next := Seal{N: len(b.seals) + 1, Run: b.run.ID, Time: at, Files: now.sums, Grows: map[string]int64{}}
	for name, size := range now.sizes {
		if grows(name) {
			next.Grows[name] = size
		}
	}
	if len(b.seals) > 0 {
		last := b.seals[len(b.seals)-1]
		next.Before, next.Run = last.sum, last.Run
		b.carry(now, last, next)
		if maps.Equal(next.Files, last.Files) {
			return b.close()
		}
	}
	if err := b.run.WriteOnce(next.Name(), next.bytes()); err != nil {
		return err
	}
	return b.close()
}

// close says that no work is left that is not sealed.
func (b Before) close() error {
	if err := os.Remove(filepath.Join(b.run.Dir, openMark)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Still is what was wrong with the run's evidence before the program began, and is
// still: what the program itself has written since is as it shall be.
func (b Before) Still() (Verdict, error) {
	now, err := look(b.run)
	return Verdict{Faults: b.still(now)}.Evidence(), err
}

// still leaves out the faults of files that were written meanwhile.
func (b Before) still(now state) (faults []Fault) {
	for _, f := range b.faults {
		if now.sums[f.File] == b.now.sums[f.File] || grows(f.File) {
			faults = append(faults, f)
		}
	}
	return faults
}

// carry puts the sums of what was wrong before, and is still, into the next seal.
func (b Before) carry(now state, last, next Seal) {
	for _, f := range b.still(now) {
		delete(next.Files, f.File)
		delete(next.Grows, f.File)
		if sum := last.Files[f.File]; sum != "" {
			next.Files[f.File] = sum
			if size, ok := last.Grows[f.File]; ok {
				next.Grows[f.File] = size
			}
		}
	}
}

// String says in a line how a run stands.
func (v Verdict) String() string {
	switch {
	case v.Unavailable != "":
		return "not verified: unavailable: " + v.Unavailable
	case len(v.Faults) > 0:
		return "not what was sealed: " + v.Named()
	case v.Open:
		return "not sealed since a chexp has worked in it, which was cut off or is at work"
	}
	return "verified: " + words.Plural(len(v.Last.Files), "file") + " as sealed" +
		words.When(len(v.Signed) > 0 && v.Signed[len(v.Signed)-1].Seal == v.Seals, " and signed")
}

// Evidence is the verdict without what is written again by `chexp results report`.
func (v Verdict) Evidence() Verdict {
	v.Faults = slices.DeleteFunc(slices.Clone(v.Faults), func(f Fault) bool { return derived(f.File) })
	return v
}
