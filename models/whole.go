package models

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/models/onnx"
)

// MaxDataBytes bounds a model with all the files that hold its values: all of it
// goes to a device, and into its memory.
const MaxDataBytes = 16 << 30

// Whole is a model file with the files beside it that hold values (ONNX's
// external data), which are one model: they have one sum and one size, and travel
// together.
type Whole struct {
	files.Stored // of all; Path is the .onnx
	Parts        []trial.Part
	// Files say where this machine has each file of the model, by SHA-256.
	Files map[string]string
	ONNX  *onnx.Model // with its weights still in their files
	// Outside are the names of the tensors whose values are in files of their own.
	Outside map[string]bool
}

// Load reads a model file, and finds and hashes the files that hold its values.
// pin is only consulted for what sums to compute.
func Load(ctx context.Context, path string, pin files.Pin) (Whole, error) {
	w := Whole{}
	var err error
	if w.Stored, err = files.HashPinned(ctx, path, MaxBytes, pin); err != nil {
		return w, failure.Usage.Errorf("cannot be read").Because(err)
	}
	if w.ONNX, err = onnx.Load(path); err != nil {
		return w, failure.Usage.Errorf("cannot be used").
			Advise("give the .onnx file itself, complete, with the files that hold its values beside it; " +
				"a Git LFS pointer or a web page saved in its place is no model").
			Because(err)
	}
	w.Files = map[string]string{w.SHA256: path}
	w.Outside = map[string]bool{}
	for _, t := range w.ONNX.Tensors() {
		if t.Outside {
			w.Outside[t.Name] = true
		}
	}
	names, _, err := w.ONNX.ExternalFiles()
	if err == nil && len(names) > 0 {
		err = w.addData(ctx, filepath.Dir(path), names)
	}
	if err == nil {
		err = w.ONNX.LoadSmall(filepath.Dir(path))
	}
	if ctx.Err() != nil {
		return w, ctx.Err()
	}
	if err != nil {
		return w, failure.Usage.Errorf("cannot be used").Because(err)
	}
	return w, nil
}

// addData makes the model one of several files.
func (w *Whole) addData(ctx context.Context, dir string, names []string) error {
	root, err := files.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	total := w.Bytes
	for _, name := range names { // sizes first: what is too large is not read
		if err := trial.CheckPartName(name); err != nil {
			return fmt.Errorf("the file that holds its values: %w", err)
		}
		size, err := sizeIn(root, name)
		if err != nil {
			return err
		}
		if total += size; total > MaxDataBytes {
			return fmt.Errorf("with the files that hold its values, up to %s, it has more than %s; a model that goes "+
				"to a device has at most %s", name, spec.FormatBytes(total-1), spec.FormatBytes(MaxDataBytes))
		}
	}
	w.Parts = []trial.Part{{Name: trial.ModelPart, SHA256: w.SHA256, Bytes: w.Bytes}}
	for _, name := range names {
		sum, size, err := files.Hash(ctx, filepath.Join(dir, filepath.FromSlash(name)), MaxDataBytes)
		if err != nil {
			return err
		}
		w.Parts = append(w.Parts, trial.Part{Name: name, SHA256: sum, Bytes: size})
		w.Files[sum] = filepath.Join(dir, filepath.FromSlash(name))
	}
	w.Bytes, w.SHA256 = total, trial.PartsSum(w.Parts)
	return nil
}

func sizeIn(root *os.Root, name string) (int64, error) {
	f, err := files.OpenIn(root, filepath.FromSlash(name), files.NoLimit)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
