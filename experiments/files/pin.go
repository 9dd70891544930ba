package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/pjbgf/sha1cd"
)

// Pin is what a file must hold: its SHA-256, its SWHID, or both.
//
// A SWHID (ISO/IEC 18670) of a file is "swh:1:cnt:" and the name that Git gives
// its content, so that every file of a Git repository has one without anybody
// having published a sum. That name is a SHA-1, for which two files with one
// name can be made by whoever makes both, and no second one to a file that
// somebody else made. The SHA-1 here is the one with collision detection
// that Git uses too: what a known way of making collisions made gets another
// sum, and so fits no pin.
type Pin struct {
	SHA256 string // lower-case hex, or empty
	SWHID  string // as [ParseSWHID] returns it, or empty
}

// swhContent begins the SWHID of a file's content.
const swhContent = "swh:1:cnt:"

// Given reports whether the pin says anything.
func (p Pin) Given() bool { return p != Pin{} }

// Of says in words what the file must be, for sentences.
func (p Pin) Of() string {
	switch {
	case p.SHA256 == "":
		return "SWHID " + p.SWHID
	case p.SWHID == "":
		return "sha256 " + p.SHA256
	}
	return "sha256 " + p.SHA256 + " and SWHID " + p.SWHID
}

// Differs says in words what a file has that the pin does not allow; empty if the
// file is the one that is pinned.
func (p Pin) Differs(s Stored) (has, must string) {
	switch {
	case p.SHA256 != "" && s.SHA256 != p.SHA256:
		return "sha256 " + s.SHA256, p.SHA256
	case p.SWHID != "" && s.SWHID != p.SWHID:
		return "SWHID " + s.SWHID, p.SWHID
	}
	return "", ""
}

// ParseSWHID reads the SWHID of a file's content. Qualifiers, which say where it
// was found, are cut off; those that mean a part of the file are refused.
func ParseSWHID(s string) (string, error) {
	core, qualifiers, _ := strings.Cut(s, ";")
	for q := range strings.SplitSeq(qualifiers, ";") {
		if name, _, _ := strings.Cut(q, "="); name == "lines" || name == "bytes" {
			return "", fmt.Errorf("means a part of a file (%s); cut off what follows the first semicolon", q)
		}
	}
	kinds := map[string]string{"dir": "a directory", "rev": "a commit", "rel": "a release", "snp": "a repository"}
	if parts := strings.Split(core, ":"); len(parts) == 4 && parts[0] == "swh" && kinds[parts[2]] != "" {
		return "", fmt.Errorf("names %s; the SWHID of a file begins with %s", kinds[parts[2]], swhContent)
	}
	digits, ok := strings.CutPrefix(core, swhContent)
	digits = strings.ToLower(digits)
	if !ok || len(digits) != 2*sha1cd.Size || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fmt.Errorf("must be %s and 40 hexadecimal digits, as `git hash-object FILE` prints", swhContent)
	}
	return swhContent + digits, nil
}

// HashPinned is [Hash], with the SWHID too where the pin asks for it.
func HashPinned(ctx context.Context, path string, limit int64, pin Pin) (Stored, error) {
	f, err := Open(path, limit)
	if err != nil {
		return Stored{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Stored{}, err
	}
	h := newHashing(io.Discard, pin, st.Size())
	n, err := io.Copy(h, io.LimitReader(reader{ctx, f}, limit+1))
	switch {
	case err != nil:
		return Stored{}, err
	case n > limit:
		return Stored{}, tooLarge(path, limit)
	case n != st.Size():
		return Stored{}, fmt.Errorf("%s changed while it was read", path)
	}
	s, _ := h.stored()
	s.Path = path
	return s, nil
}

// StorePinned is [Store] of a file that must be what pin says; else nothing is
// left of it and the error is a [*NotPinned]. length is its size where that is
// told beforehand, which a SWHID begins with: the file is then read once only.
func StorePinned(
	dir string, pin Pin, length int64, write func(io.Writer) error, name func(sum string) string,
) (s Stored, err error) {
	s.Path, err = create(dir, 0o644, func(f *os.File) (string, error) {
		h := newHashing(f, pin, length)
		if err := write(h); err != nil {
			return "", err
		}
		var whole bool
		if s, whole = h.stored(); !whole {
			again, err := HashPinned(context.Background(), f.Name(), NoLimit, pin)
			if err != nil {
				return "", err
			}
			s.SWHID = again.SWHID
		}
		if has, must := pin.Differs(s); has != "" {
			return "", &NotPinned{Stored: s, Has: has, Must: must}
		}
		return name(s.SHA256), nil
	})
	return s, err
}

// NotPinned is the error of a file that is another one than it must be.
type NotPinned struct {
	Stored
	Has, Must string // as [Pin.Differs] says it
}

func (e *NotPinned) Error() string { return "it has " + e.Has + ", but it must be " + e.Must }

// hashing is a writer that computes the sums of what it writes.
type hashing struct {
	w      io.Writer
	sum    hash.Hash
	blob   hash.Hash // of Git's blob; nil where no SWHID is asked for
	length int64     // which the blob begins with
	n      int64
}

func newHashing(w io.Writer, pin Pin, length int64) *hashing {
	h := &hashing{w: w, sum: sha256.New(), length: length}
	if pin.SWHID != "" {
		h.blob = sha1cd.New()
		h.blob.Write([]byte("blob " + strconv.FormatInt(length, 10) + "\x00"))
	}
	return h
}

func (h *hashing) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	h.sum.Write(p[:n])
	if h.blob != nil {
		h.blob.Write(p[:n])
	}
	h.n += int64(n)
	return n, err
}

// stored is what was written; whole is false where the length was another one, so
// that the SWHID has yet to be computed.
func (h *hashing) stored() (s Stored, whole bool) {
	s = Stored{SHA256: hex.EncodeToString(h.sum.Sum(nil)), Bytes: h.n}
	if h.blob != nil && h.n == h.length {
		s.SWHID = swhContent + hex.EncodeToString(h.blob.Sum(nil))
	}
	return s, h.blob == nil || s.SWHID != ""
}
