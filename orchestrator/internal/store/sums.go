package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// sumsOf reads the SHA256SUMS beside a run's whole results: what they were when they
// were brought home.
func sumsOf(r *Run) (files.Sums, error) {
	data, err := r.Read(filepath.Join(ResultsDir, files.SumsName))
	if err != nil {
		return nil, err
	}
	return files.ParseSums(data)
}

// Changed is an error that names the whole results at home that are not what was
// brought home; nil if there are none, or if there is no list to hold them against.
func (r *Run) Changed(plan *trial.Plan) error {
	sums, err := sumsOf(r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir := filepath.Join(r.Dir, ResultsDir)
	if err != nil {
		return failure.Storage.Errorf("%s in %s cannot be read, so nobody can tell whether the results were changed",
			files.SumsName, dir).Advise("copy it again from where the run was made").Because(err)
	}
	var changed []string
	for _, t := range plan.Trials {
		name := t.ID + ".json"
		if data, err := r.Read(filepath.Join(ResultsDir, name)); err == nil && sums[name] != "" &&
			sums[name] != files.Sum(data) {
			changed = append(changed, name)
		}
	}
	if changed == nil {
		return nil
	}
	return failure.Storage.Errorf("in %s, what was brought home is not there any more as it came: the SHA-256 of %s "+
		"is not that of %s", dir, words.List(changed, ", ", 5), files.SumsName).
		Advise("copy it again from where the run was made, or move it out of there; then the run can go on, and " +
			"measures it again")
}

// renewSums writes the SHA256SUMS of a directory of results, if it is there. A whole
// result that was changed at home keeps its sum: else nobody could tell any more.
func (a *adopting) renewSums(dir string) error {
	if _, err := os.Stat(filepath.Join(a.run.Dir, dir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sums := files.Sums{}
	for _, t := range a.plan.Trials {
		name := t.ID + ".json"
		data, err := a.run.Read(filepath.Join(dir, name))
		if err != nil {
			continue // not there, or damaged; who reads the results says so
		}
		sums[name] = files.Sum(data)
		if before := a.sums[name]; dir == ResultsDir && before != "" && !a.taken[name] {
			sums[name] = before
		}
	}
	return a.run.Replace(filepath.Join(dir, files.SumsName), sums.Bytes())
}
