// Package pack is the file of labelled pixels that goes to a device, so that a
// device needs no decoder, and every model sees the very same pixels: on them an
// experiment's accuracy: is measured. The orchestrator writes it (package
// pictures, from a person's pictures), the agent reads it (Open). Equal pixels
// and settings give equal bytes, and a pack is pushed by its hash, once.
package pack

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"chexp/experiments/files"
)

// Header says what a pack holds.
type Header struct {
	Pictures int        `json:"pictures"`
	Side     int        `json:"side"`   // pixels
	Labels   []string   `json:"labels"` // class names, in the order of the model's outputs
	Mean     [3]float64 `json:"mean"`   // normalization: (value/255 - mean) / std
	Std      [3]float64 `json:"std"`
	Layout   string     `json:"layout"` // NCHW or NHWC: what the model wants; the pack itself is by pixel
}

const (
	magic = "chexp pictures 1\n"
	// MaxSide bounds a picture, MaxClasses the labels, maxHeader the header.
	MaxSide    = 1024
	MaxClasses = 65536
	maxHeader  = 8 << 20
)

func (h Header) check() error {
	switch {
	case h.Pictures < 1 || h.Side < 1 || h.Side > MaxSide:
		return fmt.Errorf("%d pictures of %d pixels", h.Pictures, h.Side)
	case len(h.Labels) < 1 || len(h.Labels) > MaxClasses:
		return fmt.Errorf("%d classes", len(h.Labels))
	case h.Layout != "NCHW" && h.Layout != "NHWC":
		return fmt.Errorf("layout %q", h.Layout)
	case h.Std[0] <= 0 || h.Std[1] <= 0 || h.Std[2] <= 0:
		return fmt.Errorf("deviations %v", h.Std)
	}
	return nil
}

// Writer writes a pack: the header, and then each picture's label (16 bits) and
// pixels.
type Writer struct {
	z    *zstd.Encoder
	h    Header
	left int
}

// NewWriter begins a pack.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	// One thread: the bytes must not depend on how many there are.
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	start := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(head)))
	if _, err := z.Write(append(start, head...)); err != nil {
		return nil, err
	}
	return &Writer{z: z, h: h, left: h.Pictures}, nil
}

// Add appends a picture of Side × Side pixels.
func (w *Writer) Add(pixels []uint8, label int) error {
	if len(pixels) != 3*w.h.Side*w.h.Side || label < 0 || label >= len(w.h.Labels) || w.left == 0 {
		return fmt.Errorf("a picture of %d bytes with label %d does not belong into this pack", len(pixels), label)
	}
	w.left--
	if _, err := w.z.Write(binary.LittleEndian.AppendUint16(nil, uint16(label))); err != nil {
		return err
	}
	_, err := w.z.Write(pixels)
	return err
}

// Close ends the pack.
func (w *Writer) Close() error {
	err := w.z.Close()
	if w.left > 0 {
		err = errors.Join(err, fmt.Errorf("%d pictures are missing", w.left))
	}
	return err
}

// Reader reads a pack, picture by picture.
type Reader struct {
	Header Header
	file   *os.File
	z      *zstd.Decoder
	in     *bufio.Reader
	pixels []uint8
}

// Open opens a pack.
func Open(path string) (*Reader, error) {
	f, err := files.Open(path, files.NoLimit)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: f}
	if r.z, err = zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20)); err != nil {
		f.Close()
		return nil, err
	}
	r.in = bufio.NewReader(r.z)
	if err := r.head(); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s is no pack of pictures: %w", path, err)
	}
	return r, nil
}

func (r *Reader) head() error {
	start := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(r.in, start); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(start[len(magic):])
	if string(start[:len(magic)]) != magic || n > maxHeader {
		return errors.New("it does not begin like one")
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return err
	}
	if err := json.Unmarshal(head, &r.Header); err != nil {
		return err
	}
	if err := r.Header.check(); err != nil {
		return err
	}
	r.pixels = make([]uint8, 3*r.Header.Side*r.Header.Side)
	return nil
}

// Next returns the next picture's pixels, valid until the next call, and label.
func (r *Reader) Next() ([]uint8, int, error) {
	var label [2]byte
	if _, err := io.ReadFull(r.in, label[:]); err != nil {
		return nil, 0, err
	}
	if _, err := io.ReadFull(r.in, r.pixels); err != nil {
		return nil, 0, err
	}
	k := int(binary.LittleEndian.Uint16(label[:]))
	if k >= len(r.Header.Labels) {
		return nil, 0, fmt.Errorf("label %d of %d classes", k, len(r.Header.Labels))
	}
	return r.pixels, k, nil
}

// Close closes the file.
func (r *Reader) Close() error {
	r.z.Close()
	return r.file.Close()
}
