package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// Bounds of what is gathered: it may come from anybody.
const (
	maxResultBytes = 64 << 20
	maxGathered    = 20000 // files in one folder
	maxSums        = 4 << 20
)

// RehearsalFile marks a run's directory as a rehearsal.
const RehearsalFile = "REHEARSAL"

// ReplayFile says which run was measured again.
const ReplayFile = "replay.json"

// Gathered is what was found of one run, wherever it came from: its whole
// directory, or only some results.
type Gathered struct {
	Source     string      // what the user named
	RunID      string      // of one device of a run with several, followed by "/" and its number
	Slot       int         // which device that is, from 1; 0: the run has one
	Plan       *trial.Plan // nil: only results were there
	Results    []*trial.Result
	Experiment []byte // nil: not there
	Dir        string // of the run; "": only results were there
	Rehearsal  bool
	Remarks    []string // what a reader must know: that nothing was there to verify it
	Damaged    []string // what was left out, because it is not what it should be

	sums    map[string]string // trial id → sum of its file
	origins Origins
}

// Origin is where a result came from; its zero: nothing is known.
func (g *Gathered) Origin(r *trial.Result) Origin { return g.origins[g.sums[r.TrialID]] }

// Gather reads a run for a comparison: by its name (as Open takes it), from a
// copy of its directory, from a folder of result files, or from one such file.
// Every file is hostile: only regular ones inside of the folder are read, up to
// a bound, each is held against SHA256SUMS and against what a result may be. A
// result that fails is left out and said to be damaged; an error means that
// nothing could be read.
func (r *Root) Gather(name string) ([]*Gathered, error) {
	info, err := os.Stat(name)
	switch {
	case name == "":
		return nil, failure.Usage.Errorf(`"" names no run`).Advise("`chexp results list` shows the runs")
	case err == nil && info.Mode().IsRegular():
		return gatherFile(name)
	case err == nil && info.IsDir():
		return gatherDir(name, name)
	case err == nil:
		return nil, failure.Usage.Errorf("%s is neither a folder nor a file", name).
			Advise("name a run, a run's directory or a result file")
	case strings.ContainsRune(name, filepath.Separator):
		return nil, failure.Usage.Errorf("there is no %s", name).
			Advise("name a run, a run's directory or a result file")
	}
	run, err := r.Open(name)
	if err != nil {
		return nil, err
	}
	return gatherDir(name, run.Dir)
}

// gatherFile takes one result, with its run's directory if it lies in one.
func gatherFile(name string) ([]*Gathered, error) {
	dir := filepath.Dir(name)
	if up := filepath.Dir(filepath.Clean(dir)); filepath.Base(dir) == ResultsDir {
		if st, err := os.Lstat(filepath.Join(up, PlanFile)); err == nil && st.Mode().IsRegular() {
			all, err := gatherDir(name, up)
			if err != nil {
				return nil, err
			}
			id := strings.TrimSuffix(filepath.Base(name), ".json")
			for _, g := range all {
				g.Results = slices.DeleteFunc(g.Results, func(r *trial.Result) bool { return r.TrialID != id })
				g.Damaged = slices.DeleteFunc(g.Damaged, func(s string) bool {
					return !strings.HasPrefix(s, id+".json")
				})
				if g.Plan != nil {
					g.Plan.Trials = slices.DeleteFunc(g.Plan.Trials, func(t trial.Trial) bool { return t.ID != id })
				}
			}
			return all, nil
		}
	}
	root, err := files.OpenRoot(dir)
	if err != nil {
		return nil, failure.Usage.Errorf("cannot open %s", dir).Because(err)
	}
	defer root.Close()
	b := batch{source: name, root: root}
	b.readSums()
	b.file(filepath.Base(name), false)
	return b.runs(), nil
}

