package transport

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// maxPath bounds a path at the far end; Zun carries it in a URL.
const maxPath = 512

// CheckPath refuses a path that a Transport may not use: one that is not
// absolute and clean, or that holds anything which a shell or Zun's command
// splitter could read as more than a letter.
func CheckPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p {
		return fmt.Errorf(
			"path %q is refused: it must be absolute and without \"..\", \".\", doubled or trailing slashes", p)
	}
	return checkLetters(p)
}

func checkLetters(p string) error {
	if len(p) > maxPath {
		return fmt.Errorf("path of %d bytes is refused: at most %d fit", len(p), maxPath)
	}
	for _, r := range p {
		if !plain(r) {
			return fmt.Errorf("path %q is refused: it holds %q; use letters, digits and ._-/+@,: only", p, r)
		}
	}
	return nil
}

// CheckRelative is CheckPath for a path below one that was already checked.
func CheckRelative(p string) error {
	if p == "" || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") {
		return fmt.Errorf("path %q is refused: it must be relative, clean and may not leave its directory", p)
	}
	return checkLetters(p)
}

func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("._-/+@,:", r)
}

// CheckCommand refuses an argument vector that no far end can run.
func CheckCommand(cmd Command) error {
	if len(cmd.Args) == 0 || cmd.Args[0] == "" {
		return errors.New("an empty command is refused")
	}
	for i, a := range cmd.Args {
		if strings.ContainsRune(a, 0) {
			return fmt.Errorf("argument %d of %s is refused: it holds a NUL byte", i, cmd.Args[0])
		}
	}
	return nil
}

// Quote writes an argument vector as one line that a POSIX shell, and Python's
// shlex in POSIX mode (what Zun splits with), takes apart again exactly. Words
// of plain letters stay readable; all others go into single quotes, so that
// nothing expands and no word is taken for a keyword, a pattern or an assignment.
func Quote(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if a != "" && strings.IndexFunc(a, func(r rune) bool { return !plain(r) }) < 0 {
			b.WriteString(a)
			continue
		}
		b.WriteByte('\'')
		b.WriteString(strings.ReplaceAll(a, "'", `'\''`))
		b.WriteByte('\'')
	}
	return b.String()
}

// Acknowledger may be implemented by the reader that is given to Put. The
// Transport then calls Acknowledge with the number of bytes of the stream that
// have arrived so far; a transport that verifies in parts (zunexec) counts only
// what was verified. Bytes that were merely read from the stream are on their way.
type Acknowledger interface {
	Acknowledge(n int64)
}

// Acknowledge tells r, if it wants to know.
func Acknowledge(r any, n int64) {
	if a, ok := r.(Acknowledger); ok {
		a.Acknowledge(n)
	}
}
