package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"chexp/experiments/files"
	"chexp/orchestrator/internal/store"
)

// state is what lies in a run's directory: the sum and the size of each file, and
// what is no file.
type state struct {
	sums  files.Sums
	sizes map[string]int64
	odd   map[string]string // what is neither a regular file nor a folder, or cannot be read, and why
}

// look reads a run's directory.
func look(r *store.Run) (s state, err error) {
	root, err := files.OpenRoot(r.Dir)
	if err != nil {
		return s, err
	}
	defer root.Close()
	s = state{files.Sums{}, map[string]int64{}, map[string]string{}}
	return s, s.folder(root, ".", 0)
}

func (s state) folder(root *os.Root, dir string, depth int) error {
	entries, err := files.ReadDirIn(root, dir, maxFiles)
	if err != nil {
		s.odd[dir] = err.Error()
		return nil
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case litter(e.Name()), dir == "." && working(e.Name()):
		case e.IsDir() && depth < maxDepth:
			if err := s.folder(root, name, depth+1); err != nil {
				return err
			}
		case !e.Type().IsRegular():
			s.odd[name] = "it is no regular file"
		case len(s.sums) == maxFiles:
			return fmt.Errorf("it holds more than %d files", maxFiles)
		default:
			sum, size, err := hash(root, name, files.NoLimit)
			if err != nil {
				s.odd[name] = err.Error()
				continue
			}
			s.sums[name], s.sizes[name] = sum, size
		}
	}
	return nil
}

// hash is the sum of the first bytes of a file, and of how many.
func hash(root *os.Root, name string, most int64) (sum string, size int64, err error) {
	f, err := files.OpenIn(root, name, files.NoLimit)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, io.LimitReader(f, most))
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// prefix is the sum of the first bytes of a file; "" if it has fewer.
func prefix(r *store.Run, name string, size int64) string {
	root, err := files.OpenRoot(r.Dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	sum, n, err := hash(root, name, size)
	if err != nil || n != size {
		return ""
	}
	return sum
}

// working reports whether a name at the top of a run's directory is of what chexps
// work with, and says nothing of what was measured.
func working(name string) bool {
	return name == Dir || name == openMark || name == ".lock" || name == ".ballast" || name == "releaser.log" ||
		name == store.WantedFile
}

// litter reports whether a file is one that is being written, or one that a computer
// leaves in everybody's folders.
func litter(name string) bool {
	temp, _ := path.Match(files.TempPattern, name)
	return temp || strings.HasPrefix(name, store.FetchPrefix) || strings.HasPrefix(name, "._") || name == ".DS_Store"
}

// grows reports whether a file is one that is only ever added to.
func grows(name string) bool { return strings.HasSuffix(name, ".jsonl") }

// evidence reports whether a file is written once, whatever else happens to the run.
func evidence(name string) bool {
	dir, base := path.Split(name)
	switch base {
	case store.ExperimentFile, store.PlanFile, store.ModelsFile, store.RehearsalFile, store.ReplayFile:
		return dir == ""
	}
	return path.Base(dir) == store.ResultsDir && strings.HasSuffix(base, ".json")
}

// derived reports whether a file is made from the others.
func derived(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "report.") || base == "bench.txt"
}

// File is a file of a run's directory.
type File struct {
	Name   string
	SHA256 string
	Bytes  int64
}

// Files lists what belongs to a run, its seals included, sorted by name.
func Files(r *store.Run) ([]File, error) {
	now, err := look(r.Whole())
	if err != nil {
		return nil, err
	}
	root, err := files.OpenRoot(r.Whole().Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if _, err := root.Lstat(Dir); err == nil {
		if err := now.folder(root, Dir, 1); err != nil {
			return nil, err
		}
	}
	var all []File
	for _, name := range slices.Sorted(maps.Keys(now.sums)) {
		all = append(all, File{name, now.sums[name], now.sizes[name]})
	}
	return all, nil
}
