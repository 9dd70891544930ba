package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/files"
	"chexp/orchestrator/internal/store"
)

// Dir is where the seals lie in a run's directory.
const Dir = "seals"

// Bounds of what is read: a run's directory may come from anybody.
const (
	maxSeal  = 16 << 20
	maxSeals = 10_000
	maxFiles = 200_000
	maxDepth = 4
)

// Seal is the state of a run's directory at a time.
type Seal struct {
	N      int
	Run    string
	Time   time.Time
	Before string // the SHA-256 of the seal before; "" in the first
	Files  files.Sums
	Grows  map[string]int64 // how many bytes of a file, which may grow, its sum is of

	sum string // of the seal itself
}

// Name is the seal's file in the run's directory.
func (s Seal) Name() string { return Dir + "/" + strconv.Itoa(s.N) }

// SHA256 is the sum of the seal's file.
func (s Seal) SHA256() string { return s.sum }

const none = "none"

// bytes is the seal as it is written.
func (s Seal) bytes() []byte {
	var b bytes.Buffer
	before := s.Before
	if before == "" {
		before = none
	}
	fmt.Fprintf(&b, "# chexp seal %d of run %s\n# time %s\n# before %s\n", s.N, s.Run, s.Time.UTC().Format(time.RFC3339),
		before)
	for _, name := range slices.Sorted(maps.Keys(s.Grows)) {
		fmt.Fprintf(&b, "# grows %d %s\n", s.Grows[name], name)
	}
	b.Write(s.Files.Bytes())
	return b.Bytes()
}

// parse reads a seal. One that is not exactly as [Seal.bytes] writes it is none:
// there is one way to say a thing.
func parse(data []byte) (s Seal, err error) {
	bad := errors.New("it is no seal, or was changed")
	var list []string
	s.Grows = map[string]int64{}
	for line := range strings.Lines(string(data)) {
		text, comment := strings.CutPrefix(line, "# ")
		text = strings.TrimSuffix(text, "\n")
		word, rest, _ := strings.Cut(text, " ")
		switch {
		case !comment:
			list = append(list, line)
		case word == "chexp":
			_, err = fmt.Sscanf(rest, "seal %d of run %s", &s.N, &s.Run)
		case word == "time":
			s.Time, err = time.Parse(time.RFC3339, rest)
		case word == "before" && rest != none:
			s.Before = rest
		case word == "grows":
			size, name, _ := strings.Cut(rest, " ")
			s.Grows[name], err = strconv.ParseInt(size, 10, 64)
		}
		if err != nil {
			return Seal{}, bad
		}
	}
	if s.Files, err = files.ParseSums([]byte(strings.Join(list, ""))); err != nil {
		return Seal{}, bad
	}
	for name, size := range s.Grows {
		if s.Files[name] == "" || size < 0 {
			return Seal{}, bad
		}
	}
	if !bytes.Equal(s.bytes(), data) {
		return Seal{}, bad
	}
	s.sum = files.Sum(data)
	return s, nil
}

// chain reads the seals of a run, oldest first, and says what is wrong with them.
func chain(r *store.Run) (seals []Seal, faults []Fault) {
	for n := 1; n <= maxSeals; n++ {
		name := Seal{N: n}.Name()
		data, err := r.Read(name)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		var s Seal
		if err == nil && len(data) > maxSeal {
			err = fmt.Errorf("it is larger than %d bytes", maxSeal)
		}
		if err == nil {
			s, err = parse(data)
		}
		before, run := "", s.Run
		if len(seals) > 0 {
			before, run = seals[len(seals)-1].sum, seals[0].Run
		}
		switch {
		case err != nil:
			return seals, append(faults, Fault{Changed, name, err.Error()})
		case s.N != n || s.Run != run:
			faults = append(faults, Fault{Changed, name, fmt.Sprintf("it is seal %d of run %s", s.N, s.Run)})
		case s.Before != before:
			faults = append(faults, Fault{Changed, name, "it follows another seal than the one before it: one of the " +
				"two was changed"})
		}
		seals = append(seals, s)
	}
	return seals, append(faults, beyond(r, len(seals))...)
}

// beyond finds what lies among the seals and is none: a seal after a gap, or
// somebody else's file.
func beyond(r *store.Run, last int) (faults []Fault) {
	root, err := files.OpenRoot(r.Dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	entries, err := files.ReadDirIn(root, Dir, 2*maxSeals)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []Fault{{Changed, Dir, err.Error()}}
	}
	for _, e := range entries {
		number, _ := strings.CutSuffix(e.Name(), signature)
		n, err := strconv.Atoi(number)
		switch {
		case err == nil && n >= 1 && n <= last && strconv.Itoa(n) == number, litter(e.Name()):
		case err == nil && n > last && number == e.Name():
			return append(faults, Fault{Missing, Seal{N: last + 1}.Name(), e.Name() + " is there, and follows it"})
		default:
			faults = append(faults, Fault{Added, Dir + "/" + e.Name(), "no chexp wrote it"})
		}
	}
	return faults
}
