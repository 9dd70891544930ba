package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/secret"
)

// Kind of a journal entry.
type Kind string

// The kinds. An Intent stands before each call that creates something, with
// the deterministic name under which it can be found again; Done follows with
// the server's id; Gone when it has been given back or has vanished.
const (
	Began    Kind = "began"    // a phase began
	Ended    Kind = "ended"    // a phase ended well
	Failed   Kind = "failed"   // a phase failed; Text says why
	Intent   Kind = "intent"   // about to create What under Name
	Done     Kind = "done"     // What exists (or: has happened) as ID
	Gone     Kind = "gone"     // What is no longer there
	Remark   Kind = "remark"   // for people
	Left     Kind = "left"     // the process ended and left all as it is, as it was asked to; Text says by what
	Finished Kind = "finished" // the run is over; nothing is left to do
)

// Entry is one line of the journal.
type Entry struct {
	Time  time.Time       `json:"time"`               // by this machine's clock
	Site  time.Time       `json:"site_time,omitzero"` // by the site's, of what is about a lease, where the two differ
	Kind  Kind            `json:"kind"`
	Phase string          `json:"phase,omitempty"`
	What  string          `json:"what,omitempty"` // "lease", "container", "bundle", "agent", "results"
	Name  string          `json:"name,omitempty"`
	ID    string          `json:"id,omitempty"`
	Text  string          `json:"text,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	// Slots are the devices of the run that the entry is about, each counted
	// from 1; absent: the first, which in most runs is the only one. One lease
	// may hold several.
	Slots []int `json:"slots,omitempty"`
}

// Devices are the slots that the entry is about.
func (e Entry) Devices() []int {
	if len(e.Slots) == 0 {
		return []int{1}
	}
	return e.Slots
}

// Record appends an entry and syncs it to the disk before it returns: what
// follows may create something on a cloud. On a full disk the ballast is freed
// and the entry tried once more.
func (r *Run) Record(e Entry) error {
	if r.whole != nil {
		if len(e.Slots) == 0 {
			e.Slots = []int{r.slot}
		}
		return r.whole.Record(e)
	}
	r.journal.Lock()
	defer r.journal.Unlock()
	if e.Time.IsZero() {
		e.Time = now()
	}
	e.Text = secret.Redact(e.Text)
	if e.Data != nil {
		e.Data = secret.RedactJSON(e.Data)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	err = r.appendLine(line)
	if err != nil && r.DropBallast() {
		err = r.appendLine(line)
	}
	return err
}

// began is when this process did, with the monotonic clock's reading.
var began = time.Now()

// now is the time, and never earlier than the monotonic clock has it since the process
// began: a clock that is set back meanwhile makes no phase end before it began. That
// clock stands still while a machine sleeps, the other one is right then.
func now() time.Time {
	steady, now := began.Add(time.Since(began)), time.Now()
	if now.Round(0).Before(steady.Round(0)) {
		now = steady
	}
	return now.UTC()
}

// appendLine adds a line. If the file ends in a torn one (the disk was full,
// or the machine died while writing), a blank line is put after it: Entries
// ignores a damaged line that a blank one follows.
func (r *Run) appendLine(line []byte) error {
	var mend string
	if torn(filepath.Join(r.Dir, journalFile)) {
		mend = "\n\n"
	}
	return r.Append(journalFile, append([]byte(mend), append(line, '\n')...))
}

// torn reports whether a file of lines ends within a line.
func torn(path string) bool {
	f, err := files.Open(path, files.NoLimit)
	if err != nil {
		return false
	}
	defer f.Close()
	last := []byte{'\n'}
	if st, err := f.Stat(); err == nil && st.Size() > 0 {
		_, _ = f.ReadAt(last, st.Size()-1) // unread, the line counts as whole
	}
	return last[0] != '\n'
}

// Entries reads the journal. A torn line (see appendLine) is ignored, as its
// call was never made; damage elsewhere is an error.
func (r *Run) Entries() ([]Entry, error) {
	entries, damage, err := Readable(r)
	if err = cmp.Or(err, damage); err != nil {
		return nil, err
	}
	return entries, nil
}

// Readable reads the entries that can be read. damage says which line cannot; nil: all
// can. What that line named is found by name alone.
func Readable(r *Run) (entries []Entry, damage, err error) {
	if r.whole != nil {
		entries, err = r.whole.ofSlot(r.slot)
		return entries, nil, err
	}
	data, err := r.Read(journalFile)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = failure.Storage.Errorf("run %s has no %s", r.ID, journalFile).
				Advise("copy the run's directory again from where it was made").Because(err)
		}
		return nil, nil, err
	}
	lines := bytes.Split(data, []byte{'\n'})
	for i, line := range lines {
		if len(line) == 0 {
			continue
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			if i == len(lines)-1 || len(lines[i+1]) == 0 && i+2 < len(lines) {
				continue
			}
			damage = cmp.Or(damage, error(failure.Storage.Errorf("journal of run %s: line %d is damaged", r.ID, i+1).
				Advise("the run can't go on, but its results at home stay; `chexp gc` shows what it still holds").
				Because(err)))
			continue
		}
		entries = append(entries, e)
	}
	return entries, damage, nil
}
