package payload

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"chexp/experiments/files"
)

// Describe reads the files to carry (by their names in the payload) and fills in
// h.Files and h.ID. The same contents give the same ID whatever their paths and
// times.
func Describe(paths map[string]string, h *Header) error {
	h.Files = nil
	for name, path := range paths {
		sum, n, err := files.Hash(context.Background(), path, files.NoLimit)
		if err != nil {
			return err
		}
		h.Files = append(h.Files, File{Name: name, Bytes: n, SHA256: sum})
	}
	slices.SortFunc(h.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for i, f := range h.Files {
		// The kernel executes the loader, which loads the runner.
		h.Files[i].Exec = f.Name == h.Loader || f.Name == h.Runner
	}
	h.ID = h.identity()
	return nil
}

// identity is the SHA-256 over what is unpacked.
func (h Header) identity() string {
	var list bytes.Buffer
	for _, f := range h.Files {
		fmt.Fprintf(&list, "%s %d %v %s\n", f.SHA256, f.Bytes, f.Exec, f.Name)
	}
	return files.Sum(list.Bytes())
}

// Compress makes the payload's tar: sorted, without times and owners, so that
// the same files give the same bytes.
func Compress(paths map[string]string, h Header) ([]byte, error) {
	var out bytes.Buffer
	// The window of 8 MiB makes the file small, and is what a decoder must hold in
	// memory.
	z, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(8<<20))
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	for _, f := range h.Files {
		mode := int64(0o644)
		if f.Exec {
			mode = 0o755
		}
		head := &tar.Header{Name: f.Name, Size: f.Bytes, Mode: mode, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(head); err != nil {
			return nil, err
		}
		content, err := os.ReadFile(paths[f.Name])
		if err != nil {
			return nil, err
		}
		if _, err := t.Write(content); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
