//go:build unix

package models

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/models/onnx"
)

// external writes net.onnx, whose weights are in net.onnx.data, into a folder,
// with the locations that places gives its tensors in turn.
func external(t *testing.T, places ...string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	data, err := os.ReadFile("testdata/net.onnx.data")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "net.onnx.data"), data)
	model, err := os.ReadFile("testdata/net.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if len(places) > 0 {
		m, err := onnx.Parse(model)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range m.Tensors() {
			for k, p := range x.External {
				if p.Key == "location" {
					x.External[k].Value = places[i%len(places)]
				}
			}
		}
		if model, err = m.Marshal(); err != nil {
			t.Fatal(err)
		}
	}
	return dir, write(t, filepath.Join(dir, "net.onnx"), model)
}

// The sum of a model of several files is what sha256sum makes of it, and its size
// is that of all; another name of the .onnx changes neither, another byte of the
// data both.
func TestAModelOfSeveralFilesIsOne(t *testing.T) {
	dir, path := external(t)
	ctx := context.Background()
	w, err := Load(ctx, path, files.Pin{})
	if err != nil {
		t.Fatal(err)
	}
	if w.Bytes != 346+37888 || len(w.Parts) != 2 || w.Parts[1].Name != "net.onnx.data" || len(w.Files) != 2 {
		t.Errorf("%+v", w)
	}
	shell := exec.Command("sh", "-c", "{ sha256sum <net.onnx; sha256sum net.onnx.data; } | sha256sum")
	shell.Dir = dir
	if out, err := shell.Output(); err != nil || !strings.HasPrefix(string(out), w.SHA256) {
		t.Errorf("sha256sum says %s (%v), we %s", out, err, w.SHA256)
	}
	other := filepath.Join(dir, "other.onnx")
	if err := os.Rename(path, other); err != nil {
		t.Fatal(err)
	}
	if again, err := Load(ctx, other, files.Pin{}); err != nil || again.SHA256 != w.SHA256 {
		t.Errorf("under another name: %s, %v", again.SHA256, err)
	}
	r := &Resolver{CacheDir: t.TempDir()}
	found, err := r.Resolve(ctx, spec.ModelSource{Name: "net", Path: other, Pin: files.Pin{SHA256: w.SHA256}})
	if err != nil || found.Bytes != w.Bytes || found.SHA256 != w.SHA256 || len(found.Files) != 2 {
		t.Errorf("%+v, %v", found, err)
	}
	data := filepath.Join(dir, "net.onnx.data")
	b, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	b[7] ^= 1
	write(t, data, b)
	_, err = r.Resolve(ctx, spec.ModelSource{Name: "net", Path: other, Pin: files.Pin{SHA256: w.SHA256}})
	if err == nil || !strings.Contains(err.Error(), "with the 1 files that hold its values has sha256") {
		t.Errorf("a changed byte of the data: %v", err)
	}
	_, err = r.Resolve(ctx, spec.ModelSource{Name: "net", Path: other,
		Pin: files.Pin{SWHID: "swh:1:cnt:" + strings.Repeat("0", 40)}})
	if err == nil || !strings.Contains(err.Error(), "a SWHID of one file says nothing of") {
		t.Errorf("a SWHID: %v", err)
	}
}

func TestDataInSeveralFilesAndFolders(t *testing.T) {
	dir, path := external(t, "weights/a b.bin", "./net.onnx.data")
	if err := os.Mkdir(filepath.Join(dir, "weights"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "net.onnx.data"), filepath.Join(dir, "weights", "a b.bin")); err != nil {
		t.Fatal(err)
	}
	w, err := Load(context.Background(), path, files.Pin{})
	if err != nil || len(w.Parts) != 3 || w.Parts[1].Name != "net.onnx.data" || w.Parts[2].Name != "weights/a b.bin" {
		t.Errorf("%+v, %v", w.Parts, err)
	}
}

// What is missing, short, too large, or not in the model's folder is said before
// anything is created.
func TestDataThatCannotTravelIsRefused(t *testing.T) {
	elsewhere := write(t, filepath.Join(t.TempDir(), "x"), make([]byte, 100_000))
	for name, c := range map[string]struct {
		place string
		spoil func(data string) error
		says  string
	}{
		"missing": {"", os.Remove, "net.onnx.data, which is not beside the model"},
		"short":   {"", func(p string) error { return os.Truncate(p, 1000) }, "which has 1000"},
		"too large": {"", func(p string) error { return os.Truncate(p, MaxDataBytes) },
			"a model that goes to a device has at most"},
		"pipe": {"", func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return syscall.Mkfifo(p, 0o600)
		}, "no regular file"},
		"link out": {"", func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Symlink(elsewhere, p)
		}, "put the file itself here"},
		"above":     {"../net.onnx.data", nil, "not a file beside the model"},
		"absolute":  {"/etc/passwd", nil, "not a file beside the model"},
		"backslash": {`a\b`, nil, "which is not beside the model"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := external(t)
			if c.place != "" {
				dir, path = external(t, c.place)
			}
			if c.spoil != nil {
				if err := c.spoil(filepath.Join(dir, "net.onnx.data")); err != nil {
					t.Fatal(err)
				}
			}
			r := &Resolver{CacheDir: t.TempDir()}
			_, err := r.Resolve(context.Background(), spec.ModelSource{Name: "net", Path: path})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v", err)
			}
		})
	}
}
