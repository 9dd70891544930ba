package pictures

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/files"
	"chexp/models/pictures/pack"
)

// Listing is what lies in a folder of somebody's data.
type Listing struct {
	Files []File // class by class, by name
	// Classes are the names of the classes, in the order of the model's
	// outputs; nil: there are none.
	Classes []string
	Order   string // says in words where that order is from
	LeftOut LeftOut
}

// File is one of them.
type File struct {
	Path  string
	Label int // index in Classes
}

// Wanted says what of a folder is listed.
type Wanted struct {
	Classes []string // all classes, in the order of the model's outputs; nil: the folders
	From    string   // where Classes is from, for people
	Also    []string // extensions of files that are taken besides pictures
	// Loose: files need not lie in folders; those that do not have no class.
	Loose bool
}

// SortClasses puts the names of folders in the one order in which they are a
// model's classes here: by number where all are numbers (9 before 10, as they
// were meant), else by name, as torchvision's ImageFolder and Keras do.
func SortClasses(names []string) (sorted []string, byNumber bool) {
	sorted = slices.Clone(names)
	numbers := map[string]uint64{}
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			numbers[name] = n
		}
	}
	byNumber = len(numbers) == len(names) && len(names) > 0
	slices.SortFunc(sorted, func(a, b string) int {
		if byNumber && numbers[a] != numbers[b] {
			return cmp.Compare(numbers[a], numbers[b])
		}
		return strings.Compare(a, b)
	})
	return sorted, byNumber
}

// List finds the files of a folder and their classes.
func List(tree fs.FS, w Wanted) (Listing, error) {
	l := Listing{}
	top, folders, err := classFolders(tree)
	if err != nil {
		return l, err
	}
	entries, err := fs.ReadDir(tree, top)
	if err != nil {
		return l, err
	}
	var loose []string
	for _, e := range entries {
		if name := path.Join(top, e.Name()); !e.IsDir() && !Ignored(e.Name()) {
			switch {
			case w.takes(tree, name):
				loose = append(loose, name)
			case len(folders) == 0:
				l.LeftOut.addFile(name)
			}
		}
	}
	if w.Loose && len(loose) > 0 || len(folders) == 0 {
		for _, name := range loose {
			l.Files = append(l.Files, File{Path: name})
		}
		for _, name := range folders {
			l.LeftOut.add("folder beside the files", path.Join(top, name))
		}
		return l, nil
	}
	for _, name := range loose {
		l.LeftOut.add("beside the classes' folders", name)
	}
	return l, l.classes(tree, top, folders, w)
}

// takes says whether a file is listed.
func (w Wanted) takes(tree fs.FS, name string) bool {
	return slices.Contains(w.Also, strings.ToLower(path.Ext(name))) || isPicture(tree, name)
}

// classes lists the files of each folder. All folders that are wrong are named.
func (l *Listing) classes(tree fs.FS, top string, folders []string, w Wanted) error {
	folders, byNumber := SortClasses(folders)
	l.Classes, l.Order = folders, "folders by name"
	if byNumber {
		l.Order = "folders by number"
	}
	if w.Classes != nil {
		l.Classes, l.Order = w.Classes, w.From
	}
	if len(l.Classes) > pack.MaxClasses {
		return fmt.Errorf("%d classes; at most %d are possible", len(l.Classes), pack.MaxClasses)
	}
	at := make(map[string]int, len(l.Classes))
	for i, name := range l.Classes {
		at[name] = i
	}
	var problems []error
	for _, folder := range folders {
		label, ok := at[folder]
		if !ok {
			problems = append(problems, fmt.Errorf("folder %s is named after no class of %s", folder, w.From))
			continue
		}
		before := len(l.Files)
		if err := l.folder(tree, path.Join(top, folder), label, w); err != nil {
			return err
		}
		if len(l.Files) == before {
			problems = append(problems, fmt.Errorf("folder %s has no %s picture in it", folder, Formats))
		}
	}
	if len(problems) > maxProblems {
		problems = append(problems[:maxProblems], fmt.Errorf("and %d more", len(problems)-maxProblems))
	}
	return errors.Join(problems...)
}

func (l *Listing) folder(tree fs.FS, dir string, label int, w Wanted) error {
	entries, err := fs.ReadDir(tree, dir) // sorted by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if Ignored(e.Name()) {
			continue
		}
		switch {
		case e.IsDir():
			l.LeftOut.add("folder inside a class", name)
		case w.takes(tree, name):
			l.Files = append(l.Files, File{name, label})
		default:
			l.LeftOut.addFile(name)
		}
	}
	return nil
}

// Said tells in one line which class is which output, as far as there is room:
// "12 classes, folders by number: 0 is class 0, 1 is class 1, … 11 is class 11".
func (l Listing) Said() string {
	n := len(l.Classes)
	if n == 0 {
		return ""
	}
	var parts []string
	for i, name := range l.Classes {
		if n > 4 && i > 1 && i < n-1 {
			if i == 2 {
				parts = append(parts, "…")
			}
			continue
		}
		parts = append(parts, fmt.Sprintf("%s is %d", name, i))
	}
	kind := "classes"
	if n == 1 {
		kind = "class"
	}
	return fmt.Sprintf("%d %s, %s: %s", n, kind, l.Order, strings.Join(parts, ", "))
}

// classFolders lists the folders below the top, which may itself lie in one
// folder, as in most archives.
func classFolders(tree fs.FS) (top string, folders []string, err error) {
	top = "."
	for {
		entries, err := fs.ReadDir(tree, top)
		if err != nil {
			return "", nil, err
		}
		folders = nil
		for _, e := range entries {
			if e.IsDir() && !Ignored(e.Name()) {
				folders = append(folders, e.Name())
			}
		}
		if len(folders) != 1 || top != "." {
			return top, folders, nil
		}
		inner, err := fs.ReadDir(tree, folders[0])
		if err != nil {
			return "", nil, err
		}
		if !slices.ContainsFunc(inner, func(e fs.DirEntry) bool { return e.IsDir() && !Ignored(e.Name()) }) {
			return top, folders, nil // one class
		}
		top = folders[0]
	}
}

// maxLabels bounds a file of names.
const maxLabels = 8 << 20

// ReadLabels reads the names of classes, one a line.
func ReadLabels(file string) (labels []string, err error) {
	data, err := files.Read(file, maxLabels)
	if err != nil {
		return nil, err
	}
	lines, seen := bufio.NewScanner(bytes.NewReader(data)), map[string]bool{}
	for lines.Scan() {
		l := strings.TrimSpace(lines.Text())
		if l == "" {
			continue
		}
		if seen[l] {
			return nil, fmt.Errorf("labels %s: %q stands there twice", file, l)
		}
		seen[l] = true
		if labels = append(labels, l); len(labels) > pack.MaxClasses {
			break
		}
	}
	if len(labels) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("labels %s: there are no class names in it, one a line", file)
	}
	return labels, lines.Err()
}
