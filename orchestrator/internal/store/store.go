// Package store keeps runs on this machine's disk: one directory a run, files
// that are written once and never changed, a lock, and the journal from which a
// run is resumed. A run's directory can be tarred and mailed: it never holds a
// secret.
//
//	runs/<id>/
//	  experiment.yaml plan.json               what was asked, what was planned
//	  attempts/<n>.json                       where the n-th attempt measured (runs of before: site.json)
//	  journal.jsonl                           what was done, fsynced entry by entry
//	  events.jsonl                            what the agent said (events.2.jsonl: second attempt)
//	  origins.jsonl                           which result came from which attempt
//	  results/<trial id>.json SHA256SUMS      raw values, write-once
//	  report.*                                derived, rebuilt by `chexp results report`
//	  damaged/ unread/                        what lay in results/ and was none; what nobody could check
//	  devices/<n>/                            of a run with several devices: site.json, events.jsonl, results/ and
//	                                          report.* of the n-th, from 1; the rest is the run's
package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/experiments/trial"
)

// Names inside a run's directory.
const (
	ExperimentFile = "experiment.yaml"
	PlanFile       = "plan.json"
	ModelsFile     = "models.json" // where this machine has the files that were pushed
	AttemptsDir    = "attempts"
	SiteFile       = "site.json" // in runs from before there was a file for each attempt
	journalFile    = "journal.jsonl"
	// FetchPrefix begins the names of folders into which results are fetched.
	FetchPrefix = ".fetch-"

	lockFile    = ".lock"
	ballastFile = ".ballast"
	ResultsDir  = "results"
	PartialDir  = "partial"
	damagedDir  = "damaged" // what lay in results/ and was no result
)

// ballastBytes are set aside when a run is created and freed when the disk is
// full, so that the journal can still record that the device was given back.
const ballastBytes = 256 << 10

// maxFile bounds what is read back from a run's directory: it may have come by
// mail.
const maxFile = 256 << 20

// maxRuns bounds the runs in one directory.
const maxRuns = 100_000

// Root is the directory that holds the runs, by default ./runs.
type Root struct{ dir string }

// At returns the root at dir, which need not exist yet.
func At(dir string) *Root { return &Root{dir: dir} }

// Run is one run's directory.
type Run struct {
	ID  string
	Dir string

	lock    *os.File
	journal sync.Mutex // one entry at a time

	// Of one device among several: the run, and which device it is.
	whole *Run
	slot  int
}

var idPattern = regexp.MustCompile(`^[0-9]{8}t[0-9]{6}z-[a-z0-9-]{1,40}-[a-z]{4}$`)

// NewID names a run: UTC time, experiment, four random letters. The result is
// lower case and at most 62 bytes, so that it can name a container (a DNS
// label) as it stands.
func NewID(experiment string, now time.Time) string {
	letters := make([]byte, 4)
	rand.Read(letters) // never fails (crypto/rand)
	for i := range letters {
		letters[i] = 'a' + letters[i]%26
	}
	return fmt.Sprintf("%s-%s-%s", now.UTC().Format("20060102t150405z"), experiment, letters)
}

// Create makes the directory of a new run and takes its lock.
func (r *Root) Create(id string) (*Run, error) {
	if !idPattern.MatchString(id) {
		return nil, fmt.Errorf("run id %q is not well formed", id)
	}
	dir := filepath.Join(r.dir, id)
	if err := os.MkdirAll(filepath.Join(dir, ResultsDir), 0o755); err != nil {
		return nil, Explain(fmt.Errorf("create run directory: %w", err))
	}
	run := &Run{ID: id, Dir: dir}
	if err := run.Lock(); err != nil {
		return nil, err
	}
	if err := run.layBallast(); err != nil {
		run.Unlock()
		os.RemoveAll(dir)
		return nil, Explain(fmt.Errorf("set space aside in %s: %w", dir, err))
	}
	return run, nil
}

func (r *Run) layBallast() error {
	f, err := os.OpenFile(filepath.Join(r.Dir, ballastFile), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, ballastBytes))
	return errors.Join(err, f.Sync(), f.Close())
}

// DropBallast frees the space set aside; it reports whether there was any.
func (r *Run) DropBallast() bool {
	return os.Remove(filepath.Join(r.Dir, ballastFile)) == nil
}

// Open finds a run by its id, a unique prefix or suffix of it (the four
// letters), a path, or "latest".
func (r *Root) Open(name string) (*Run, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		name = filepath.Clean(name)
		if st, err := os.Lstat(filepath.Join(name, journalFile)); err == nil && st.Mode().IsRegular() {
			abs, err := filepath.Abs(name)
			if err != nil {
				return nil, err
			}
			return &Run{ID: filepath.Base(abs), Dir: abs}, nil
		}
		return nil, failure.Usage.Errorf("%s is not a run's directory (it has no %s)", name, journalFile)
	}
	ids, err := r.IDs()
	if err != nil {
		return nil, err
	}
	var match []string
	for _, id := range ids {
		if id == name {
			match = []string{id}
			break
		}
		if name != "" && (strings.HasPrefix(id, name) || strings.HasSuffix(id, "-"+name)) {
			match = append(match, id)
		}
	}
	if name == "latest" && len(ids) > 0 {
		match = ids[len(ids)-1:]
	}
	switch len(match) {
	case 1:
		return &Run{ID: match[0], Dir: filepath.Join(r.dir, match[0])}, nil
	case 0:
		return nil, failure.Usage.Errorf("no run %q in %s; --runs DIR looks elsewhere", name, r.dir)
	}
	return nil, failure.Usage.Errorf("%q is the name of %d runs: %s", name, len(match), strings.Join(match, ", ")).
		Advise("give the whole id")
}

