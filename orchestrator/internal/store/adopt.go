package store

import (
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
// measures it again. Where each came from is written down.
func (r *Run) Adopt(dir string, plan *trial.Plan, origin Origin) (n Adopted, err error) {
	from, err := openFetched(dir)
	if err != nil {
		return n, err
	}
	defer from.Close()
	known, err := r.Origins()
	if err != nil {
		return n, err
	}
	for _, t := range plan.Trials {
		name := t.ID + ".json"
		data, err := files.ReadIn(from, name, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return n, Explain(err)
		}
		res := new(trial.Result)
		if err := json.Unmarshal(data, res); err != nil {
			return n, failure.Device.Errorf("the device's result of %s is no JSON", t.ID).Because(err)
		}
		if err := res.Fits(plan, t); err != nil {
			return n, failure.Device.Errorf("the device's result of %s is not what the plan asked for", t.ID).
				Because(err)
		}
		if err := noteOrigin(r, known, origin, res, data); err != nil {
			return n, err
		}
		if res.Partial != nil {
			if err := r.keepPartial(name, data, res); err != nil {
				return n, err
			}
			n.Partial++
			continue
		}
		if err := r.WriteOnce(filepath.Join(resultsDir, name), data); err != nil {
			return n, err
		}
		n.Whole++
	}
	return n, errors.Join(r.sum(resultsDir, plan), r.sum(partialDir, plan))
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
func (r *Run) AdoptJournals(dir string, plan *trial.Plan, why string, origin Origin) (n Adopted, err error) {
	from, err := openFetched(dir)
	if err != nil {
		return n, err
	}
	defer from.Close()
	known, err := r.Origins()
	if err != nil {
		return n, err
	}
	for _, t := range plan.Trials {
		data, err := files.ReadIn(from, t.ID+".jsonl", maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return n, Explain(err)
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
			return n, failure.Device.Errorf("the device's journal of %s is not what the plan asked for", t.ID).
				Because(err)
		}
		raw, err := json.Marshal(res)
		if err != nil {
			return n, err
		}
		raw = append(raw, '\n')
		if err := noteOrigin(r, known, origin, res, raw); err != nil {
			return n, err
		}
		if err := r.keepPartial(t.ID+".json", raw, res); err != nil {
			return n, err
		}
		n.Partial++
	}
	return n, r.sum(partialDir, plan)
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
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		sums[name] = files.Sum(data)
	}
	return r.Replace(filepath.Join(dir, files.SumsName), sums.Bytes())
}
