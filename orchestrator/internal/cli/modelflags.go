package cli

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/files"
	"chexp/models/pictures"

	"github.com/urfave/cli/v2"
)

// What the flags of `chexp model` hold, read and judged in one place.

// points reads a share that is given in percentage points.
func points(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimRight(strings.TrimSuffix(s, "pt"), "% "), 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("is in percentage points, such as 1pt; it is %q", s)
	}
	return v / 100, nil
}

// colours reads a number for each of red, green and blue.
func colours(s string) (out [3]float32, err error) {
	parts := strings.Split(s, ",")
	for i := range out {
		v, err := strconv.ParseFloat(strings.TrimSpace(parts[min(i, len(parts)-1)]), 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || len(parts) != 3 && len(parts) != 1 {
			return out, fmt.Errorf("is %q; it takes one number or three, such as 0.485,0.456,0.406", s)
		}
		out[i] = float32(v)
	}
	return out, nil
}

// deviations is the rule of what colours are divided by.
func deviations(s string) error {
	v, err := colours(s)
	if err == nil && (v[0] <= 0 || v[1] <= 0 || v[2] <= 0) {
		err = fmt.Errorf("is %q; colours are divided by numbers more than 0", s)
	}
	return err
}

// positive is the rule of a size.
func positive(_ *cli.Context, n int64) error {
	if n < 1 {
		return fmt.Errorf("is %d; it must be 1 or more", n)
	}
	return nil
}

// sizes reads a shape such as 1,3,224,224.
func sizes(s string) (dims []int64, err error) {
	for _, part := range strings.Split(s, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("is %q; it takes sizes such as 1,3,224,224", s)
		}
		dims = append(dims, n)
	}
	return dims, nil
}

// classNames reads --classes: a file of names, or the names.
func classNames(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	if info, err := os.Stat(s); err == nil && !info.IsDir() {
		return pictures.ReadLabels(s)
	}
	var names []string
	for _, name := range strings.Split(s, ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
			return nil, badFlag("--classes %s has an empty name", s)
		case slices.Contains(names, name):
			return nil, badFlag("--classes %s has %s twice", s, name)
		}
		names = append(names, name)
	}
	return names, nil
}

func aShape(s string) error {
	_, err := sizes(s)
	return err
}

var (
	sumForm     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	versionForm = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?$`)
)

// aSum is the rule of a SHA-256, aVersion that of ONNX Runtime's version.
func aSum(s string) error {
	if !sumForm.MatchString(s) {
		return fmt.Errorf("is %q; it takes 64 hexadecimal digits in lower case", s)
	}
	return nil
}

// aSWHID is the rule of a file's SWHID.
func aSWHID(s string) error {
	if _, err := files.ParseSWHID(s); err != nil {
		return fmt.Errorf("is %q, but %w", s, err)
	}
	return nil
}

func aVersion(s string) error {
	if !versionForm.MatchString(s) {
		return fmt.Errorf("is %q; it takes a version such as 1.27", s)
	}
	return nil
}
