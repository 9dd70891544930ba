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
}

func (a Adopted) String() string {
	switch {
	case a.Partial == 0:
		return fmt.Sprintf("%d results", a.Whole)
	case a.Whole == 0:
		return fmt.Sprintf("%d partial results", a.Partial)
	}
	return fmt.Sprintf("%d results and %d partial ones", a.Whole, a.Partial)
}

// Adopt moves fetched results from dir into the run, each checked against the
// plan, and renews SHA256SUMS over all of them. Whole ones are written once. A
// Partial one is kept apart, until the trial has a whole one: a resumed run
// measures it again. What is no result of the plan is left out, and the error
// names it when all that is good has been taken.
func (r *Run) Adopt(dir string, plan *trial.Plan) (n Adopted, err error) {
	from, err := openFetched(dir)
	if err != nil {
		return n, err
	}
	defer from.Close()
	var out leftOut
	for _, t := range plan.Trials {
		data, err := files.ReadIn(from, t.ID+".json", maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		res := new(trial.Result)
		if err == nil {
			err = json.Unmarshal(data, res)
		}
		if err == nil {
			err = res.Fits(plan, t)
		}
		if err != nil {
			out.add(t, err)
			continue
		}
		if err := r.keep(plan, t, res, data, &n, &out); err != nil {
			return n, err
		}
	}
	return n, errors.Join(out.err(), r.sum(resultsDir, plan), r.sum(partialDir, plan))
}

// keep writes a result that fits its trial.
func (r *Run) keep(plan *trial.Plan, t trial.Trial, res *trial.Result, data []byte, n *Adopted, out *leftOut) error {
	name := t.ID + ".json"
	if res.Partial != nil {
		n.Partial++
		return r.keepPartial(name, data, res)
	}
	path := filepath.Join(resultsDir, name)
	old := new(trial.Result)
	switch err := r.ReadJSON(path, old); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil || old.Fits(plan, t) != nil:
		if err := r.setAside(path); err != nil {
			return err
		}
	default:
		if have, err := r.Read(path); err != nil || !bytes.Equal(have, data) {
			out.add(t, fmt.Errorf("it differs from %s, which was fetched before and stays", path))
			return nil
		}
	}
	n.Whole++
	return r.WriteOnce(path, data)
}

// setAside moves a damaged file of the run out of the way, into damaged/.
func (r *Run) setAside(name string) error {
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

// openFetched opens the folder that something was fetched into. The user names
// one of his own, too: `chexp results fetch --from`.
func openFetched(dir string) (*os.Root, error) {
	root, err := files.OpenRoot(dir)
	if err != nil {
		return nil, failure.Usage.Errorf("cannot open %s", dir).
			Advise("give the folder in which chexp said that the results are").Because(err)
	}
	return root, nil
}

// AdoptJournals makes partial results of the journals in dir, of trials that have
// no whole one.
func (r *Run) AdoptJournals(dir string, plan *trial.Plan, why string) (n Adopted, err error) {
	from, err := openFetched(dir)
	if err != nil {
		return n, err
	}
	defer from.Close()
	var out leftOut
	for _, t := range plan.Trials {
		data, err := files.ReadIn(from, t.ID+".jsonl", maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			out.add(t, err)
			continue
		}
		log, err := journal.Read(data)
		if err != nil {
			continue // begun, and nothing measured
		}
		res, err := log.Partial(why)
		if err == nil {
			err = res.Fits(plan, t)
		}
		if err != nil {
			out.add(t, err)
			continue
		}
		raw, err := json.Marshal(res)
		if err != nil {
			return n, err
		}
		if err := r.keepPartial(t.ID+".json", append(raw, '\n'), res); err != nil {
			return n, err
		}
		n.Partial++
	}
	return n, errors.Join(out.err(), r.sum(partialDir, plan))
}

// keepPartial writes a partial result, unless there is a whole one, or a partial
// one that was measured for longer: somebody waited for that.
func (r *Run) keepPartial(name string, data []byte, res *trial.Result) error {
	if _, err := os.Lstat(filepath.Join(r.Dir, resultsDir, name)); err == nil {
		return nil
	}
	old := new(trial.Result)
	if err := r.ReadJSON(filepath.Join(partialDir, name), old); err == nil &&
		len(old.LatenciesNS) > len(res.LatenciesNS) {
		return nil
	}
	return r.Replace(filepath.Join(partialDir, name), data)
}

// sum renews the SHA256SUMS of a directory of results, if it is there.
func (r *Run) sum(dir string, plan *trial.Plan) error {
	if _, err := os.Stat(filepath.Join(r.Dir, dir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sums := files.Sums{}
	for _, t := range plan.Trials {
		name := t.ID + ".json"
		data, err := r.Read(filepath.Join(dir, name))
		if err != nil {
			continue // not there, or damaged; who reads the results says so
		}
		sums[name] = files.Sum(data)
	}
	return r.Replace(filepath.Join(dir, files.SumsName), sums.Bytes())
}
