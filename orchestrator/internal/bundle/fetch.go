package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/transport"
)

// Limits bound what Fetch takes from a device; zero means the default.
type Limits struct {
	FileBytes  int64 // of one file, default 64 MiB: four million latencies as text
	TotalBytes int64 // of all files, default 1 GiB
	Files      int   // default 20,000
}

func (l Limits) orDefault() Limits {
	if l.FileBytes <= 0 {
		l.FileBytes = 64 << 20
	}
	if l.TotalBytes <= 0 {
		l.TotalBytes = 1 << 30
	}
	if l.Files <= 0 {
		l.Files = 20_000
	}
	return l
}

// sumsName is the list of sums within the directory of results.
var sumsName = path.Base(trial.ResultSums)

// Fetch brings the results from the device's directory dir ([trial.ResultsDir]
// below the bundle directory) into the directory dst of this machine. It returns
// the sorted names of all files that the device has. It may be called again and
// again while trials run: it keeps what is in dst already.
//
// What comes is hostile until checked. Fetch takes only <trial id>.json and
// SHA256SUMS, and only regular files within the limits, which are what a
// SHA256SUMS that comes along says. It passes over names with a leading dot, which
// are the agent's unfinished files. Anything else is left out: what is good is put
// in place, and an error for which [Partly] is true names what is not. Only a
// stream that breaks off changes nothing.
//
// Results are written once. A file in dst with other content stays as it is and
// is reported, after all others have been put in place. Only SHA256SUMS is
// replaced: a run that goes on after a stop writes a longer one.
func Fetch(ctx context.Context, t transport.Transport, dir, dst string, limits Limits) ([]string, error) {
	return fetch(ctx, t, dir, dst, ".json", limits)
}

// FetchJournals is [Fetch] for the journals of unfinished trials
// ([trial.JournalDir], <trial id>.jsonl) into an empty directory. While the agent
// writes them a Transport may find that a file grew, and fail.
func FetchJournals(ctx context.Context, t transport.Transport, dir, dst string, limits Limits) ([]string, error) {
	return fetch(ctx, t, dir, dst, ".jsonl", limits)
}

func fetch(ctx context.Context, t transport.Transport, dir, dst, suffix string, limits Limits) ([]string, error) {
	if err := os.MkdirAll(dst, 0o755); err != nil {
		return nil, storage(dst, err)
	}
	root, err := files.OpenRoot(dst)
	if err != nil {
		return nil, storage(dst, err)
	}
	defer root.Close()
	// What a killed fetch left; the run's lock keeps others out meanwhile.
	left, _ := fs.Glob(root.FS(), ".fetch-*")
	for _, name := range left {
		_ = root.RemoveAll(name)
	}
	in := &incoming{
		root: root, suffix: suffix, dst: dst, tmp: ".fetch-" + strings.ToLower(rand.Text()[:8]),
		limits: limits.orDefault(), sums: files.Sums{},
	}
	if err := root.Mkdir(in.tmp, 0o700); err != nil {
		return nil, storage(dst, err)
	}
	defer root.RemoveAll(in.tmp)

	stream, err := t.Get(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("fetching results: %w", err)
	}
	err = in.receive(stream)
	_ = stream.Close() // all was read, so its error would be about the device's disk
	if err != nil {
		return nil, fmt.Errorf("fetching results from %s: %w", dir, err)
	}
	in.check()
	names, err := in.install()
	return names, errors.Join(err, in.partly(dir))
}

// incoming is a fetch under way. Files wait in tmp, below dst: on the same file
// system, so that they can be linked into place.
type incoming struct {
	root     *os.Root
	dst, tmp string
	suffix   string // of the files, after the trial's id
	limits   Limits
	total    int64
	sums     files.Sums // of what came
	list     []byte     // SHA256SUMS, if it came
	out      []string   // what was left out, and why
}

// errPartly marks an error after which what is good lies in place.
var errPartly = errors.New("the rest is here")

// Partly reports whether what a fetch could take is in place, though err says
// that there was more.
func Partly(err error) bool { return errors.Is(err, errPartly) }

// partly is the error that names what was left out; nil if nothing was.
func (in *incoming) partly(dir string) error {
	if len(in.out) == 0 {
		return nil
	}
	return failure.Device.Errorf("left out of %s on the device: %s", dir, words.List(in.out, "; ", maxNamed)).
		Advise("an agent of this chexp never sends that: the device, its storage or its image is not what it should be").
		Because(errPartly)
}

// maxNamed bounds how much of what was left out is named.
const maxNamed = 10

func (in *incoming) leaveOut(format string, args ...any) {
	if len(in.out) < 2*in.limits.Files {
		in.out = append(in.out, fmt.Sprintf(format, args...))
	}
}

// storage explains an error of this machine's disk.
func storage(dst string, err error) error {
	next := "check that the directory exists and may be written"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		next = "free some space"
	}
	return failure.Storage.Errorf("writing results to %s", dst).Advise("%s", next).Because(err)
}