func gatherDir(source, dir string) ([]*Gathered, error) {
	root, err := files.OpenRoot(dir)
	if err != nil {
		return nil, failure.Usage.Errorf("cannot open %s", dir).Because(err)
	}
	defer root.Close()
	plan, err := readPlan(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gatherFolder(source, root)
	case err != nil:
		return nil, failure.Storage.Errorf("the plan of %s is damaged", source).
			Advise("copy the run's directory again").Because(err)
	}
	whole := Gathered{Source: source, RunID: plan.RunID, Plan: plan, Dir: dir}
	whole.Experiment, _ = files.ReadIn(root, ExperimentFile, 1<<20)
	if st, err := root.Lstat(RehearsalFile); err == nil {
		whole.Rehearsal = st.Mode().IsRegular()
	}
	slots := deviceSlots(root)
	if len(slots) == 0 {
		whole.part(root)
		return []*Gathered{&whole}, nil
	}
	var all []*Gathered
	for _, n := range slots {
		sub, err := files.OpenRootIn(root, devicesDir+"/"+strconv.Itoa(n))
		if err != nil {
			return nil, failure.Usage.Errorf("cannot open device %d of %s", n, source).Because(err)
		}
		g := whole
		g.Slot, g.RunID = n, fmt.Sprintf("%s/%d", plan.RunID, n)
		g.part(sub)
		all = append(all, &g)
		sub.Close()
	}
	return all, nil
}

// part reads what belongs to one device of a run, in its own directory; that of a
// run with one device is the run's.
func (g *Gathered) part(root *os.Root) {
	g.sums = map[string]string{}
	if data, err := files.ReadIn(root, OriginsFile, maxFile); err == nil {
		g.origins = ReadOrigins(data)
	}
	results, err := files.OpenRootIn(root, ResultsDir)
	if err != nil {
		return // it never measured
	}
	defer results.Close()
	b := batch{source: g.Source, root: results}
	b.readSums()
	for _, t := range g.Plan.Trials {
		res, ok := b.read(t.ID+".json", true)
		if !ok {
			continue
		}
		if err := res.Fits(g.Plan, t); err != nil {
			b.damaged = append(b.damaged, t.ID+".json is not what the plan asked for: "+err.Error())
			continue
		}
		g.Results = append(g.Results, res)
	}
	g.Damaged, g.sums = b.damaged, b.have
	if len(g.Results) > 0 {
		g.Remarks = b.remarks
	}
}

func readPlan(root *os.Root) (*trial.Plan, error) {
	data, err := files.ReadIn(root, PlanFile, maxResultBytes)
	if err != nil {
		return nil, err
	}
	p := new(trial.Plan)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, err
	}
	if !trial.ValidRunID(p.RunID) {
		return nil, fmt.Errorf("it names the run %.40q", p.RunID)
	}
	return p, p.Check()
}

// gatherFolder takes all results of a folder, or of results/ in it.
func gatherFolder(source string, root *os.Root) ([]*Gathered, error) {
	if sub, err := files.OpenRootIn(root, ResultsDir); err == nil {
		defer sub.Close()
		root = sub
	}
	entries, err := files.ReadDirIn(root, ".", maxGathered)
	if err != nil {
		return nil, failure.Usage.Errorf("%s cannot be listed", source).
			Advise("name the runs one by one").Because(err)
	}
	b := batch{source: source, root: root}
	b.readSums()
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && trial.ValidID(id) {
			b.file(e.Name(), true)
		}
	}
	if len(b.found) == 0 && len(b.damaged) == 0 {
		return nil, failure.Usage.
			Errorf("%s is no run's directory and holds no results (it has neither %s nor a file named as a trial)",
				source, PlanFile).
			Advise("name a run, a run's directory or a result file")
	}
	return b.runs(), nil
}

// batch reads result files of one folder.
type batch struct {
	source  string
	root    *os.Root
	sums    files.Sums // nil: none were there
	found   []*trial.Result
	have    map[string]string
	damaged []string
	remarks []string
}

// readSums reads the sums beside the results. With a list that is damaged, no
// result can be believed.
func (b *batch) readSums() {
	b.have = map[string]string{}
	data, err := files.ReadIn(b.root, files.SumsName, maxSums)
	if err != nil {
		b.remarks = append(b.remarks, "there is no readable "+files.SumsName+
			" beside its results, so nobody can tell whether they were changed")
		return
	}
	if b.sums, err = files.ParseSums(data); err != nil {
		b.sums, b.damaged = files.Sums{}, append(b.damaged, err.Error())
	}
}

