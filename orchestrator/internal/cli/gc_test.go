package cli

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/files"
	"chexp/orchestrator/internal/store"
)

// The directory of an emulator is litter once nobody listens at its address; one
// that may just be starting is not.
func TestDeadRehearsal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	look := func() string {
		st, err := os.Lstat(dir)
		if err != nil {
			t.Fatal(err)
		}
		return inUse(dir, st)
	}
	if look() == "" {
		t.Error("one that is just being made counts as dead")
	}
	old := time.Now().Add(-2 * atRest)
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
	if why := look(); why != "" {
		t.Errorf("one that was killed before it had an address: %s", why)
	}
	clouds := fmt.Sprintf("clouds:\n  x:\n    auth:\n      auth_url: \"http://%s/v3\"\n", l.Addr())
	if err := os.WriteFile(filepath.Join(dir, "clouds.yaml"), []byte(clouds), 0o600); err != nil {
		t.Fatal(err)
	}
	if look() == "" {
		t.Error("one that is up counts as dead")
	}
	l.Close()
	if why := look(); why != "" {
		t.Errorf("a dead one: %s", why)
	}
}

// chexp's mark is a whole run id, with the numbers of attempts and devices behind it.
func TestMark(t *testing.T) {
	for name, want := range map[string]bool{
		"20261130t170322z-quickstart-abcd": true, "20261130t170322z-a-b-abcd-2": true, "20261130t170322z-a-abcd-d3-2": true,
		"quickstart_alice": false, "20261130t170322z": false, "x20261130t170322z-a-abcd": false,
		"20261130t170322z-a-abcde": false, "20261130t170322z-A-abcd": false, "my-20261130t170322z-a-abcd": false,
	} {
		if mark.MatchString(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// A directory whose journal got lost is no run that never began when it has results;
// nor is one that begins while it is listed.
func TestRunThatNeverBegan(t *testing.T) {
	t.Parallel()
	s, err := store.At(t.TempDir()).Create(store.NewID("x", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if !stillborn(s) {
		t.Error("one that was just made has begun")
	}
	if removeStillborn(s.Dir) == nil || !exists(s.Dir) {
		t.Error("deleted while somebody has its lock")
	}
	s.Unlock()
	for _, name := range []string{"a.json", "b.json"} { // two: more than a look for one would list
		if err := s.Replace(filepath.Join(store.ResultsDir, name), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeStillborn(s.Dir); err != nil || stillborn(s) || !exists(s.Dir) {
		t.Errorf("one with results counts as one that never began: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(s.Dir, store.ResultsDir)); err != nil {
		t.Fatal(err)
	}
	if err := removeStillborn(s.Dir); err != nil || exists(s.Dir) {
		t.Errorf("it stays: %v", err)
	}
}

// A partial result goes when the whole one is there and can be read, and the sums of
// those that are kept stay with them.
func TestSupersededResults(t *testing.T) {
	t.Parallel()
	s, err := store.At(t.TempDir()).Create(store.NewID("x", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Unlock()
	if err := os.Mkdir(filepath.Join(s.Dir, store.PartialDir), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := s.Replace(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"whole.json", "damaged.json", "alone.json", files.SumsName} {
		write(filepath.Join(store.PartialDir, name), "{}")
	}
	write(filepath.Join(store.ResultsDir, "whole.json"), "{}")
	write(filepath.Join(store.ResultsDir, "damaged.json"), "{")
	write(filepath.Join(store.ResultsDir, files.SumsName), "")
	found := func() (names []string) {
		h := heap{}
		h.findSuperseded(s)
		for _, x := range h.all {
			names = append(names, filepath.Base(x.Name))
		}
		return names
	}
	if got := found(); !slices.Equal(got, []string{"whole.json"}) {
		t.Errorf("%q", got)
	}
	write(filepath.Join(store.ResultsDir, "damaged.json"), "{}")
	write(filepath.Join(store.ResultsDir, "alone.json"), "{}")
	if got := found(); len(got) != 5 || !slices.Contains(got, files.SumsName) || got[4] != store.PartialDir {
		t.Errorf("all are whole: %q", got)
	}
}

// Who goes on with a run that was cut off, however it is written, is not offered that.
func TestOffers(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"run exp.yaml": true, "results show resume": true, "run --resume latest": false, "run --resume=latest": false,
		"run -resume latest": false, "run --help": false, "gc": false, "": false,
	} {
		if offers(strings.Fields(line)) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}
