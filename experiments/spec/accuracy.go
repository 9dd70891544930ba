package spec

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/trial"
)

// Accuracy is the accuracy: section: on which pictures every model's accuracy
// is measured, apart from the timed trials.
type Accuracy struct {
	// Path of the user's own pictures, absolute after loading; empty for
	// data: plates, which the agent draws.
	Path string
	// Labels is a file that names the classes, one a line, in the order of the
	// models' outputs; empty: Classes.
	Labels string
	// Classes are the same in the file itself; nil: the names of the folders, by
	// number where all are numbers, else by name.
	Classes    []string
	Pictures   int    // 0: all there are
	Reference  string // a model of the experiment
	Timeout    time.Duration
	Preprocess Preprocess

	// Pack is the packed data, which whoever has packed it sets before Expand.
	Pack *Pack
}

// Pack names a file of packed pictures.
type Pack struct {
	SHA256   string
	Bytes    int64
	Pictures int
	Classes  int
}

// Preprocess is how a picture becomes a model's input.
type Preprocess struct {
	Resize int        // of the shorter side, in pixels, before the crop
	Crop   int        // side of the square that is cut from the middle
	Mean   [3]float64 // of red, green and blue, after dividing by 255
	Std    [3]float64
	Layout string // "NCHW" or "NHWC"
	EXIF   bool   // turn pictures upright, as their EXIF data says
}

// DefaultPictures is how many drawn pictures are evaluated: enough for ±2.5
// points around 91 %.
const DefaultPictures = 500

// maxSide bounds a packed picture.
const maxSide = 1024

func defaultPreprocess() Preprocess {
	return Preprocess{Resize: 256, Crop: 224, Layout: "NCHW",
		// ImageNet's, as nearly every image model expects them.
		Mean: [3]float64{0.485, 0.456, 0.406}, Std: [3]float64{0.229, 0.224, 0.225}}
}

// accuracy reads the section. The models must have been read.
func (r *reader) accuracy(s *section, e *Experiment) {
	n := s.values["accuracy"]
	if n == nil {
		return
	}
	a := &Accuracy{Timeout: 10 * time.Minute, Preprocess: defaultPreprocess()}
	t, ok := r.section(n, "accuracy", "data", "labels", "classes", "pictures", "reference", "timeout", "preprocess")
	if !ok {
		return
	}
	e.Accuracy = a
	t.integer("pictures", &a.Pictures, 1, trial.MaxPictures)
	t.duration("timeout", &a.Timeout, time.Second, 24*time.Hour)
	r.reference(t, e)
	if p := t.values["preprocess"]; p != nil {
		r.preprocess(p, &a.Preprocess)
	}
	data, ok := t.text("data")
	switch {
	case !ok:
		t.require("data", "plates, chexp's own drawn pictures, or a folder or archive of your own")
	case data == trial.PlatesData:
		for _, key := range []string{"labels", "classes", "preprocess"} {
			if t.has(key) {
				t.r.addf(t.keys[key], t.at(key),
					"contradicts data: plates: the drawn pictures bring their own; remove it (a folder of that name is ./plates)")
			}
		}
		if a.Pictures == 0 {
			a.Pictures = DefaultPictures
		}
	default:
		a.Path, _ = r.existing(t, "data", data)
		if v, ok := t.text("labels"); ok {
			a.Labels, _ = r.existing(t, "labels", v)
		}
		a.Classes = t.classes()
	}
}

// maxClasses bounds how many names the experiment file itself may hold; a file
// of labels may hold more.
const maxClasses = 10000

// classes reads the names of all classes, in the order of the models' outputs.
func (s *section) classes() (names []string) {
	seen := map[string]bool{}
	for i, n := range s.list("classes", maxClasses) {
		at := fmt.Sprintf("%s[%d]", s.at("classes"), i)
		switch {
		case !s.r.plain(n, at):
		case n.Kind != yaml.ScalarNode || n.Value == "":
			s.r.addf(n, at, "is %s, but must be the name of a folder", what(n))
		case seen[n.Value]:
			s.r.addf(n, at, "is %q, which stands there twice", short(n.Value))
		}
		seen[n.Value] = true
		names = append(names, n.Value)
	}
	if len(names) > 0 && s.has("labels") {
		s.addf("classes", "contradicts labels: both name the classes; keep one")
	}
	return names
}

