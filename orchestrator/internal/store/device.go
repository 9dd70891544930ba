package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"chexp/experiments/files"
)

// devicesDir holds what belongs to one device of a run with several.
const devicesDir = "devices"

// MaxDevices bounds the devices of one run.
const MaxDevices = 1000

// Device is the part of a run with several devices that belongs to its n-th,
// counted from 1: results, events and facts of its own, in a directory of its
// own, which [Run.MakeDevice] makes when it is had. Journal, plan and experiment are the run's; an
// entry recorded here carries the slot.
func (r *Run) Device(n int) *Run {
	return &Run{ID: r.ID, Dir: filepath.Join(r.Dir, devicesDir, strconv.Itoa(n)), whole: r, slot: n}
}

// MakeDevice makes the directory of one device among several.
func (r *Run) MakeDevice() error {
	if err := os.MkdirAll(filepath.Join(r.Dir, ResultsDir), 0o755); err != nil {
		return Explain(fmt.Errorf("create the directory of device %d: %w", r.slot, err))
	}
	return nil
}

// Slot is which device of several this is, from 1; 0: it is a whole run.
func (r *Run) Slot() int { return r.slot }

// Whole is the run that a device belongs to; a whole run is its own.
func (r *Run) Whole() *Run {
	if r.whole != nil {
		return r.whole
	}
	return r
}

// Devices lists the devices of a run with several, in order; none for a run with
// one, whose results lie in its own directory.
func (r *Run) Devices() []*Run {
	root, err := files.OpenRoot(r.Dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	var all []*Run
	for _, n := range deviceSlots(root) {
		all = append(all, r.Device(n))
	}
	return all
}

// deviceSlots lists the devices that have a folder in a run's directory.
func deviceSlots(root *os.Root) (slots []int) {
	dir, err := files.OpenRootIn(root, devicesDir)
	if err != nil {
		return nil
	}
	defer dir.Close()
	for n := 1; n <= MaxDevices; n++ {
		if st, err := dir.Lstat(strconv.Itoa(n)); err == nil && st.IsDir() {
			slots = append(slots, n)
		}
	}
	return slots
}

// Parts are where a run keeps its results: its devices, or itself.
func Parts(r *Run) []*Run {
	if devices := r.Devices(); len(devices) > 0 {
		return devices
	}
	return []*Run{r}
}

// ofTheRun reports whether a file belongs to the run and not to one device.
func ofTheRun(name string) bool {
	switch name {
	case ExperimentFile, PlanFile, ModelsFile, RehearsalFile, journalFile:
		return true
	}
	return false
}

// ofSlot are the journal's entries about one device.
func (r *Run) ofSlot(n int) ([]Entry, error) {
	all, err := r.Entries()
	if err != nil {
		return nil, err
	}
	// What a run with several devices records of itself names no slot.
	return slices.DeleteFunc(all, func(e Entry) bool {
		return len(e.Slots) > 0 && !slices.Contains(e.Slots, n)
	}), nil
}