// IDs lists the runs, oldest first.
func (r *Root) IDs() ([]string, error) {
	entries, err := files.ReadDir(r.dir, maxRuns)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, Explain(err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && idPattern.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	sort.Strings(ids)
	return ids, nil
}

// WriteOnce writes a file that is never changed afterwards. Writing the same
// content again is no error; other content is.
func (r *Run) WriteOnce(name string, data []byte) error {
	if old, err := r.Read(name); err == nil {
		if string(old) == string(data) {
			return nil
		}
		return fmt.Errorf("%s of run %s exists with other content: it is written once", name, r.ID)
	}
	return r.Replace(name, data)
}

// Replace writes a derived file atomically, and makes its directory in the run's.
func (r *Run) Replace(name string, data []byte) error {
	if dir := filepath.Join(r.Dir, filepath.Dir(name)); dir != r.Dir {
		if st, err := os.Lstat(dir); err == nil && !st.IsDir() {
			return failure.Storage.Errorf("%s is no folder", dir).
				Advise("move it away: chexp writes through no link in a run's directory")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return Explain(err)
		}
	}
	return Explain(files.Write(filepath.Join(r.Dir, name), data))
}

// Read returns a file of the run: a regular one, whatever lies in the directory,
// which others may have written.
func (r *Run) Read(name string) ([]byte, error) {
	if r.whole != nil && ofTheRun(name) {
		return r.whole.Read(name)
	}
	root, err := files.OpenRoot(r.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := files.ReadIn(root, name, maxFile)
	return data, r.Damaged(name, err)
}

// ReadJSON decodes a file of the run into v.
func (r *Run) ReadJSON(name string, v any) error {
	data, err := r.Read(name)
	if err != nil {
		return err
	}
	return r.Damaged(name, json.Unmarshal(data, v))
}

// Damaged words why a file of the run is not what it must be. No error, and one
// that says that the file is not there, stay as they are.
func (r *Run) Damaged(name string, err error) error {
	var known *failure.Error
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.As(err, &known) {
		return err
	}
	return failure.Storage.Errorf("%s of run %s is damaged", name, r.ID).
		Advise("copy it again from where the run was made").Because(err)
}

// WriteJSON replaces a derived file by the JSON of v.
func (r *Run) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return r.Replace(name, append(secret.RedactJSON(data), '\n'))
}

// Append adds to a file and syncs it, as the event mirror does.
func (r *Run) Append(name string, data []byte) error {
	root, err := files.OpenRoot(r.Dir)
	if err != nil {
		return Explain(err)
	}
	defer root.Close()
	if err := files.AppendIn(root, name, data); err != nil {
		return Explain(fmt.Errorf("append to %s of run %s: %w", name, r.ID, err))
	}
	return nil
}

// Plan reads the run's plan.
func (r *Run) Plan() (*trial.Plan, error) {
	p := new(trial.Plan)
	err := r.ReadJSON(PlanFile, p)
	if errors.Is(err, fs.ErrNotExist) {
		err = failure.Storage.Errorf("run %s has no %s", r.ID, PlanFile).
			Advise("copy the run's directory again from where it was made").Because(err)
	}
	if err != nil {
		return nil, err
	}
	return p, r.Damaged(PlanFile, p.Check())
}

// Results reads the results that have been fetched, in the plan's order; of trials
// that have no whole one, the partial one. A file that is no result of this run is
// an error: results are evidence.
func (r *Run) Results(plan *trial.Plan) (results []*trial.Result, err error) {
	err = eachResult(r, plan, func(res *trial.Result, _ []byte) { results = append(results, res) })
	return results, err
}

// Brought are the Results with where each came from.
func (r *Run) Brought(plan *trial.Plan) (results []Brought, err error) {
	origins, err := r.Origins()
	if err != nil {
		return nil, err
	}
	err = eachResult(r, plan, func(res *trial.Result, data []byte) {
		results = append(results, Brought{res, origins[files.Sum(data)]})
	})
	return results, err
}

func eachResult(r *Run, plan *trial.Plan, use func(*trial.Result, []byte)) error {
	for _, t := range plan.Trials {
		data, err := r.Read(filepath.Join(ResultsDir, t.ID+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			data, err = r.Read(filepath.Join(PartialDir, t.ID+".json"))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		res := new(trial.Result)
		if err == nil {
			err = json.Unmarshal(data, res)
		}
		if err != nil {
			return badResult(r, t, err)
		}
		if err := res.Fits(plan, t); err != nil {
			return badResult(r, t, err)
		}
		use(res, data)
	}
	return nil
}

func badResult(r *Run, t trial.Trial, cause error) error {
	return failure.Storage.Errorf("the result of %s at home is damaged", t.ID).
		Advise("move %s.json out of %s and %s; then the run can go on, and measures it again", t.ID,
			filepath.Join(r.Dir, ResultsDir), filepath.Join(r.Dir, PartialDir)).
		Because(cause)
}

// Explain turns the disk's own errors into ones with a remedy.
func Explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return failure.Storage.Errorf("this machine's disk is full").
			Advise("free some space (or use --runs DIR on another disk) and run the command again").
			Because(err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return failure.Storage.Errorf("cannot write here").
			Advise("use --runs DIR with a directory that you may write to").Because(err)
	}
	return err
}
