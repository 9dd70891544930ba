package trial

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"

	"chexp/experiments/files"
)

// Part is one file of a model that is several: the .onnx itself first, with the
// name ModelPart, then the files beside it that hold values (ONNX's external
// data), sorted by name.
type Part struct {
	Name   string `json:"name"` // as the .onnx names it: relative to its folder, with slashes
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// ModelPart is the name of the .onnx among the parts. A model is the same under
// any file name.
const ModelPart = "-"

// MaxParts bounds the files with values of one model.
const MaxParts = 256

// PartsSum is the SHA-256 of a model of several files: that of the list that
//
//	{ sha256sum <m.onnx; sha256sum m.onnx.data; } | sha256sum
//
// computes, with all data files in the order of their names (as LC_ALL=C sorts).
func PartsSum(parts []Part) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%s  %s\n", p.SHA256, p.Name)
	}
	return files.Sum([]byte(b.String()))
}

// CheckPartName says what is wrong with the name of a data file, nil if nothing
// is. The name becomes a path on two machines, and stands in lists of sums.
func CheckPartName(name string) error {
	const most = 200
	odd := strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' })
	switch {
	case !fs.ValidPath(name) || name == "." || name == ModelPart:
		return fmt.Errorf("%q is no file beside the model", name)
	case len(name) > most:
		return fmt.Errorf("its name has %d bytes; at most %d are possible", len(name), most)
	case odd >= 0:
		return fmt.Errorf("%q has a character in its name that does not travel well", name)
	}
	return nil
}

// checkParts reports how the parts contradict the model.
func (m Model) checkParts() error {
	if len(m.Parts) == 0 {
		return nil
	}
	if len(m.Parts) > 1+MaxParts || m.Parts[0].Name != ModelPart {
		return fmt.Errorf("%d files, the first of them %q", len(m.Parts), m.Parts[0].Name)
	}
	var total int64
	for i, p := range m.Parts {
		if i > 0 {
			if err := CheckPartName(p.Name); err != nil {
				return err
			}
			if i > 1 && p.Name <= m.Parts[i-1].Name {
				return fmt.Errorf("%q does not follow %q", p.Name, m.Parts[i-1].Name)
			}
		}
		if !files.IsSum(p.SHA256) || p.Bytes < 0 {
			return fmt.Errorf("%q has sha256 %q and %d bytes", p.Name, p.SHA256, p.Bytes)
		}
		total += p.Bytes
	}
	if total != m.Bytes || PartsSum(m.Parts) != m.SHA256 {
		return fmt.Errorf("its files have %d bytes and the sum %s, the model %d and %s", total, PartsSum(m.Parts),
			m.Bytes, m.SHA256)
	}
	return nil
}

// partPath is where a part lies below the bundle directory: the folder is the
// model's own, so that equal names of two models' data do not meet.
func (m Model) partPath(p Part) string {
	name := p.Name
	if name == ModelPart {
		name = m.SHA256 + ".onnx"
	}
	return path.Join(ModelsDir, m.SHA256, name)
}
