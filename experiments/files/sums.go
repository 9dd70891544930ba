package files

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// SumsName is the usual name of a list of [Sums].
const SumsName = "SHA256SUMS"

// Sums maps file names to their SHA-256 in lower-case hex: the content of a
// SHA256SUMS file, which `sha256sum -c` reads too.
type Sums map[string]string

// Bytes is the list, sorted by name.
func (s Sums) Bytes() []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s  %s\n", s[name], name)
	}
	return b.Bytes()
}

// ParseSums reads the format of sha256sum: 64 hex digits, a blank, a blank or
// "*", the name. Names are slash-separated and stay inside their folder.
func ParseSums(raw []byte) (Sums, error) {
	sums := Sums{}
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		sum, name, ok := strings.Cut(line, " ")
		if ok && len(name) > 1 && (name[0] == ' ' || name[0] == '*') {
			name = strings.TrimPrefix(name[1:], "./")
		}
		if !ok || !IsSum(sum) || !fs.ValidPath(name) || name == "." {
			return nil, fmt.Errorf("%s line %d is not well formed", SumsName, n)
		}
		if sums[name] != "" && sums[name] != sum {
			return nil, fmt.Errorf("%s line %d gives %s a second sum", SumsName, n, name)
		}
		sums[name] = sum
	}
	return sums, nil
}

// IsSum reports whether s is a SHA-256 in lower-case hex.
func IsSum(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}
