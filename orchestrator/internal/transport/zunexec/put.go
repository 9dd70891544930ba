package zunexec

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/tarstream"
)

// Put implements transport.Transport. Parts go into a directory beside dir and
// are put together there. When a Put breaks off they stay: a second Put of the
// same files finds them by their names and sends only what is missing.
func (t *Transport) Put(ctx context.Context, dir string, stream io.Reader) error {
	if err := transport.CheckPath(dir); err != nil {
		return err
	}
	if err := t.put(ctx, dir, stream); err != nil {
		return fmt.Errorf("zun: putting files into %s of container %s: %w", dir, t.id, cause(ctx, err))
	}
	return nil
}

func (t *Transport) put(ctx context.Context, dir string, stream io.Reader) error {
	stage := path.Join(path.Dir(dir), ".chexp-put-"+strings.Trim(path.Base(dir), "/"))
	if err := t.prepare(ctx, stage); err != nil {
		return err
	}
	u := &upload{t: t, ctx: ctx, stage: stage, stream: stream, whole: sha256.New()}
	if err := u.leftovers(); err != nil {
		return err
	}
	sums, err := tarstream.Copy(u, stream)
	if err != nil {
		return err
	}
	if err := u.flush(); err != nil {
		return err
	}
	return u.assemble(dir, sums)
}

// upload is one Put under way. It holds one part in memory, and its tar.
type upload struct {
	t      *Transport
	ctx    context.Context
	stage  string
	stream io.Reader
	have   map[string]bool // parts that lie there, perhaps incomplete
	whole  hash.Hash       // of all that was written
	buf    []byte
	packed bytes.Buffer // the part that is being sent, as a tar
	parts  []string     // in order
	done   int64        // bytes verified at the far end
}

// leftovers stops what an earlier Put left running and lists the parts that it left.
func (u *upload) leftovers() error {
	exit, err := u.t.short(u.ctx, stepKill+`
rm -rf "$0"/step-*; cd "$0" && ls | grep "^p-" | head -n 5000; exit 0`, u.stage)
	if err != nil {
		return err
	}
	u.have = map[string]bool{}
	for _, name := range strings.Fields(string(exit.Output)) {
		u.have[name] = true
	}
	return nil
}

