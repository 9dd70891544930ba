package zunexec

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/orchestrator/internal/transport"
)

// packScript makes the archive that Get fetches in pieces, and prints its SHA-256
// and size. GNU tar ends with 1 when files changed meanwhile; the archive is well
// formed all the same.
const packScript = `LC_ALL=C tar cf all -C %s . 2>err; r=$?
if [ $r = 1 ] && [ -s err ] && ! grep -qv -e "changed as we read it" -e "removed before we read it" err; then r=0; fi
if [ $r != 0 ]; then head -c 1000 err; exit $r; fi
sha256sum <all && wc -c <all`

// cutScript puts $2 blocks from block $1 on into a directory of their own:
// get_archive fetches whole directories only.
const cutScript = `cd "$0" && rm -rf d && mkdir d &&
dd if=all of=d/part bs=262144 skip="$1" count="$2" 2>/dev/null && sha256sum <d/part && wc -c <d/part`

// Get implements transport.Transport. The directory is packed once at the far
// end, and the archive fetched piece by piece while it is read; each piece and
// the whole are compared with sums made there.
func (t *Transport) Get(ctx context.Context, dir string) (io.ReadCloser, error) {
	if err := transport.CheckPath(dir); err != nil {
		return nil, err
	}
	d, err := t.pack(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("zun: getting %s of container %s: %w", dir, t.id, cause(ctx, err))
	}
	return d, nil
}

func (t *Transport) pack(ctx context.Context, dir string) (*download, error) {
	exit, err := t.short(ctx, `test -d "$0"`, dir)
	if err != nil {
		return nil, err
	}
	if exit.Code != 0 {
		return nil, fmt.Errorf("no such directory: %w", fs.ErrNotExist)
	}
	// The archive lies beside the directory; where that is full or may not be
	// written, somewhere else.
	var first error
	for _, base := range []string{path.Dir(dir), "/tmp", "/dev/shm"} {
		if base == dir || strings.HasPrefix(base, strings.TrimSuffix(dir, "/")+"/") {
			continue // it would be packed into itself
		}
		stage := path.Join(base, ".chexp-get-"+strings.ToLower(rand.Text()[:8]))
		d := &download{t: t, ctx: ctx, dir: dir, stage: stage, sum: sha256.New()}
		err := d.pack()
		if err == nil {
			return d, nil
		}
		_ = d.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = fmt.Errorf("there is nowhere outside of it to pack it")
	}
	return nil, first
}

// download is one Get under way. It holds one piece in memory.
type download struct {
	t     *Transport
	ctx   context.Context
	dir   string
	stage string
	want  string // SHA-256 of the archive, as the far end says
	size  int64
	off   int64 // bytes fetched; a multiple of MinPart, or size
	sum   hash.Hash
	buf   []byte
	err   error
}

func (d *download) pack() error {
	if err := d.t.prepare(d.ctx, d.stage); err != nil {
		return err
	}
	code, log, err := d.t.step(d.ctx, d.stage, fmt.Sprintf(packScript, d.dir))
	if err != nil {
		return err
	}
	if code != 0 {
		return failure.Device.Errorf("packing in %s ended with %d: %s", d.stage, code, transport.Said([]byte(log))).
			Advise("check that the device's disk is not full and that the files may be read")
	}
	if d.want, d.size, err = sumAndSize(log); err != nil {
		return err
	}
	if d.size > d.t.opts.MaxGet {
		return failure.Device.Errorf("%s holds %d bytes, at most %d are fetched", d.dir, d.size, d.t.opts.MaxGet).
			Advise("look at what fills the directory")
	}
	return nil
}

// sumAndSize reads what `sha256sum <f && wc -c <f` prints.
func sumAndSize(out string) (sum string, size int64, err error) {
	f := strings.Fields(out)
	if len(f) == 3 && len(f[0]) == 2*sha256.Size {
		size, err = strconv.ParseInt(f[2], 10, 64)
		if err == nil && size >= 0 {
			return f[0], size, nil
		}
	}
	return "", 0, fmt.Errorf("the far end answered %q instead of a sum and a size", transport.Said([]byte(out)))
}

