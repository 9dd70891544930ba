// Package payload is what makes the agent one file: the launcher is a static Go
// program, and behind its last byte lie, compressed, the runner (cgo) with ONNX
// Runtime, the dynamic loader and the C and C++ libraries that they need. The
// launcher unpacks them once into a directory named by their hash and starts the
// runner through the carried loader, so that nothing of the image is used: glibc,
// musl or no libc at all.
//
// The file is: launcher (ELF) · tar, zstd-compressed · Header as JSON · trailer
// (two lengths and a magic word). The end of an ELF file is free for such use:
// the kernel loads what the program headers name. There is no embedding at
// compile time, so a clean clone builds and vets without having built a payload.
//
// A runtime bundle is the same without launcher and runner: another ONNX Runtime
// with its own loader and libraries. The agent starts its own runner with them.
//
// The compression is zstd and not the standard library's gzip. Measured on the
// arm64 payload (27.7 MB) it gives 9.5 instead of 10.5 MB, and unpacks in 0.05
// instead of 0.16 s (under qemu-user in 0.2 instead of 1.1 s).
package payload

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"chexp/experiments/trial"
)

// Header describes the payload; it can be read without unpacking.
type Header struct {
	Arch    string        `json:"arch"` // Go's name
	Runtime trial.Runtime `json:"runtime"`
	// ID is the SHA-256 over the files' names, modes and contents.
	ID      string `json:"id"`
	Files   []File `json:"files"`
	Loader  string `json:"loader"`  // names in Files
	Runner  string `json:"runner"`  // empty in a runtime bundle
	Library string `json:"library"` // libonnxruntime
}

// File is one file of the payload.
type File struct {
	Name   string `json:"name"` // a plain file name
	Bytes  int64  `json:"bytes"`
	Exec   bool   `json:"exec,omitempty"`
	SHA256 string `json:"sha256"`
}

const (
	magic = "\nchexp-payload/1"
	// trailer: compressed length, header length (both big endian), magic.
	trailerSize = 8 + 8 + len(magic)
	maxHeader   = 1 << 20
)

// ErrNone means that the file carries no payload: it is the bare launcher, as
// `go build` makes it.
var ErrNone = errors.New("this chexp-agent carries no payload; build it with agent/build.sh")

// Payload is the payload of an agent file that is open.
type Payload struct {
	Header Header
	file   *os.File
	tar    *io.SectionReader // compressed
}

// Open finds the payload at the end of an agent file.
func Open(path string) (*Payload, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p, err := read(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Close closes the agent's file.
func (p *Payload) Close() error { return p.file.Close() }

func read(f *os.File) (*Payload, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	end := info.Size() - int64(trailerSize)
	if end < 0 {
		return nil, ErrNone
	}
	trailer := make([]byte, trailerSize)
	if _, err := f.ReadAt(trailer, end); err != nil {
		return nil, err
	}
	if string(trailer[16:]) != magic {
		return nil, ErrNone
	}
	tarSize := binary.BigEndian.Uint64(trailer)
	headerSize := binary.BigEndian.Uint64(trailer[8:])
	if headerSize > maxHeader || tarSize > uint64(end) || tarSize+headerSize > uint64(end) {
		return nil, errors.New("the payload's trailer is damaged: copy the file again")
	}
	raw := make([]byte, headerSize)
	if _, err := f.ReadAt(raw, end-int64(headerSize)); err != nil {
		return nil, err
	}
	p := &Payload{file: f, tar: io.NewSectionReader(f, end-int64(headerSize)-int64(tarSize), int64(tarSize))}
	if err := json.Unmarshal(raw, &p.Header); err != nil {
		return nil, fmt.Errorf("the payload's header is damaged: %w", err)
	}
	if p.Header.ID != p.Header.identity() {
		return nil, errors.New("the payload's header is damaged: copy the file again")
	}
	return p, nil
}

// Append writes launcher, compressed tar and header as one agent file.
func Append(w io.Writer, launcher io.Reader, compressed []byte, h Header) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, launcher); err != nil {
		return err
	}
	var tail bytes.Buffer
	tail.Write(compressed)
	tail.Write(raw)
	tail.Write(binary.BigEndian.AppendUint64(nil, uint64(len(compressed))))
	tail.Write(binary.BigEndian.AppendUint64(nil, uint64(len(raw))))
	tail.WriteString(magic)
	_, err = w.Write(tail.Bytes())
	return err
}