// Write collects parts and sends each as soon as it is full.
func (u *upload) Write(p []byte) (int, error) {
	n := len(p)
	u.whole.Write(p)
	if u.buf == nil {
		u.buf = make([]byte, 0, u.t.part)
	}
	for len(p) > 0 {
		k := min(len(p), u.t.part-len(u.buf))
		u.buf = append(u.buf, p[:k]...)
		p = p[k:]
		if len(u.buf) < u.t.part {
			break
		}
		if err := u.flush(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (u *upload) flush() error {
	if len(u.buf) == 0 {
		return nil
	}
	names, err := u.send(u.buf)
	if err != nil {
		return err
	}
	u.parts = append(u.parts, names...)
	u.done += int64(len(u.buf))
	u.buf = u.buf[:0]
	transport.Acknowledge(u.stream, u.done)
	return nil
}

// unanswered is how often a part may fail to arrive although Zun answers 200.
// After that, tar at the far end is taken to fail: Zun does not say so.
const unanswered = 3

// send brings one part there and proves it. It returns the part's name, or the
// names of the pieces when the site took only smaller ones.
func (u *upload) send(data []byte) ([]string, error) {
	sum := sha256.Sum256(data)
	name := "p-" + hex.EncodeToString(sum[:16])
	if u.have[name] {
		if ok, err := u.there(name, sum); ok || err != nil {
			return []string{name}, err
		}
	}
	if err := padded(&u.packed, name, data); err != nil {
		return nil, err
	}
	var last error
	wait := u.t.backoff()
	for try := 1; try <= tries; try++ {
		last = u.t.zun.PutArchive(u.ctx, u.t.id, u.stage, u.packed.Bytes())
		if err := u.ctx.Err(); err != nil {
			return nil, err
		}
		if last != nil && final(last) {
			return nil, last
		}
		// The status tells nothing: tar may have failed at 200 and worked at 500.
		ok, err := u.there(name, sum)
		if err != nil {
			return nil, err
		}
		if ok {
			u.have[name] = true
			return []string{name}, nil
		}
		if last != nil && len(data) > MinPart && (status(last) == 413 || try == 2) {
			return u.halve(data)
		}
		if last == nil && try == unanswered {
			return nil, u.lost()
		}
		if err := wait.next(u.ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("a part of %d bytes did not get there in %d tries: %w", len(data), tries, last)
}

// halve sends a part in two pieces, and later parts no larger than those.
func (u *upload) halve(data []byte) ([]string, error) {
	half := (len(data)/2 + MinPart - 1) / MinPart * MinPart
	u.t.part = min(u.t.part, half)
	first, err := u.send(data[:half])
	if err != nil {
		return nil, err
	}
	second, err := u.send(data[half:])
	return append(first, second...), err
}

// there asks the far end for the part's sum.
func (u *upload) there(name string, sum [sha256.Size]byte) (bool, error) {
	exit, err := u.t.short(u.ctx, `cd "$0" && sha256sum "$1" 2>&1`, u.stage, name)
	if err != nil {
		return false, fmt.Errorf("asking whether a part arrived: %w", err)
	}
	return exit.Code == 0 && strings.HasPrefix(string(exit.Output), hex.EncodeToString(sum[:])+" "), nil
}

// lost explains parts that never arrive although every call answers 200.
func (u *upload) lost() error {
	found := "the far end does not say why"
	exit, err := u.t.short(u.ctx, `touch "$0/try" 2>&1; rm -f "$0/try"; df -Pk "$0" 2>&1 | tail -n 1; id`, u.stage)
	if err == nil {
		found = transport.Said(exit.Output)
	}
	return failure.Device.Errorf("Zun answers well, but nothing arrives in %s (%s)", u.stage, found).
		Advise("check that the disk is not full, that the image's user may write there " +
			"and that the image's tar works")
}

// padded wraps a part into a tar of its own. Without the zeros up to a whole
// record of 10,240 bytes GNU tar waits for more, for nobody closes its input;
// Go's archive/tar writes 1,024 only.
func padded(b *bytes.Buffer, name string, data []byte) error {
	const record = 10_240
	b.Reset()
	b.Grow(len(data) + 2*record)
	w := tar.NewWriter(b)
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600, Format: tar.FormatUSTAR,
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.Write(make([]byte, (record-b.Len()%record)%record))
	return nil
}

// Exit codes of the assembling script.
const (
	exitParts  = 91 // the parts together are not the stream that was sent
	exitUnpack = 92 // tar failed, or the directory could not be made
	exitSums   = 93 // the files are not those that were sent
)

// assembleScript gets, in this order: staging directory, names of the parts one a
// line, SHA-256 of the stream, directory, names of the sums' parts.
const assembleScript = `cd %[1]s || exit 95
parts() { while read -r p; do cat "$p" || return 1; done <<END
%[2]sEND
}
set -- $(parts | sha256sum)
[ "$1" = %[3]s ] || { echo "the parts have SHA-256 $1"; exit 91; }
mkdir -p %[4]s || exit 92
parts | tar xpmof - -C %[4]s || exit 92
cat /dev/null %[5]s >sums
[ -s sums ] || exit 0
cd %[4]s || exit 92
sha256sum -c %[1]s/sums >%[1]s/checked 2>&1 && exit 0
grep -v ": OK$" %[1]s/checked | head -n 5
exit 93
`

// assemble puts the parts together and has every file checked. The lists do
// not fit into an URL: they go up as parts themselves.
func (u *upload) assemble(dir string, sums *tarstream.Sums) error {
	list := strings.Join(append(u.parts, ""), "\n")
	sumParts, err := u.sendText(sums.Text())
	if err != nil {
		return err
	}
	whole := hex.EncodeToString(u.whole.Sum(nil))
	script := fmt.Sprintf(assembleScript, u.stage, list, whole, dir, strings.Join(sumParts, " "))
	scriptParts, err := u.sendText(script)
	if err != nil {
		return err
	}
	code, log, err := u.t.step(u.ctx, u.stage, "cat "+strings.Join(scriptParts, " ")+" >script && sh ./script")
	if err != nil {
		return err
	}
	// Whatever came of it, the parts have served; that they stay behind would
	// be no failure of Put.
	_ = u.t.remove(u.ctx, u.stage)
	said := transport.Said([]byte(log))
	switch code {
	case 0:
		return nil
	case exitParts:
		return fmt.Errorf("the parts were changed after they had been checked: sent was SHA-256 %s, %s; put again",
			whole, said)
	case exitUnpack:
		return failure.Device.Errorf("unpacking failed: %s", said).
			Advise("check that the disk has room for the files twice and that the image's user may write there")
	case exitSums:
		return failure.Device.Errorf("files differ from what was sent: %s", said).
			Advise("check the device's disk and try again")
	}
	return failure.Device.Errorf("putting the parts together ended with %d: %s", code, said)
}

func (u *upload) sendText(text string) (names []string, err error) {
	for data := []byte(text); len(data) > 0 && err == nil; {
		k := min(len(data), u.t.part)
		var some []string
		some, err = u.send(data[:k])
		names, data = append(names, some...), data[k:]
	}
	return names, err
}
