package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// making is what `chexp lease create` notes before it asks for a lease: if it is
// killed, or nobody hears its answer, the next chexp says that there may be one. The
// process has its note locked as long as it lives.
type making struct {
	Name  string    `json:"name"`
	End   time.Time `json:"end"`
	Flags []string  `json:"flags"` // that lead to its cloud
	// Ahead is how far the site's clock, by which the lease ends, was of this machine's.
	Ahead time.Duration `json:"ahead_ns,omitempty"`

	file string
	lock *os.File
}

func makingDir() (string, error) {
	dir, err := cacheDir()
	return filepath.Join(dir, "making"), err
}

func makingFile(dir, name string) string {
	return filepath.Join(dir, files.Sum([]byte(name))[:16]+".json")
}

// note writes the note. Without one the lease is made all the same.
func (a leaseVerbs) note(c *cli.Context, name string, end time.Time, ahead time.Duration) *making {
	m := &making{Name: name, End: end, Flags: a.commands(c).Flags, Ahead: ahead}
	dir, err := makingDir()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	data, _ := json.Marshal(m) // plain data
	m.file = makingFile(dir, name)
	if err == nil {
		m.lock, err = os.OpenFile(m.file, os.O_CREATE|os.O_RDWR|files.NoFollow|files.NonBlock, 0o600)
	}
	if err == nil { // before it says anything: what nobody has locked is of a dead process
		err = files.Lock(m.lock, false)
	}
	if err == nil {
		err = m.lock.Truncate(0)
	}
	if err == nil {
		_, err = m.lock.Write(data)
	}
	if err == nil {
		err = m.lock.Sync()
	}
	if err != nil {
		a.warn("if this chexp is killed, the next one will not know of its lease: " + store.Explain(err).Error())
	}
	return m
}

// over ends the note of a process that ends; known says whether its user knows what
// became of the lease.
func (m *making) over(known bool) {
	if known {
		_ = os.Remove(m.file) // what stays is told of once too often
	}
	if m.lock != nil {
		m.lock.Close()
	}
}

// offerMade says which leases may have been made of which nobody has heard.
func offerMade(a *app) {
	dir, err := makingDir()
	if err != nil {
		return
	}
	entries, err := files.ReadDir(dir, 1000)
	if err != nil {
		return
	}
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		data, err := files.Read(file, 1<<16)
		var m making
		if err != nil || json.Unmarshal(data, &m) != nil || makingFile(dir, m.Name) != file || atWork(file) {
			continue
		}
		if !m.End.IsZero() && time.Now().Add(min(0, m.Ahead)).After(m.End) {
			_ = os.Remove(file)
			continue
		}
		until := ""
		if !m.End.IsZero() {
			until = ", until " + clock.Both(m.End)
		}
		lines := run.Commands{Program: a.program, Flags: m.Flags}
		a.warn(fmt.Sprintf("a `chexp lease create` was cut off: whether its lease %s exists%s, `%s` says; `%s` gives it back",
			words.Printable(m.Name), until, lines.Line("lease", "show", m.Name), lines.DeleteLease(m.Name)))
	}
}

// atWork reports whether the process lives that has a note locked, or has ended well
// since and taken the note along.
func atWork(file string) bool {
	f, err := os.OpenFile(file, os.O_RDWR|files.NoFollow|files.NonBlock, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	return files.Lock(f, false) != nil
}

// heardOf forgets the note of a lease that its user has looked at by its name.
func heardOf(name string) {
	if dir, err := makingDir(); err == nil && !atWork(makingFile(dir, name)) {
		_ = os.Remove(makingFile(dir, name))
	}
}
