// Package arrays reads a person's own values for a model's inputs: NumPy's arrays
// (.npy), archives of them (.npz), and lines of text (.txt). What it reads is
// foreign: sizes are bounded before memory is taken, and nothing of a file is
// executed (an array of Python objects is refused).
package arrays

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"chexp/experiments/files"
	"chexp/experiments/input"
	"chexp/experiments/words"
)

// MaxBytes bounds the values of one array.
const MaxBytes = input.MaxPack

// maxArrays bounds an archive.
const maxArrays = 10_000

// Array is an array of numbers (in Data, little endian, row by row) or of texts.
type Array struct {
	Type  input.Type
	Shape []int64
	Data  []byte
	Texts []string
}

// Elements is how many values the array has.
func (a *Array) Elements() int64 {
	n := int64(1)
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

// Read reads a file by its name's ending. Of an archive it takes the array with
// that name, or the only one.
func Read(path, name string) (*Array, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".txt":
		b, err := files.Read(path, MaxBytes)
		if err != nil {
			return nil, err
		}
		return lines(b)
	case ".npz":
		all, err := Names(path)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, name) {
			if len(all) != 1 {
				return nil, fmt.Errorf("it holds no array %q; it has: %s", name, words.List(all, ", ", 20))
			}
			name = all[0]
		}
		return member(path, name)
	}
	b, err := files.Read(path, MaxBytes+1<<16)
	if err != nil {
		return nil, err
	}
	return Parse(b)
}

// Names are the arrays of an archive, sorted.
func Names(path string) (list []string, err error) {
	err = archive(path, func(f *zip.File, name string) error {
		list = append(list, name)
		return nil
	})
	slices.Sort(list)
	return list, err
}

func member(path, wanted string) (a *Array, err error) {
	err = archive(path, func(f *zip.File, name string) error {
		if name != wanted || a != nil {
			return nil
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		defer in.Close()
		b, err := io.ReadAll(io.LimitReader(in, MaxBytes+1<<16))
		if err == nil {
			a, err = Parse(b)
		}
		if err != nil {
			return fmt.Errorf("array %q: %w", name, err)
		}
		return nil
	})
	return a, err
}

// archive calls do for every array of an archive.
func archive(path string, do func(f *zip.File, name string) error) error {
	in, err := files.Open(path, MaxBytes)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(in, info.Size())
	if err != nil {
		return fmt.Errorf("it is no archive of arrays (.npz): %w", err)
	}
	if len(z.File) > maxArrays {
		return fmt.Errorf("it holds more than %d arrays", maxArrays)
	}
	for _, f := range z.File {
		if name, ok := strings.CutSuffix(f.Name, ".npy"); ok {
			if err := do(f, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// lines is a text for each line.
func lines(b []byte) (*Array, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("it is not UTF-8 text")
	}
	text := strings.TrimSuffix(string(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))), "\n")
	if text == "" {
		return nil, errors.New("it holds no line")
	}
	a := &Array{Type: input.Text, Texts: strings.Split(text, "\n")}
	for i, s := range a.Texts {
		a.Texts[i] = strings.TrimSuffix(s, "\r")
	}
	a.Shape = []int64{int64(len(a.Texts))}
	return a, nil
}
