package outdir

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// Recorder writes out/. Only the holder of the lock may have one.
type Recorder struct {
	dir    string
	events *os.File
	opened time.Time // with the monotonic clock's reading
	state  trial.State
	echo   func(trial.Event) // for the foreground; may be nil

	results  map[string]string // trial id → sha256 of its valid result file
	partial  map[string]string // the same of Partial results, which the run goes on from
	finished map[string]string // trial id → sha256 of the result that was announced
	journals journals
}

// Open continues the record of a run, or begins it. Trials that have a valid
// result keep it. A partial result is kept until there is a whole one.
func Open(dir string, p *trial.Plan, planSHA256 string, echo func(trial.Event)) (*Recorder, error) {
	r := &Recorder{dir: dir, echo: echo, results: map[string]string{}, partial: map[string]string{},
		finished: map[string]string{}}
	if err := os.MkdirAll(filepath.Join(dir, trial.ResultsDir), 0o755); err != nil {
		return nil, err
	}
	if err := r.journals.open(filepath.Join(dir, trial.JournalDir)); err != nil {
		return nil, err
	}
	// The sums of the last start would contradict the results that replace partial
	// ones.
	if err := os.Remove(filepath.Join(dir, trial.ResultSums)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, sub := range []string{trial.OutDir, trial.ResultsDir} { // what a killed replace left
		left, _ := filepath.Glob(filepath.Join(dir, sub, files.TempPattern))
		for _, path := range left {
			os.Remove(path)
		}
	}
	last, err := r.openEvents()
	if err != nil {
		return nil, err
	}
	r.opened = time.Now()
	started := r.Now()
	if old, found, err := ReadState(dir); err == nil && found && !old.Started.IsZero() {
		started = old.Started
	}
	for _, t := range p.Trials {
		switch sum, partial, ok := r.whole(p, t); {
		case ok && partial:
			r.partial[t.ID] = sum
		case ok:
			r.results[t.ID] = sum
			r.journals.remove(t.ID) // killed between the two
		}
	}
	r.state = trial.State{
		Schema: trial.EventSchema, RunID: p.RunID, PlanSHA256: planSHA256, Phase: trial.Running, PID: os.Getpid(),
		Started: started, LastSeq: last, Done: len(r.results), Total: len(p.Trials),
	}
	return r, r.writeState()
}

// openEvents cuts off a line that a crash left incomplete.
func (r *Recorder) openEvents() (last int64, err error) {
	path := filepath.Join(r.dir, trial.EventsFile)
	var whole int64
	last, err = scanEvents(path, func(e trial.Event, size int) {
		whole += int64(size)
		if e.Type == trial.TrialFinished {
			r.finished[e.Trial] = e.SHA256
		}
	})
	if err != nil {
		return 0, err
	}
	if r.events, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
		return 0, err
	}
	return last, r.events.Truncate(whole)
}

// Close closes the files that are open.
func (r *Recorder) Close() error { return errors.Join(r.events.Close(), r.journals.close()) }

// Now is the time by the device's clock as it was when the record was opened, and the
// monotonic clock since: whoever sets the clock meanwhile (a Pi has no battery for it)
// changes no order and no duration in what is recorded.
func (r *Recorder) Now() time.Time { return r.opened.Add(time.Since(r.opened)).UTC() }

// Started is when the run began, at its first start.
func (r *Recorder) Started() time.Time { return r.state.Started }

// Has reports whether a trial has its result, a whole one.
func (r *Recorder) Has(id string) bool { return r.results[id] != "" }

// Announced reports whether an event has told of a trial's end, with the result
// that it has now.
func (r *Recorder) Announced(id string) bool {
	sum, said := r.finished[id]
	return said && sum == r.Sum(id)
}

// Sum is the SHA-256 of a trial's result file.
func (r *Recorder) Sum(id string) string { return cmp.Or(r.results[id], r.partial[id]) }

// maxResult bounds a result's file: the most latencies that one may hold, and
// what else is in it.
const maxResult = 256 << 20

