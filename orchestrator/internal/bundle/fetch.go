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
// SHA256SUMS, and only regular files within the limits. It passes over names with
// a leading dot, which are the agent's unfinished files. Anything else ends it
// before dst changes. A SHA256SUMS that comes along must fit the files.
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
	if err == nil {
		err = in.check()
	}
	if err != nil {
		return nil, fmt.Errorf("fetching results from %s: %w", dir, err)
	}
	return in.install()
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
}

// storage explains an error of this machine's disk.
func storage(dst string, err error) error {
	next := "check that the directory exists and may be written"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		next = "free some space"
	}
	return failure.Storage.Errorf("writing results to %s", dst).Advise("%s", next).Because(err)
}

func refused(format string, args ...any) error {
	return failure.Device.Errorf("what the device sent is refused: "+format, args...).
		Advise("an agent of this chexp never does this: the device or its image is not what it should be; " +
			"nothing was written")
}

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
		// Unfinished files and the directory itself count too: the loop is bounded.
		if n > 2*in.limits.Files {
			return refused("more than %d entries", 2*in.limits.Files)
		}
		if err := in.entry(h, r); err != nil {
			return err
		}
	}
	// A Transport may find out at the very end that something was lost. After
	// the archive come zeros up to a whole record.
	rest, err := io.Copy(io.Discard, io.LimitReader(stream, 1<<20))
	if err == nil && rest == 1<<20 {
		err = refused("the archive does not end")
	}
	return err
}

func (in *incoming) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	if in.total += h.Size; h.Size < 0 || in.total > in.limits.TotalBytes || h.Size > in.limits.FileBytes {
		return refused("%q has %d bytes; a file may have %d, all together %d",
			h.Name, h.Size, in.limits.FileBytes, in.limits.TotalBytes)
	}
	switch {
	case h.Typeflag == tar.TypeDir && name == ".":
		return nil
	case h.Typeflag != tar.TypeReg:
		return refused("%q is no regular file (tar type %q)", h.Name, h.Typeflag)
	case strings.HasPrefix(name, ".") && !strings.Contains(name, "/") && name != "..":
		return nil
	}
	id, isResult := strings.CutSuffix(name, in.suffix)
	if name != sumsName && !(isResult && trial.ValidID(id)) {
		return refused("%q is not the name of a result", h.Name)
	}
	if _, twice := in.sums[name]; twice {
		return refused("%q comes twice", h.Name)
	}
	if len(in.sums) >= in.limits.Files {
		return refused("more than %d files", in.limits.Files)
	}
	return in.save(name, r)
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

// check compares the files with SHA256SUMS. A file that the list does not name
// was made after the list.
func (in *incoming) check() error {
	sums, err := files.ParseSums(in.list)
	if err != nil {
		return refused("%v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		switch got := in.sums[name]; got {
		case sums[name]:
		case "":
			return failure.Device.Errorf("the device's %s names %q, which did not come", sumsName, name).
				Advise(damagedNext)
		default:
			return failure.Device.
				Errorf("result %q is damaged on the device: SHA-256 %s, its %s says %s",
					name, got, sumsName, sums[name]).
				Advise(damagedNext)
		}
	}
	return nil
}

const damagedNext = "fetch again; if it stays so, the device's storage is damaged and the trial must be run again"

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
