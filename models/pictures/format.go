package pictures

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// extensions are those of the formats that Decode knows. A file with one of
// them is a picture; whether it can be decoded is seen then.
var extensions = []string{".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"}

// rawExtensions are those of cameras' raw files, which begin like a TIFF and
// hold no picture that its decoder knows.
var rawExtensions = []string{".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"}

// Formats names what Decode reads, for people.
const Formats = "JPEG, PNG, GIF, WebP, BMP or TIFF"

// Ignored says whether a file or folder is what a computer leaves among
// somebody's files and nobody means: hidden ones (.DS_Store, ._x.jpg), and
// Windows' and macOS' own.
func Ignored(name string) bool {
	switch strings.ToLower(name) {
	case "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin":
		return true
	}
	return strings.HasPrefix(name, ".")
}

// headBytes is how much of a file tells its format.
const headBytes = 512

// format names a file's format by its first bytes, "" if they are unknown;
// read says whether Decode knows it.
func format(head []byte) (name string, read bool) {
	head = head[:min(len(head), headBytes)]
	at := func(i int, s string) bool { return len(head) >= i+len(s) && string(head[i:i+len(s)]) == s }
	switch {
	case at(0, "\xff\xd8\xff"):
		return "JPEG", true
	case at(0, "\x89PNG\r\n\x1a\n"):
		return "PNG", true
	case at(0, "GIF87a"), at(0, "GIF89a"):
		return "GIF", true
	case at(0, "RIFF") && at(8, "WEBP"):
		return "WebP", true
	case isBMP(head):
		return "BMP", true
	case at(0, "II*\x00"), at(0, "MM\x00*"):
		return "TIFF", true
	case at(4, "ftyp"):
		return mediaFormat(head), false
	case at(0, "\xff\x0a"), at(0, "\x00\x00\x00\x0cJXL "):
		return "JPEG XL", false
	case at(0, "\x00\x00\x00\x0cjP  "), at(0, "\xff\x4f\xff\x51"):
		return "JPEG 2000", false
	case at(0, "8BPS"):
		return "Photoshop", false
	case bytes.Contains(head, []byte("<svg")):
		return "SVG", false
	}
	return "", false
}

// isBMP looks at the size of the second header too: two letters are no proof.
func isBMP(head []byte) bool {
	return len(head) >= 18 && string(head[:2]) == "BM" &&
		slices.Contains([]uint32{12, 40, 52, 56, 64, 108, 124}, binary.LittleEndian.Uint32(head[14:]))
}

// mediaFormat reads the brands of an ISO media file (ISO/IEC 14496-12).
func mediaFormat(head []byte) string {
	brands := string(head[8:min(len(head), 40)])
	switch {
	case strings.Contains(brands, "avi"):
		return "AVIF"
	case strings.Contains(brands, "hei"), strings.Contains(brands, "hev"), strings.Contains(brands, "mif1"),
		strings.Contains(brands, "msf1"):
		return "HEIC"
	}
	return "a film or sound"
}

// isPicture says whether a file is taken for a picture: by its extension, or,
// where that says nothing, by its first bytes.
func isPicture(tree fs.FS, name string) bool {
	ext := strings.ToLower(path.Ext(name))
	switch {
	case slices.Contains(extensions, ext):
		return true
	case slices.Contains(rawExtensions, ext):
		return false
	}
	f, err := tree.Open(name)
	if err != nil {
		return false // a pipe, a link that leaves the folder
	}
	defer f.Close()
	head := make([]byte, headBytes)
	n, _ := io.ReadFull(f, head) // an empty file is no picture
	_, read := format(head[:n])
	return read
}

// LeftOut is what of somebody's files is not used, by kind.
type LeftOut struct {
	kinds []leftKind
}

type leftKind struct {
	name, first string
	count       int
}

func (l *LeftOut) add(kind, name string) {
	for i := range l.kinds {
		if l.kinds[i].name == kind {
			l.kinds[i].count++
			return
		}
	}
	l.kinds = append(l.kinds, leftKind{name: kind, first: name, count: 1})
}

// addFile counts a file that is no picture under its extension.
func (l *LeftOut) addFile(name string) {
	kind := strings.ToLower(path.Ext(name))
	if kind == "" {
		kind = "without an extension"
	}
	l.add(kind, name)
}

// Count is how many there are.
func (l LeftOut) Count() (n int) {
	for _, k := range l.kinds {
		n += k.count
	}
	return n
}

// maxKinds bounds how many kinds a sentence names.
const maxKinds = 6

// String names them: "2 .heic (a/5.heic and 1 more), 1 folder (a/old)"; it is
// empty if there are none.
func (l LeftOut) String() string {
	kinds := slices.Clone(l.kinds)
	slices.SortStableFunc(kinds, func(a, b leftKind) int {
		if a.count != b.count {
			return b.count - a.count
		}
		return strings.Compare(a.name, b.name)
	})
	var parts []string
	for i, k := range kinds {
		if i == maxKinds {
			parts = append(parts, fmt.Sprintf("and %d kinds more", len(kinds)-i))
			break
		}
		text := fmt.Sprintf("%d %s (%s", k.count, k.name, k.first)
		if k.count > 1 {
			text += fmt.Sprintf(" and %d more", k.count-1)
		}
		parts = append(parts, text+")")
	}
	return strings.Join(parts, ", ")
}