// reference is the first model unless the file names another one.
func (r *reader) reference(t *section, e *Experiment) {
	names := make([]string, len(e.Models))
	for i, m := range e.Models {
		names[i] = m.Name
	}
	if len(names) > 0 {
		e.Accuracy.Reference = names[0]
	}
	v, ok := t.text("reference")
	if !ok {
		return
	}
	e.Accuracy.Reference = v
	if !contains(names, v) {
		t.addf("reference", "is %q, which is no model of this experiment; %s", short(v), didYouMean(v, names))
	}
}

func (r *reader) preprocess(n *node, p *Preprocess) {
	s, ok := r.section(n, "accuracy.preprocess", "resize", "crop", "mean", "std", "layout", "exif")
	if !ok {
		return
	}
	before := len(r.problems)
	s.integer("resize", &p.Resize, 8, maxSide)
	s.integer("crop", &p.Crop, 8, maxSide)
	if len(r.problems) == before && p.Crop > p.Resize {
		s.addf("crop", "is %d, which does not fit into the %d of resize (the shorter side)", p.Crop, p.Resize)
	}
	s.triple("mean", &p.Mean, -10, 10)
	s.triple("std", &p.Std, 0.001, 10)
	s.truth("exif", &p.EXIF)
	if v, ok := s.text("layout"); ok {
		p.Layout = v
		if v != "NCHW" && v != "NHWC" {
			s.addf("layout", "is %q; %s", short(v), didYouMean(v, []string{"NCHW", "NHWC"}))
		}
	}
}

// triple reads three numbers, of red, green and blue.
func (s *section) triple(key string, into *[3]float64, low, high float64) {
	items := s.list(key, 3)
	if items == nil {
		return
	}
	if len(items) != 3 {
		s.addf(key, "has %d numbers, but must have three: of red, green and blue", len(items))
		return
	}
	for i, n := range items {
		v, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsNaN(v) || v < low || v > high || len(n.Content) > 0 {
			s.r.addf(n, fmt.Sprintf("%s[%d]", s.at(key), i), "is %s, but must be a number from %g to %g", what(n), low, high)
			continue
		}
		into[i] = v
	}
}

// existing checks that a file or folder is there, so that a slip in a path costs
// no lease, and returns its full path. Its content is read later. info is nil
// where there is nothing more to say.
func (r *reader) existing(s *section, key, written string) (path string, info os.FileInfo) {
	if written == "" {
		s.addf(key, "is empty: write a path")
		return "", nil
	}
	path = written
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	if r.stored {
		return path, nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && strings.HasPrefix(written, "~"):
		s.addf(key, "is %q: '~' is not expanded here, write the path in full or relative to this file", short(written))
	case os.IsNotExist(err):
		s.addf(key, "names %s, which does not exist (paths are relative to this file)", path)
	case err != nil:
		s.addf(key, "names %s, which cannot be read: %v", path, err)
	}
	return path, info
}

// evaluation is the plan's part of it; nil if accuracy is not asked for.
func (e *Experiment) evaluation() (*trial.Evaluation, error) {
	a := e.Accuracy
	if a == nil {
		return nil, nil
	}
	out := &trial.Evaluation{Data: trial.PlatesData, Pictures: a.Pictures, Reference: a.Reference, Timeout: a.Timeout,
		Name: "plates: drawn pictures, not photographs"}
	if a.Path == "" {
		return out, nil
	}
	if a.Pack == nil {
		return nil, Problems{e.Problemf("accuracy.data", "the pictures of %s were not packed", a.Path)}
	}
	out.Data, out.SHA256, out.Bytes, out.Pictures = trial.PackedData, a.Pack.SHA256, a.Pack.Bytes, a.Pack.Pictures
	out.Name = filepath.Base(a.Path)
	return out, nil
}
