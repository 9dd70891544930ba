package models

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chexp/experiments/files"
)

// Bounds of a search: a search path that points at a large tree must not make
// a run hang. Directories are not descended into.
const (
	maxSearchFiles = 1000
	maxSearchBytes = 8 << 30 // hashed at a few hundred MB/s
)

// search looks for a .onnx file of that content in the search path and, since
// people put files there by hand, in the cache. The name does not matter.
// cut says in words if bounds ended the search early.
func (r *Resolver) search(ctx context.Context, pin files.Pin) (found files.Stored, cut string) {
	looked, bytes := 0, int64(0)
	for _, dir := range append(append([]string(nil), r.SearchPath...), r.CacheDir) {
		for _, path := range onnxFiles(dir) {
			info, err := os.Stat(path) // follows links: a link to a model is fine
			if err != nil || !info.Mode().IsRegular() || info.Size() > MaxBytes {
				continue
			}
			looked++
			bytes += info.Size()
			if looked > maxSearchFiles || bytes > maxSearchBytes {
				return files.Stored{}, fmt.Sprintf("the search ended in %s after %d files, which is as far as it goes", dir,
					looked-1)
			}
			got, err := files.HashPinned(ctx, path, MaxBytes, pin)
			if has, _ := pin.Differs(got); err == nil && has == "" {
				return got, ""
			}
			if ctx.Err() != nil {
				return files.Stored{}, ""
			}
		}
	}
	return files.Stored{}, ""
}

// onnxFiles lists a directory's .onnx files by name; none if it cannot be read,
// since a search path often names what another machine has.
func onnxFiles(dir string) []string {
	entries, err := files.ReadDir(dir, 10*maxSearchFiles)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if isONNX(entry) {
			names = append(names, filepath.Join(dir, entry.Name()))
		}
	}
	return names
}

func isONNX(entry fs.DirEntry) bool {
	return !entry.IsDir() && strings.EqualFold(filepath.Ext(entry.Name()), ".onnx")
}
