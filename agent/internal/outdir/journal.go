package outdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chexp/experiments/files"
	"chexp/experiments/journal"
)

// maxJournals bounds the space that all open journals take on the device's disk:
// as much as four trials with the most latencies that a result may hold.
const maxJournals = 256 << 20

// journals are the open journals of trials that are being measured. Each line is
// handed to the kernel at once, so that a killed supervisor loses none. It goes to
// the disk between rounds (Sync), so that no disk writes fall into a timed block.
type journals struct {
	dir   string
	files map[string]*os.File
	size  map[string]int64
	dirty map[string]bool
	names bool // a file was made since the last Sync
	most  int64
}

// open looks at what an earlier start left.
func (j *journals) open(dir string) error {
	*j = journals{dir: dir, files: map[string]*os.File{}, size: map[string]int64{},
		dirty: map[string]bool{}, most: maxJournals}
	return os.MkdirAll(dir, 0o755)
}

func (j *journals) path(id string) string { return filepath.Join(j.dir, id+".jsonl") }

func (j *journals) close() (err error) {
	for _, f := range j.files {
		err = errors.Join(err, f.Close())
	}
	clear(j.files)
	return err
}

// remove deletes a journal whose blocks are in a result or are of no use.
func (j *journals) remove(id string) {
	if f := j.files[id]; f != nil {
		f.Close()
	}
	delete(j.files, id)
	delete(j.size, id)
	delete(j.dirty, id)
	os.Remove(j.path(id))
}

// append adds a line.
func (j *journals) append(id string, line []byte) error {
	var total int64
	for _, n := range j.size {
		total += n
	}
	if total += int64(len(line)); total > j.most {
		return fmt.Errorf("all journals together would be larger than %d bytes", j.most)
	}
	f := j.files[id]
	if f == nil {
		var err error
		if f, err = os.OpenFile(j.path(id), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
			return err
		}
		j.files[id], j.names = f, true
	}
	n, err := f.Write(line)
	if err != nil {
		// A line that was cut off would hide those that come after it.
		return errors.Join(err, f.Truncate(j.size[id]))
	}
	j.size[id] += int64(n)
	j.dirty[id] = true
	return nil
}

// Journal returns what an earlier start of the agent measured of a trial, nil if
// it measured nothing. It cuts the file off after the last whole line.
func (r *Recorder) Journal(id string) (*journal.Log, error) {
	path := r.journals.path(id)
	data, err := files.Read(path, maxJournals)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	log, err := journal.Read(data)
	if err != nil || log.Begun[0].Result.RunID != r.state.RunID || log.Begun[0].Result.TrialID != id {
		r.journals.remove(id) // no block can be had from it
		return nil, nil
	}
	if err := os.Truncate(path, int64(log.Bytes)); err != nil {
		return nil, err
	}
	r.journals.size[id] = int64(log.Bytes)
	return log, nil
}

// Begun journals a process start, with what it has said so far.
func (r *Recorder) Begun(b journal.Begun) error {
	line, err := b.Line()
	if err != nil {
		return err
	}
	return r.journals.append(b.Result.TrialID, line)
}

// Block journals a block of a trial.
func (r *Recorder) Block(id string, b journal.Block) error {
	line, err := b.Line()
	if err != nil {
		return err
	}
	return r.journals.append(id, line)
}

// Forget deletes the journal of a trial that gets no result from it.
func (r *Recorder) Forget(id string) { r.journals.remove(id) }

// Sync brings the journals to the disk. It is called between blocks only.
func (r *Recorder) Sync() (err error) {
	for id := range r.journals.dirty {
		err = errors.Join(err, r.journals.files[id].Sync())
	}
	clear(r.journals.dirty)
	if r.journals.names {
		r.journals.names = false
		files.SyncDir(r.journals.dir)
	}
	return err
}