func (d *download) Read(p []byte) (int, error) {
	if len(d.buf) == 0 && d.err == nil {
		d.err = d.next()
	}
	if len(d.buf) == 0 {
		return 0, d.err
	}
	n := copy(p, d.buf)
	d.buf = d.buf[n:]
	return n, nil
}

func (d *download) next() error {
	if d.off == d.size {
		if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.want {
			return failure.Device.Errorf("%s arrived with SHA-256 %s, packed was %s", d.dir, got, d.want).
				Advise("fetch again")
		}
		return io.EOF
	}
	data, err := d.piece()
	if err != nil {
		return fmt.Errorf("zun: getting %s of container %s, byte %d of %d: %w",
			d.dir, d.t.id, d.off, d.size, cause(d.ctx, err))
	}
	d.buf = data
	d.off += int64(len(data))
	d.sum.Write(data)
	return nil
}

// piece fetches the next piece, smaller when the site does not pass it.
func (d *download) piece() ([]byte, error) {
	var last error
	wait := d.t.backoff()
	for try := 1; try <= tries; try++ {
		n := min(int64(d.t.part), d.size-d.off)
		want, err := d.cut(n)
		if err != nil {
			return nil, err
		}
		var data []byte
		if data, last = d.fetch(n, want); last == nil {
			return data, nil
		}
		if d.ctx.Err() != nil || final(last) {
			return nil, last
		}
		if d.t.part > MinPart && (status(last) == 413 || try%2 == 0) {
			d.t.part = max(d.t.part/2/MinPart, 1) * MinPart
		}
		if err := wait.next(d.ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("given up after %d tries: %w", tries, last)
}

// cut lays n bytes out for get_archive and returns their sum.
func (d *download) cut(n int64) (string, error) {
	block, count := d.off/MinPart, (n+MinPart-1)/MinPart
	exit, err := d.t.short(d.ctx, cutScript, d.stage, strconv.FormatInt(block, 10), strconv.FormatInt(count, 10))
	if err != nil {
		return "", err
	}
	if exit.Code != 0 {
		return "", fmt.Errorf("cutting a piece at the far end: exit %d: %s", exit.Code, transport.Said(exit.Output))
	}
	sum, size, err := sumAndSize(string(exit.Output))
	if err == nil && size != n {
		err = fmt.Errorf("cutting a piece at the far end: %d bytes for %d; its disk may be full", size, n)
	}
	return sum, err
}

func (d *download) fetch(n int64, want string) ([]byte, error) {
	archive, err := d.t.zun.GetArchive(d.ctx, d.t.id, d.stage+"/d")
	if err != nil {
		return nil, err
	}
	data, err := member(archive, "part", n)
	if err != nil {
		return nil, err
	}
	if files.Sum(data) != want {
		return nil, fmt.Errorf("a piece of %d bytes was damaged on its way", n)
	}
	return data, nil
}

// member takes the one file of n bytes out of an archive.
func member(archive []byte, name string, n int64) ([]byte, error) {
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("an archive of %d bytes came without the file that was asked for: %w",
				len(archive), noEOF(err))
		}
		if path.Clean(h.Name) != name || h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size != n {
			return nil, fmt.Errorf("%d bytes came, asked was for %d", h.Size, n)
		}
		data := make([]byte, n)
		_, err = io.ReadFull(r, data)
		return data, noEOF(err)
	}
}

// noEOF replaces the io.EOF of one piece, which a reader would take for the end
// of the whole stream.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close frees the space at the far end.
func (d *download) Close() error {
	d.err = fs.ErrClosed
	d.buf = nil
	return d.t.remove(d.ctx, d.stage)
}
