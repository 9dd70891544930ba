package bundle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"
)

// sent is a far end whose Get answers with these bytes.
type sent struct {
	transport.Transport
	stream io.Reader
}

func (s sent) Get(context.Context, string) (io.ReadCloser, error) { return io.NopCloser(s.stream), nil }

type entry struct {
	tar.Header
	data string
}

func regular(name, data string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))}, data}
}

func stream(t *testing.T, entries ...entry) sent {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sent{stream: &b}
}

const one, two = "m.cpu.t1.b1.r1.json", "m.cpu.t1.b1.r2.json"

func sumLine(name, data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:]) + "  " + name + "\n"
}

// look returns what lies in the directory, without exception.
func look(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name, data := range want {
		if got[name] != data {
			t.Errorf("%s holds %q, want %q", name, got[name], data)
		}
	}
}

func TestFetchFromRealDirectory(t *testing.T) {
	root := t.TempDir()
	dir, dst := root+"/"+trial.ResultsDir, t.TempDir()+"/runs/results"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, data string) {
		t.Helper()
		if err := os.WriteFile(dir+"/"+name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fetch := func(want ...string) {
		t.Helper()
		names, err := bundle.Fetch(t.Context(), localexec.New(root), dir, dst, bundle.Limits{})
		if err != nil || !slices.Equal(names, want) {
			t.Fatalf("%q, %v; want %q", names, err, want)
		}
	}
	fetch() // nothing yet
	put(one, "1")
	put(".tmp-123", "half")
	fetch(one)
	put(two, "2")
	put("SHA256SUMS", sumLine(one, "1"))
	fetch("SHA256SUMS", one, two)
	put("SHA256SUMS", sumLine(one, "1")+sumLine(two, "2"))
	fetch("SHA256SUMS", one, two)
	same(t, look(t, dst), map[string]string{one: "1", two: "2", "SHA256SUMS": sumLine(one, "1") + sumLine(two, "2")})

	_, err := bundle.Fetch(t.Context(), localexec.New(root), root+"/nowhere", dst, bundle.Limits{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// One thing that is wrong costs nothing but itself: the good result beside it
// comes home, and the error names what was left out.
func TestGoodResultsBesideHostileOnes(t *testing.T) {
	link := func(kind byte, name, to string) entry {
		return entry{tar.Header{Typeflag: kind, Name: name, Linkname: to}, ""}
	}
	good := regular(one, "1")
	for name, c := range map[string]struct {
		s     sent
		names string
	}{
		"up":             {stream(t, good, regular("../"+two, "x")), two},
		"absolute":       {stream(t, good, regular("/tmp/"+two, "x")), two},
		"below":          {stream(t, regular("a/"+two, "x"), good), two},
		"directory":      {stream(t, entry{tar.Header{Typeflag: tar.TypeDir, Name: "a/"}, ""}, good), "a/"},
		"stray":          {stream(t, regular("run.sh", "x"), good), "run.sh"},
		"no trial id":    {stream(t, regular("x.json", "x"), good), "x.json"},
		"hidden, below":  {stream(t, regular(".tmp/x", "x"), good), ".tmp/x"},
		"dot dot":        {stream(t, regular("..", "x"), good), ".."},
		"symlink":        {stream(t, link(tar.TypeSymlink, two, "/etc/passwd"), good), two},
		"hard link":      {stream(t, link(tar.TypeLink, two, one), good), two},
		"device":         {stream(t, link(tar.TypeChar, two, ""), good), two},
		"fifo":           {stream(t, link(tar.TypeFifo, two, ""), good), two},
		"twice":          {stream(t, good, regular("./"+one, "2")), one},
		"file too large": {stream(t, regular(two, strings.Repeat("x", 101)), good), two},
		"all too large": {stream(t, good, regular(".tmp-1", strings.Repeat("x", 90)),
			regular(".tmp-2", strings.Repeat("x", 90)), regular(".tmp-3", strings.Repeat("x", 90))), "tmp-3"},
		"too many": {stream(t, good, regular("m.cpu.t1.b1.r3.json", ""), regular("m.cpu.t1.b1.r4.json", "")), "r4"},
		"too many dots": {stream(t, good, regular(".2", ""), regular(".3", ""), regular(".4", ""),
			regular(".5", ""), regular(".6", "")), ".6"},
		"no end": {sent{stream: io.MultiReader(stream(t, good).stream, zeros{})}, "does not end"},
		"truncated": {stream(t, good, regular(two, "x"), regular("SHA256SUMS", sumLine(one, "1")+sumLine(two, "xy"))),
			two},
		"a named one did not come": {stream(t, good, regular("SHA256SUMS", sumLine(one, "1")+sumLine(two, "2"))), two},
		"no list":                  {stream(t, good, regular("SHA256SUMS", "hello\n")), "SHA256SUMS"},
	} {
		dst, limits := t.TempDir(), bundle.Limits{FileBytes: 100, TotalBytes: 250, Files: 2}
		if strings.Contains(name, "list") || strings.Contains(name, "named") || name == "truncated" {
			limits = bundle.Limits{}
		}
		_, err := bundle.Fetch(t.Context(), c.s, "/out/results", dst, limits)
		if failure.KindOf(err) != failure.Device || !bundle.Partly(err) || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: %v", name, err)
		}
		got := look(t, dst)
		if got[one] != "1" || got[two] != "" {
			t.Errorf("%s: wrote %v", name, got)
		}
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A stream that breaks off changes nothing: it is fetched again.
func TestFetchNoticesAnEnd(t *testing.T) {
	boom := errors.New("the link broke")
	whole := stream(t, regular(one, strings.Repeat("1", 500))).stream.(*bytes.Buffer).Bytes()
	for name, s := range map[string]sent{
		"cut":                    {stream: bytes.NewReader(whole[:700])},
		"broken at the very end": {stream: io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(boom))},
	} {
		dst := t.TempDir()
		if names, err := bundle.Fetch(t.Context(), s, "/out/results", dst, bundle.Limits{}); err == nil ||
			bundle.Partly(err) {
			t.Errorf("%s: %q was taken, %v", name, names, err)
		}
		if left := look(t, dst); len(left) > 0 {
			t.Errorf("%s: wrote %v", name, left)
		}
	}
}

func TestFetchIsWriteOnce(t *testing.T) {
	dst := t.TempDir()
	if _, err := bundle.Fetch(t.Context(), stream(t, regular(one, "1")), "/r", dst, bundle.Limits{}); err != nil {
		t.Fatal(err)
	}
	names, err := bundle.Fetch(t.Context(), stream(t, regular(one, "other"), regular(two, "2")),
		"/r", dst, bundle.Limits{})
	if failure.KindOf(err) != failure.Storage || !strings.Contains(err.Error(), one) ||
		!slices.Equal(names, []string{one, two}) {
		t.Errorf("a result that changed on the device: %q, %v", names, err)
	}
	same(t, look(t, dst), map[string]string{one: "1", two: "2"})
}

func TestFetchRemovesWhatAKilledFetchLeft(t *testing.T) {
	dst := t.TempDir()
	if err := os.MkdirAll(dst+"/.fetch-old/x", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Fetch(t.Context(), stream(t, regular(one, "1")), "/r", dst, bundle.Limits{}); err != nil {
		t.Fatal(err)
	}
	same(t, look(t, dst), map[string]string{one: "1"})
}

func TestFetchIntoNothing(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := bundle.Fetch(t.Context(), stream(t, regular(one, "1")), "/r", file+"/results", bundle.Limits{})
	if failure.KindOf(err) != failure.Storage || failure.NextOf(err) == "" {
		t.Errorf("a destination that cannot be: %v", err)
	}
}
