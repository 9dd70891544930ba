package trial

import (
	"slices"
	"strconv"
	"strings"
)

// Manifest is what chexp-pack writes beside an agent or a runtime bundle, at the
// same path with ".json" after it, so that a program can choose one without
// opening it.
type Manifest struct {
	Version string  `json:"version"`
	OS      string  `json:"os"`
	Arch    string  `json:"arch"` // Go's name: arm64, amd64
	SHA256  string  `json:"sha256"`
	Bytes   int64   `json:"bytes"`
	Payload string  `json:"payload"` // identity of what is unpacked on the device
	Runtime Runtime `json:"runtime"`
	// Libraries and Interfaces are what a shared library finds that is run with
	// the carried ones: their names, and the newest version of each of their
	// interfaces, such as GLIBC 2.36. Manifests before they were added have none.
	Libraries  []string          `json:"libraries,omitempty"`
	Interfaces map[string]string `json:"interfaces,omitempty"`
}

// LaterVersion reports whether a is a later version than b, such as 2.36 than
// 2.4 or than none. What is no number, such as PRIVATE, is never later.
func LaterVersion(a, b string) bool {
	x, y := numbers(a), numbers(b)
	return x != nil && (y != nil || b == "") && slices.Compare(x, y) > 0
}

// numbers are those of a version; nil for what is none.
func numbers(version string) (list []int) {
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		list = append(list, n)
	}
	return list
}
