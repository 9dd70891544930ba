package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Adopted counts what Adopt found.
type Adopted struct {
	Whole   int
	Partial int // among them trials that have too few blocks to be measured
	Out     int // trials that were left out, as there was no time for them
}

func (a Adopted) String() string {
	text := words.Plural(a.Whole, "result")
	switch {
	case a.Partial > 0 && a.Whole == 0:
		text = words.Plural(a.Partial, "partial result")
	case a.Partial > 0:
		text += " and " + words.Plural(a.Partial, "partial one")
	}
	return text + words.When(a.Out > 0, fmt.Sprintf(", %s left out", words.Plural(a.Out, "trial")))
}

// adopting is fetched results on their way into the run.
type adopting struct {
	run    *Run
	plan   *trial.Plan
	from   *os.Root
	origin Origin
	known  Origins
	sums   files.Sums      // of the whole results at home, as they were brought home
	taken  map[string]bool // names of whole results that are now as they were fetched
	n      Adopted
	out    leftOut
}

// adopt opens the folder that something was fetched into, and hands each trial of
// the plan to take. The user names a folder of his own, too: `chexp results fetch
// --from`.
func (r *Run) adopt(
	dir string, plan *trial.Plan, origin Origin, take func(*adopting, trial.Trial) error,
) (n Adopted, err error) {
	from, err := files.OpenRoot(dir)
	if err != nil {
		return n, failure.Usage.Errorf("cannot open %s", dir).
			Advise("give the folder in which chexp said that the results are").Because(err)
	}
	defer from.Close()
	if err := makeRoom(r); err != nil {
		return n, err
	}
	a := &adopting{run: r, plan: plan, from: from, origin: origin, taken: map[string]bool{}}
	a.sums, _ = sumsOf(r) // what is not listed, or not readable, contradicts nothing
	if a.known, err = r.Origins(); err != nil {
		// Where earlier results came from is lost; that is no reason to lose these.
		if err := setAside(r, OriginsFile); err != nil {
			return n, err
		}
		a.known = Origins{}
	}
	for _, t := range plan.Trials {
		if err := take(a, t); err != nil {
			return a.n, err
		}
	}
	return a.n, errors.Join(a.out.err(), a.renewSums(ResultsDir), a.renewSums(PartialDir))
}

// Adopt moves fetched results from dir into the run, each checked against the
// plan, and renews SHA256SUMS over all of them. Whole ones are written once. A
// Partial one is kept apart, until the trial has a whole one: a resumed run
// measures it again. Where each came from is written down. What is no result of
// the plan is left out, and the error names it when all that is good is taken.
func (r *Run) Adopt(dir string, plan *trial.Plan, origin Origin) (Adopted, error) {
	return r.adopt(dir, plan, origin, (*adopting).result)
}

// AdoptJournals makes partial results of the journals in dir, of trials that have
// no whole one.
func (r *Run) AdoptJournals(dir string, plan *trial.Plan, why string, origin Origin) (Adopted, error) {
	return r.adopt(dir, plan, origin, func(a *adopting, t trial.Trial) error { return a.journal(t, why) })
}

// result takes the result of a trial, if there is one.
func (a *adopting) result(t trial.Trial) error {
	data, err := files.ReadIn(a.from, t.ID+".json", maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	res := new(trial.Result)
	if err == nil {
		err = json.Unmarshal(data, res)
	}
	if err == nil {
		err = res.Fits(a.plan, t)
	}
	switch {
	case err != nil:
		a.out.add(t, err)
		return nil
	case res.Partial != nil:
		return a.partial(t, res, data)
	}
	return a.whole(t, res, data)
}

func (a *adopting) whole(t trial.Trial, res *trial.Result, data []byte) error {
	path := filepath.Join(ResultsDir, t.ID+".json")
	old := new(trial.Result)
	switch err := a.run.ReadJSON(path, old); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil || old.Fits(a.plan, t) != nil:
		if err := setAside(a.run, path); err != nil {
			return err
		}
	default:
		have, err := a.run.Read(path)
		switch listed := a.sums[t.ID+".json"]; {
		case err == nil && bytes.Equal(have, data):
		case err == nil && listed == files.Sum(data): // it was changed at home since
			if err := setAside(a.run, path); err != nil {
				return err
			}
		default:
			a.out.add(t, fmt.Errorf("it differs from %s, which was fetched before and stays", path))
			return nil
		}
	}
	a.taken[t.ID+".json"] = true
	if err := noteOrigin(a.run, a.known, a.origin, res, data); err != nil {
		return err
	}
	a.n.Whole++
	return a.run.WriteOnce(path, data)
}

func (a *adopting) partial(t trial.Trial, res *trial.Result, data []byte) error {
	if err := noteOrigin(a.run, a.known, a.origin, res, data); err != nil {
		return err
	}
	if res.LeftOut() {
		a.n.Out++
	} else {
		a.n.Partial++
	}
	return a.run.keepPartial(t.ID+".json", data, res)
}

// journal makes a partial result of the journal of a trial, if there is one.
func (a *adopting) journal(t trial.Trial, why string) error {
	data, err := files.ReadIn(a.from, t.ID+".jsonl", maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		a.out.add(t, err)
		return nil
	}
	log, err := journal.Read(data)
	if err != nil {
		return nil // begun, and nothing measured
	}
	res, err := log.Partial(why)
	if err == nil {
		err = res.Fits(a.plan, t)
	}
	if err != nil {
		a.out.add(t, err)
		return nil
	}
	raw, err := json.Marshal(res)
	if err != nil {
		return err
	}
	return a.partial(t, res, append(raw, '\n'))
}

// makeRoom moves what is no folder out of the way of the folders that results go into:
// it is no reason to leave them on the device.
func makeRoom(r *Run) error {
	for _, name := range []string{damagedDir, ResultsDir, PartialDir} {
		st, err := os.Lstat(filepath.Join(r.Dir, name))
		if err != nil || st.IsDir() {
			continue
		}
		if name == damagedDir {
			err = Explain(os.Rename(filepath.Join(r.Dir, name), filepath.Join(r.Dir, name+".file")))
		} else {
			err = setAside(r, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setAside moves a damaged file of the run out of the way, into damaged/.
func setAside(r *Run, name string) error {
	to := filepath.Join(r.Dir, damagedDir, filepath.Base(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return Explain(err)
	}
	return Explain(os.Rename(filepath.Join(r.Dir, name), to))
}

// leftOut is what of the device's results was not taken.
type leftOut struct {
	trials []string
	cause  error // the first one's
}

func (l *leftOut) add(t trial.Trial, why error) {
	if l.cause == nil {
		l.cause = why
	}
	l.trials = append(l.trials, t.ID)
}

func (l *leftOut) err() error {
	if l.cause == nil {
		return nil
	}
	return failure.Device.Errorf("the device's results of %s are left out: they are not what the plan asked for",
		words.List(l.trials, ", ", 5)).Because(l.cause)
}

// keepPartial writes a partial result, unless there is a whole one, or a partial
// one that was measured for longer: somebody waited for that.
func (r *Run) keepPartial(name string, data []byte, res *trial.Result) error {
	if _, err := os.Lstat(filepath.Join(r.Dir, ResultsDir, name)); err == nil {
		return nil
	}
	old := new(trial.Result)
	if err := r.ReadJSON(filepath.Join(PartialDir, name), old); err == nil &&
		len(old.LatenciesNS) > len(res.LatenciesNS) {
		return nil
	}
	return r.Replace(filepath.Join(PartialDir, name), data)
}
