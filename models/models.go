// Package models turns the models that an experiment names into files on this
// machine, each known by its SHA-256: builtin ones are generated, paths are
// hashed, and URLs are taken from a cache or a search path by their content,
// else downloaded and accepted only if the content is the one that was asked
// for.
//
// Everything here happens before a lease is made: what cannot be had must cost
// nobody a device. Package models/catalog lists the builtin models,
// models/builtin makes them, models/onnx reads, checks and writes the format.
package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/catalog"
	"chexp/models/onnx"
)

// MaxBytes bounds a model file. ONNX itself, being one protobuf message, ends
// at 2 GiB.
const MaxBytes = 2 << 30

// SearchPathEnv names directories, separated like PATH, that are looked
// through for .onnx files of the right content before anything is downloaded.
const SearchPathEnv = "CHEXP_MODEL_PATH"

// DefaultSearchPath is what SearchPathEnv says.
func DefaultSearchPath() []string {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv(SearchPathEnv)) {
		if dir != "" { // an empty entry would be the current directory, by surprise
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// Resolver finds, makes and fetches model files. Its zero value but CacheDir
// is ready to use. It may be used by several goroutines and processes at once:
// files appear in the cache whole, by renaming.
type Resolver struct {
	CacheDir   string       // <sha256>.onnx each; created when needed
	SearchPath []string     // directories that are only read
	HTTP       *http.Client // nil: a client with bounds of its own
	// Progress, if not nil, is told what takes time, one line of text each.
	Progress func(text string)
	// Offline has nothing downloaded: the file at a URL that is not here cannot be
	// had then, as [NotHad] tells.
	Offline bool
	// StandIn, if not nil, is told of each stand-in that is taken where a model's
	// file cannot be had, with the reason. It is for rehearsals, which say nothing
	// about the model. Nil: none is taken.
	StandIn func(text string)
}

// Resolved is a model and where its files lie on this machine.
type Resolved struct {
	trial.Model
	File  string            // the .onnx
	Files map[string]string // all of its files, by SHA-256
	// Packs are the files with the values of inputs, by their SHA-256.
	Packs map[string]string
	// Notes are clauses about the model: what was decided of its inputs without
	// being asked.
	Notes []string
	Facts Facts // of the model's file

	parsed *onnx.Model
}

// Resolve returns the file of one model. Its error names the model and holds a
// [failure.Error] of kind [failure.Usage], or it is the context's.
func (r *Resolver) Resolve(ctx context.Context, m spec.ModelSource) (Resolved, error) {
	return r.resolve(ctx, m, MaxBytes)
}

// resolve downloads no more than limit bytes.
func (r *Resolver) resolve(ctx context.Context, m spec.ModelSource, limit int64) (Resolved, error) {
	var found Resolved
	var err error
	switch {
	case m.Builtin != "":
		found, err = r.builtin(ctx, m)
	case m.Path != "":
		found = r.path(m)
	case m.URL != "":
		found, err = r.fetch(ctx, m, limit)
	default:
		err = failure.Usage.Errorf("names no builtin, path or url")
	}
	if e := (*failure.Error)(nil); r.StandIn != nil && m.StandIn != "" && errors.As(err, &e) && e.Code == notHad {
		found, err = r.standIn(ctx, m, e)
	}
	if err == nil {
		found.Name = m.Name
		err = found.examine(ctx, m)
	}
	if err == nil {
		return found, nil
	}
	if ctx.Err() != nil {
		return Resolved{}, ctx.Err()
	}
	var e *failure.Error
	if !errors.As(err, &e) {
		err = failure.Usage.Errorf("cannot be used").Because(err)
	}
	return Resolved{}, fmt.Errorf("model %s: %w", m.Name, err)
}

// ResolveAll resolves every model of an experiment. Its error joins those of all
// that failed, each with its line in the experiment file.
func (r *Resolver) ResolveAll(ctx context.Context, e *spec.Experiment) ([]Resolved, error) {
	var all []Resolved
	var failed []error
	for i := range e.Models {
		found, err := r.ResolveOne(ctx, e, i)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, found)
	}
	return all, errors.Join(failed...)
}

// ResolveOne resolves the i-th model of an experiment, with its inputs.
func (r *Resolver) ResolveOne(ctx context.Context, e *spec.Experiment, i int) (Resolved, error) {
	found, err := r.Resolve(ctx, e.Models[i])
	switch {
	case err != nil && ctx.Err() != nil:
		return found, ctx.Err()
	case err != nil:
		return found, fmt.Errorf("%s: %w", e.Where(fmt.Sprintf("models[%d]", i)), err)
	}
	return found, r.settle(e, i, &found)
}

// examine refuses what is no model, before a device is reserved for it, and
// another model than the one that is pinned, and counts the work of what is one.
func (r *Resolved) examine(ctx context.Context, m spec.ModelSource) error {
	pin := files.Pin{}
	if m.Path != "" {
		pin = m.Pin
	}
	w, err := Load(ctx, r.File, pin)
	if err != nil {
		return err
	}
	if len(w.Parts) > 0 && m.Path == "" {
		return failure.Usage.Errorf("%s keeps values in %d files of their own, and a url names one", r.File,
			len(w.Parts)-1).
			Advise("download all of them into one folder, and write path: instead of url:; the sha256 of all is %s", w.SHA256)
	}
	if len(w.Parts) > 0 && pin.SHA256 == "" && pin.SWHID != "" {
		return failure.Usage.Errorf("%s keeps values in %d files of their own, which a SWHID of one file says nothing of",
			r.File, len(w.Parts)-1).Advise("write sha256: %s, which is of all of them", w.SHA256)
	}
	if has, must := pin.Differs(w.Stored); has != "" {
		return w.notPinned(m.Path, has, must)
	}
	r.SHA256, r.Bytes, r.Parts, r.Files = w.SHA256, w.Bytes, w.Parts, w.Files
	r.parsed, r.Work = w.ONNX, reading(onnx.Work(w.ONNX, 1))
	return nil
}

// reading is a model's work, or why it cannot be counted.
func reading(w trial.Work, err error) trial.Reading[trial.Work] {
	if err != nil {
		return trial.Unread[trial.Work](err.Error())
	}
	return trial.Read(w)
}

// notPinned is the error of a file of the user's that is another one than the
// experiment says.
func (w Whole) notPinned(path, has, must string) error {
	if len(w.Parts) == 0 {
		return failure.Usage.Errorf("file %s has %s, but the experiment says %s", path, has, must).
			Advise("use the file that the experiment was written for, or correct its %s", kindOf(has))
	}
	return failure.Usage.
		Errorf("file %s with the %d files that hold its values has %s, but the experiment says %s", path,
			len(w.Parts)-1, has, must).
		Advise("use the files that the experiment was written for, or write sha256: %s, which is of all of them",
			w.SHA256)
}

func (r *Resolver) progress(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// builtin generates the model, unless the cache has it.
func (r *Resolver) builtin(ctx context.Context, m spec.ModelSource) (Resolved, error) {
	b, ok := catalog.Find(m.Builtin)
	if !ok {
		return Resolved{}, failure.Usage.Errorf("there is no builtin model %q", m.Builtin).
			Advise("use one of %v", catalog.Names())
	}
	origin := "builtin " + b.Name
	if !b.Trained {
		origin += " (untrained)"
	}
	want := trial.Model{SHA256: b.SHA256, Bytes: b.Bytes, Origin: origin}
	pin := files.Pin{SHA256: b.SHA256}
	if file, ok := r.cached(ctx, pin); ok {
		return Resolved{Model: want, File: file.Path}, nil
	}
	r.progress("generating %s (%s)", b.Name, spec.FormatBytes(b.Bytes))
	data, err := builtin.Generate(b.Name)
	if err != nil {
		return Resolved{}, err
	}
	file, err := r.store(pin, b.Bytes, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if e := (*files.NotPinned)(nil); errors.As(err, &e) {
		return Resolved{}, failure.Usage.
			Errorf("generating %s gave other bytes (%s) than it must (%s)", b.Name, e.Has, e.Must).
			Advise("this is a fault of chexp on this platform: please report it")
	}
	return Resolved{Model: want, File: file.Path}, err
}

// standIn is the builtin model that is measured in place of a file that cannot
// be had.
func (r *Resolver) standIn(ctx context.Context, m spec.ModelSource, why error) (Resolved, error) {
	found, err := r.builtin(ctx, spec.ModelSource{Builtin: m.StandIn})
	found.Origin = trial.StandIn + found.Origin
	r.StandIn(fmt.Sprintf("model %s: %v; its %s, is taken in its place: size, time and answers are not the model's",
		m.Name, why, found.Origin))
	return found, err
}

// path uses a file of the user's where it lies.
func (r *Resolver) path(m spec.ModelSource) Resolved {
	origin := "path " + filepath.Base(m.Path) // the rest of the path is nobody's business in a result
	return Resolved{Model: trial.Model{Origin: origin}, File: m.Path}
}

// kindOf is the word of a pin that [files.Pin.Differs] begins with, as the
// experiment file has it.
func kindOf(has string) string {
	word, _, _ := strings.Cut(has, " ")
	return strings.ToLower(word)
}

func resolved(f files.Stored, origin string) Resolved {
	return Resolved{Model: trial.Model{SHA256: f.SHA256, Bytes: f.Bytes, Origin: origin}, File: f.Path}
}

// cached returns the cache's file of that content. A file whose content has
// changed is no hit; it is replaced by the next store.
func (r *Resolver) cached(ctx context.Context, pin files.Pin) (found files.Stored, ok bool) {
	sum := pin.SHA256
	if sum == "" {
		data, err := files.Read(r.noteFile(pin), 100)
		if sum = strings.TrimSpace(string(data)); err != nil || !files.IsSum(sum) {
			return found, false
		}
	}
	found, err := files.HashPinned(ctx, r.cacheFile(sum), MaxBytes, pin)
	has, _ := pin.Differs(found)
	return found, err == nil && has == ""
}

func (r *Resolver) cacheFile(sum string) string { return filepath.Join(r.CacheDir, cacheName(sum)) }

func cacheName(sum string) string { return sum + ".onnx" }

// noteFile holds the SHA-256, under which the cache keeps a file, of a file that was
// asked for by its SWHID. It is a hint only: what it leads to is hashed again.
func (r *Resolver) noteFile(pin files.Pin) string {
	return filepath.Join(r.CacheDir, strings.ReplaceAll(pin.SWHID, ":", "-"))
}

// store writes a new file of the cache whole or not at all, where it is what pin
// says; its error is a [files.NotPinned] where it is not. length is the file's, or
// -1 where it is not told beforehand.
func (r *Resolver) store(pin files.Pin, length int64, write func(io.Writer) error) (files.Stored, error) {
	cannot := func(err error) error {
		return failure.Usage.Errorf("cannot write to the model cache %s", r.CacheDir).
			Advise("make room or make it writable").Because(err)
	}
	if err := os.MkdirAll(r.CacheDir, 0o755); err != nil {
		return files.Stored{}, cannot(err)
	}
	r.sweep()
	stored, err := files.StorePinned(r.CacheDir, pin, length, write, cacheName)
	if err == nil && pin.SWHID != "" {
		err = files.Write(r.noteFile(pin), []byte(stored.SHA256+"\n"))
	}
	if e := (*failure.Error)(nil); err != nil && !errors.As(err, &e) && !errors.As(err, new(*files.NotPinned)) {
		err = cannot(err)
	}
	return stored, err
}

// sweep removes what a killed process left half-written. A day is longer than
// any download that is still alive can be expected to take.
func (r *Resolver) sweep() {
	parts, _ := filepath.Glob(filepath.Join(r.CacheDir, files.TempPattern))
	for _, part := range parts {
		if info, err := os.Lstat(part); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			os.Remove(part)
		}
	}
}

// hash is the SHA-256 and the size of a file that may be a model.
func hash(ctx context.Context, path string) (sum string, size int64, err error) {
	return files.Hash(ctx, path, MaxBytes)
}