// maxEventText bounds each text of an event, in bytes: the answer of `status` must
// pass through the output of Zun's exec.
const maxEventText = 600

// Event appends an event and fills in its schema, sequence number and time. It is
// on the disk when Event returns.
func (r *Recorder) Event(e trial.Event) error {
	e.Schema, e.Seq, e.Time = trial.EventSchema, r.state.LastSeq+1, r.Now()
	e.Text = clip(e.Text)
	e.Reasons = slices.Clone(e.Reasons)
	for i := range e.Reasons {
		e.Reasons[i].Text, e.Reasons[i].Next = clip(e.Reasons[i].Text), clip(e.Reasons[i].Next)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := r.events.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := r.events.Sync(); err != nil {
		return err
	}
	r.state.LastSeq = e.Seq
	if e.Type == trial.TrialFinished {
		r.finished[e.Trial] = e.SHA256
	}
	if r.echo != nil {
		r.echo(e)
	}
	return r.writeState()
}

func clip(s string) string {
	if len(s) <= maxEventText {
		return s
	}
	return strings.ToValidUTF8(s[:maxEventText], "") + " …"
}

// Result writes a trial's result, which ends its journal unless it is Partial,
// and returns the SHA-256 of the file.
func (r *Recorder) Result(res *trial.Result) (string, error) {
	raw, err := json.Marshal(res)
	if err != nil {
		return "", err
	}
	raw = append(raw, '\n')
	if err := files.Write(r.resultPath(res.TrialID), raw); err != nil {
		return "", err
	}
	sum := files.Sum(raw)
	if res.Partial != nil {
		r.partial[res.TrialID] = sum
		return sum, nil
	}
	delete(r.partial, res.TrialID)
	r.results[res.TrialID] = sum
	r.state.Done = len(r.results)
	r.journals.remove(res.TrialID)
	return sum, nil
}

func (r *Recorder) resultPath(id string) string {
	return filepath.Join(r.dir, trial.ResultsDir, id+".json")
}

// Sums writes SHA256SUMS over the results that there are, in the format of
// sha256sum, with names relative to the results' directory.
func (r *Recorder) Sums() error {
	sums := files.Sums{}
	for _, results := range []map[string]string{r.results, r.partial} {
		for id, sum := range results {
			sums[id+".json"] = sum
		}
	}
	return files.Write(filepath.Join(r.dir, trial.ResultSums), sums.Bytes())
}

// End records how the run ended: Finished, or Dead with the reason.
func (r *Recorder) End(phase trial.Phase, text string) error {
	r.state.Phase, r.state.Text, r.state.Ended = phase, text, r.Now()
	return r.writeState()
}

// EndStopped records that the run was stopped, and why.
func (r *Recorder) EndStopped(why trial.Reason) error {
	r.state.Why = &why
	return r.End(trial.Stopped, why.Text)
}

func (r *Recorder) writeState() error { return WriteState(r.dir, r.state) }

// WriteState replaces the state file. `start` calls it once, before there is a
// supervisor.
func WriteState(dir string, s trial.State) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return files.Write(filepath.Join(dir, trial.StateFile), append(raw, '\n'))
}

// whole reads the file of a trial's result; ok says that it is one.
func (r *Recorder) whole(p *trial.Plan, t trial.Trial) (sum string, partial, ok bool) {
	raw, err := files.Read(r.resultPath(t.ID), maxResult)
	if err != nil {
		return "", false, false
	}
	res := &trial.Result{}
	if json.Unmarshal(raw, res) != nil || res.Fits(p, t) != nil {
		return "", false, false
	}
	return files.Sum(raw), res.Partial != nil, true
}

// ReadResult reads the result of a trial, which must have one (see [Recorder.Has]).
func ReadResult(dir, trialID string) (*trial.Result, error) {
	raw, err := files.Read(filepath.Join(dir, trial.ResultsDir, trialID+".json"), maxResult)
	if err != nil {
		return nil, err
	}
	res := &trial.Result{}
	return res, json.Unmarshal(raw, res)
}