// receive takes what comes. It reads on over what it leaves out, and no further
// where that is more than the limits.
func (in *incoming) receive(stream io.Reader) error {
	r := tar.NewReader(stream)
	for n := 0; ; n++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		in.total += max(h.Size, 0)
		// Unfinished files and the directory itself count too: the loop is bounded.
		if n > 2*in.limits.Files || h.Size < 0 || in.total > in.limits.TotalBytes {
			in.leaveOut("%.80q and what follows it: more than %d entries or %d bytes", h.Name, 2*in.limits.Files,
				in.limits.TotalBytes)
			return nil
		}
		if err := in.entry(h, r); err != nil {
			return err
		}
	}
	// A Transport may find out at the very end that something was lost. After
	// the archive come zeros up to a whole record.
	rest, err := io.Copy(io.Discard, io.LimitReader(stream, 1<<20))
	if err == nil && rest == 1<<20 {
		in.leaveOut("what follows the archive, which does not end")
	}
	return err
}

func (in *incoming) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	id, isResult := strings.CutSuffix(name, in.suffix)
	_, twice := in.sums[name]
	switch {
	case h.Typeflag == tar.TypeDir && name == ".":
	case h.Typeflag != tar.TypeReg:
		in.leaveOut("%.80q is no regular file (tar type %q)", h.Name, h.Typeflag)
	case strings.HasPrefix(name, ".") && !strings.Contains(name, "/") && name != "..":
	case name != sumsName && !(isResult && trial.ValidID(id)):
		in.leaveOut("%.80q is not the name of a result", h.Name)
	case h.Size > in.limits.FileBytes:
		in.leaveOut("%s has %d bytes; a file may have %d", name, h.Size, in.limits.FileBytes)
	case twice:
		in.leaveOut("%s comes twice", name)
	case len(in.sums) >= in.limits.Files:
		in.leaveOut("%s is one more than %d files", name, in.limits.Files)
	default:
		return in.save(name, r)
	}
	return nil
}

func (in *incoming) save(name string, r io.Reader) error {
	f, err := in.root.OpenFile(in.tmp+"/"+name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return storage(in.dst, err)
	}
	defer f.Close()
	h, list := sha256.New(), &bytes.Buffer{}
	disk := &diskWriter{w: f}
	w := io.MultiWriter(disk, h)
	if name == sumsName {
		w = io.MultiWriter(disk, h, list)
	}
	if _, err := io.Copy(w, r); err != nil {
		if disk.err != nil {
			return storage(in.dst, disk.err)
		}
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return storage(in.dst, err)
	}
	in.sums[name] = hex.EncodeToString(h.Sum(nil))
	if name == sumsName {
		in.list = list.Bytes()
	}
	return nil
}

// diskWriter remembers its error, which tells a failure of this machine's disk
// from one of the device.
type diskWriter struct {
	w   io.Writer
	err error
}

func (d *diskWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.err = err
	return n, err
}

// check compares the files with SHA256SUMS and leaves out what differs. A file
// that the list does not name was made after the list. A list that is damaged
// says nothing, as one that did not come: whether a result is one is judged from
// its content when it is adopted.
func (in *incoming) check() {
	sums, err := files.ParseSums(in.list)
	if err != nil {
		in.leaveOut("%v", err)
		delete(in.sums, sumsName)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		switch got := in.sums[name]; got {
		case sums[name]:
		case "":
			in.leaveOut("%.80q is in %s and did not come", name, sumsName)
		default:
			in.leaveOut("%s is damaged on the device: SHA-256 %s, its %s says %s", name, got, sumsName, sums[name])
			delete(in.sums, name)
		}
	}
}

// install puts the files in place, and reports those that cannot be together.
func (in *incoming) install() ([]string, error) {
	names := slices.Sorted(maps.Keys(in.sums))
	var conflicts []string
	for _, name := range names {
		err := in.place(name)
		if errors.Is(err, errDiffers) {
			conflicts = append(conflicts, name)
			continue
		}
		if err != nil {
			return nil, storage(in.dst, err)
		}
	}
	files.SyncDir(in.root.Name())
	if len(conflicts) > 0 {
		return names, failure.Storage.
			Errorf("%d results in %s differ from what the device has now (%s); they were left as they are",
				len(conflicts), in.dst, strings.Join(conflicts[:min(len(conflicts), 3)], ", ")).
			Advise("move the differing files away to take the device's, or keep them: " +
				"one of the two was changed after its trial")
	}
	return names, nil
}

var errDiffers = errors.New("the file exists with other content")

// place links a file to its name. Linking fails where the name exists, so no
// result is ever written over, not even by another fetch at the same time.
func (in *incoming) place(name string) error {
	from := in.tmp + "/" + name
	err := in.root.Link(from, name)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EMLINK):
		// A file system without links, such as a USB stick's.
		if _, err := in.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return in.root.Rename(from, name)
		}
	default:
		return err
	}
	sum, _, err := files.HashIn(context.Background(), in.root, name, files.NoLimit)
	if err != nil || sum == in.sums[name] {
		return err
	}
	if name == sumsName {
		return in.root.Rename(from, name)
	}
	return errDiffers
}
