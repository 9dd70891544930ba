package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/emulator"
	"chexp/orchestrator/internal/store"
)

// atRest is how long a temporary file that nobody's lock guards must have been left
// alone before it counts as left behind.
const atRest = time.Hour

// findFiles finds what is left on this machine: temporary files, partial results
// whose whole ones are there, and the directories of killed rehearsals.
func (h *heap) findFiles() {
	for _, s := range h.runs {
		switch {
		case store.InUse(s):
		case h.neverBegan(s):
		default:
			h.findTemporary(s.Dir, "run "+s.ID, time.Time{})
			h.findSuperseded(s)
		}
	}
	if cache, err := cacheDir(); err == nil {
		h.findTemporary(cache, "this user's cache", time.Now().Add(-atRest))
	}
	h.findRehearsals()
}

// aStillborn is a run that was killed before it had a journal: it has asked for
// nothing and measured nothing.
const aStillborn = "run that never began"

func (h *heap) neverBegan(s *store.Run) bool {
	st, err := os.Lstat(s.Dir)
	if err != nil || !mine(st) || !stillborn(s) {
		return false
	}
	h.all = append(h.all, litter{What: aStillborn, Name: s.Dir, Where: "this machine", Since: st.ModTime(),
		Bytes: sizeOf(s.Dir), Why: "its name"})
	return true
}

// stillborn reports whether a run has no journal, and nothing in any of its folders:
// one whose journal got lost may have results.
func stillborn(s *store.Run) bool {
	if _, err := s.Entries(); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	entries, err := os.ReadDir(s.Dir)
	for _, e := range entries {
		if e.Type().IsRegular() {
			continue
		}
		inside, unread := os.ReadDir(filepath.Join(s.Dir, e.Name()))
		if !e.IsDir() || unread != nil || len(inside) > 0 {
			return false
		}
	}
	return err == nil
}

// removeStillborn deletes such a run, unless it has begun since it was listed.
func removeStillborn(dir string) error {
	s := &store.Run{ID: filepath.Base(dir), Dir: dir}
	if err := s.Lock(); err != nil {
		return err
	}
	defer s.Unlock()
	if !stillborn(s) {
		return nil
	}
	return os.RemoveAll(dir)
}

// findTemporary finds the temporary files and folders below dir that chexp writes
// before it renames them; with a time, those that were last written before.
func (h *heap) findTemporary(dir, whose string, before time.Time) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // what cannot be read is not ours
		if err != nil || path == dir {
			return nil
		}
		temp, _ := filepath.Match(files.TempPattern, d.Name())
		fetched := d.IsDir() && strings.HasPrefix(d.Name(), store.FetchPrefix)
		if !fetched && (!temp || !d.Type().IsRegular()) {
			return nil
		}
		st, err := d.Info()
		if err == nil && mine(st) && (before.IsZero() || st.ModTime().Before(before)) {
			what := "temporary file"
			if fetched {
				what = "temporary folder"
			}
			h.all = append(h.all, litter{What: what, Name: path, Where: "this machine", Since: st.ModTime(),
				Bytes: sizeOf(path), Why: "its name; in the directory of " + whose})
		}
		if fetched {
			return fs.SkipDir
		}
		return nil
	})
}

// aPartial and anEmptyFolder are what [heap.findSuperseded] finds.
const (
	aPartial      = "partial result"
	anEmptyFolder = "empty folder"
)

// findSuperseded finds partial results of trials whose whole results are there, and
// folders of them that are empty then. All others are kept: they were measured.
func (h *heap) findSuperseded(s *store.Run) {
	for _, part := range store.Parts(s) {
		dir := filepath.Join(part.Dir, store.PartialDir)
		entries, err := files.ReadDir(dir, 100_000)
		if err != nil {
			continue
		}
		found := func(what, name string, st fs.FileInfo, why string) {
			h.all = append(h.all, litter{What: what, Name: name, Where: "this machine", Since: st.ModTime(), Bytes: st.Size(),
				Run: s.ID, Why: "run " + s.ID + why})
		}
		over, sums := 0, fs.FileInfo(nil)
		for _, e := range entries {
			st, err := e.Info()
			if err != nil || !st.Mode().IsRegular() || !mine(st) {
				continue
			}
			if e.Name() == files.SumsName { // of those that are kept, if any are
				sums = st
				continue
			}
			// One that is damaged replaces nothing.
			if part.ReadJSON(filepath.Join(store.ResultsDir, e.Name()), new(trial.Result)) == nil {
				over++
				found(aPartial, filepath.Join(dir, e.Name()), st, ", which has the whole one")
			}
		}
		if sums != nil {
			over++
		}
		if st, err := os.Lstat(dir); err == nil && st.IsDir() && mine(st) && over == len(entries) {
			if sums != nil {
				found(aPartial, filepath.Join(dir, files.SumsName), sums, ", which has the whole ones")
			}
			found(anEmptyFolder, dir, st, "")
		}
	}
}

// findRehearsals finds the directories of emulators that were killed.
func (h *heap) findRehearsals() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), emulator.TempPattern))
	for _, dir := range dirs {
		st, err := os.Lstat(dir)
		if err != nil || !st.IsDir() || !mine(st) {
			continue
		}
		h.all = append(h.all, litter{What: "rehearsal", Name: dir, Where: "this machine", Since: st.ModTime(),
			Bytes: sizeOf(dir), Why: "its name and its owner", Stays: inUse(dir, st)})
	}
}

// inUse is why the directory of an emulator is left alone; "" when its emulator is
// dead: nobody listens at its address any more.
func inUse(dir string, st fs.FileInfo) string {
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), " "+dir+"/") {
		return "something is mounted in it"
	}
	data, err := files.Read(filepath.Join(dir, "clouds.yaml"), 1<<20)
	if err != nil {
		if time.Since(st.ModTime()) < atRest {
			return "its emulator may just be starting"
		}
		return ""
	}
	for line := range strings.Lines(string(data)) {
		_, address, ok := strings.Cut(line, "auth_url:")
		if !ok {
			continue
		}
		u, err := url.Parse(strings.Trim(strings.TrimSpace(address), `"'`))
		if err != nil {
			return "it has no address to ask at"
		}
		conn, err := net.DialTimeout("tcp", u.Host, time.Second)
		if err == nil {
			conn.Close()
			return "its emulator, or another program at its address, is up"
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return "whether its emulator is up cannot be found out: " + err.Error()
		}
	}
	return ""
}

// removeFiles deletes what is to be deleted on this machine.
func (h *heap) removeFiles() (failed error) {
	for _, x := range h.all {
		if x.Stays != "" || x.thing.Kind != "" || h.c.Err() != nil {
			continue
		}
		remove := os.RemoveAll
		switch x.What {
		case anEmptyFolder:
			remove = os.Remove
		case aStillborn:
			remove = removeStillborn
		}
		if err := remove(x.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, fmt.Errorf("delete %s: %w", x.Name, err))
		}
	}
	return failed
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// sizeOf adds up the files below a path.
func sizeOf(path string) (n int64) {
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error { // what cannot be read counts nothing
		if err != nil {
			return nil
		}
		if st, err := d.Info(); err == nil && st.Mode().IsRegular() {
			n += st.Size()
		}
		return nil
	})
	return n
}