// read returns one result that is what it says it is.
func (b *batch) read(name string, named bool) (*trial.Result, bool) {
	data, err := files.ReadIn(b.root, name, maxResultBytes)
	if errors.Is(err, fs.ErrNotExist) {
		if b.sums[name] != "" {
			b.damaged = append(b.damaged, name+" is in "+files.SumsName+", but not there")
		}
		return nil, false
	}
	if err != nil {
		b.damaged = append(b.damaged, err.Error())
		return nil, false
	}
	res, sum := new(trial.Result), files.Sum(data)
	if err := b.believe(res, name, named, data, sum); err != nil {
		b.damaged = append(b.damaged, name+" "+err.Error())
		return nil, false
	}
	b.have[res.TrialID] = sum
	return res, true
}

// believe parses a result and says why it cannot be taken for one.
func (b *batch) believe(res *trial.Result, name string, named bool, data []byte, sum string) error {
	switch said := b.sums[name]; {
	case b.sums != nil && named && said == "":
		return errors.New("is not in " + files.SumsName)
	case said != "" && said != sum:
		return errors.New("was changed: its SHA-256 is not that of " + files.SumsName)
	}
	if err := json.Unmarshal(data, res); err != nil {
		return fmt.Errorf("is no result: %w", err)
	}
	if err := res.Check(); err != nil {
		return fmt.Errorf("is no result: %w", err)
	}
	if named && res.TrialID+".json" != name {
		return fmt.Errorf("is the result of another trial, %s", res.TrialID)
	}
	return nil
}

func (b *batch) file(name string, named bool) {
	if res, ok := b.read(name, named); ok {
		b.found = append(b.found, res)
	}
}

// runs sorts the results by the run that they name.
func (b *batch) runs() (out []*Gathered) {
	for _, res := range b.found {
		i := slices.IndexFunc(out, func(g *Gathered) bool { return g.RunID == res.RunID })
		if i < 0 {
			i = len(out)
			out = append(out, &Gathered{Source: b.source, RunID: res.RunID, Remarks: b.remarks,
				sums: map[string]string{}})
		}
		out[i].Results = append(out[i].Results, res)
		out[i].sums[res.TrialID] = b.have[res.TrialID]
	}
	if len(b.damaged) > 0 {
		if len(out) == 0 {
			out = append(out, &Gathered{Source: b.source, RunID: filepath.Base(b.source), sums: map[string]string{}})
		}
		out[0].Damaged = b.damaged
	}
	return out
}

// Join adds what another source holds of the same run. The same result twice is
// one; two different ones under one name are none, as one of them was changed.
func (g *Gathered) Join(o *Gathered) {
	for _, res := range o.Results {
		switch sum, ok := g.sums[res.TrialID]; {
		case !ok:
			g.Results = append(g.Results, res)
			g.sums[res.TrialID] = o.sums[res.TrialID]
		case sum != o.sums[res.TrialID]:
			g.Results = slices.DeleteFunc(g.Results, func(r *trial.Result) bool { return r.TrialID == res.TrialID })
			g.Damaged = append(g.Damaged,
				fmt.Sprintf("%s.json is another in %s than in %s", res.TrialID, o.Source, g.Source))
		}
	}
	g.Damaged = append(g.Damaged, o.Damaged...)
	g.Rehearsal = g.Rehearsal || o.Rehearsal
	if g.Plan == nil || o.Plan != nil && len(o.Plan.Trials) > len(g.Plan.Trials) {
		g.Plan = o.Plan
	}
	if g.Experiment == nil {
		g.Experiment = o.Experiment
	}
	if g.Dir == "" {
		g.Dir, g.origins = o.Dir, o.origins
	}
}

// LeaveOut leaves out the result whose file this is in the run's directory, if it is
// one of these.
func (g *Gathered) LeaveOut(file string) {
	dir := ""
	if g.Slot > 0 {
		dir = devicesDir + "/" + strconv.Itoa(g.Slot) + "/"
	}
	g.Results = slices.DeleteFunc(g.Results, func(r *trial.Result) bool {
		return file == dir+ResultsDir+"/"+r.TrialID+".json"
	})
}
