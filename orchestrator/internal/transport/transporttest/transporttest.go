// Package transporttest is the conformance suite of package transport: what
// every Transport must do, whichever way it reaches the far end. A far end for
// it needs sh, tar, sha256sum, sleep, test and printf.
package transporttest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"chexp/orchestrator/internal/transport"
)

// patience bounds every wait of the suite; emulated processors are slow.
const patience = 2 * time.Minute

// Run runs the suite. open returns a transport and an absolute directory at the
// far end that need not exist and that the test may fill; it is called once
// for each part of the suite, and cleans up through t.
func Run(t *testing.T, open func(t *testing.T) (tr transport.Transport, dir string)) {
	for name, part := range map[string]func(*testing.T, *far){
		"RoundTrip":          roundTrip,
		"ManyFiles":          manyFiles,
		"ReplaceAndLeave":    replaceAndLeave,
		"EmptyStream":        emptyStream,
		"GetMissing":         getMissing,
		"GetFile":            getFile,
		"CloseEarly":         closeEarly,
		"ExitCodes":          exitCodes,
		"MissingBinary":      missingBinary,
		"ArgumentsExact":     argumentsExact,
		"OutputMerged":       outputMerged,
		"OutputBounded":      outputBounded,
		"DetachedSurvives":   detachedSurvives,
		"StillRunning":       stillRunning,
		"Cancel":             cancelled,
		"RefusedBeforeSent":  refusedBeforeSent,
		"HostileStream":      hostileStream,
		"BrokenStream":       brokenStream,
		"FileWhereDirNeeded": fileWhereDirNeeded,
	} {
		t.Run(name, func(t *testing.T) {
			tr, dir := open(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			part(t, &far{t: t, ctx: ctx, tr: tr, dir: dir})
		})
	}
}

// far is the far end as one part of the suite sees it.
type far struct {
	t   *testing.T
	ctx context.Context
	tr  transport.Transport
	dir string
}

// file is what Put sends and Get must bring back.
type file struct {
	mode fs.FileMode
	data []byte
}

func (f *far) put(dir string, files map[string]file) {
	f.t.Helper()
	if err := f.tr.Put(f.ctx, dir, bytes.NewReader(archive(f.t, files))); err != nil {
		f.t.Fatalf("Put %s: %v", dir, err)
	}
}

func (f *far) get(dir string) map[string]file {
	f.t.Helper()
	r, err := f.tr.Get(f.ctx, dir)
	if err != nil {
		f.t.Fatalf("Get %s: %v", dir, err)
	}
	files := readArchive(f.t, r)
	if err := r.Close(); err != nil {
		f.t.Errorf("closing what Get returned: %v", err)
	}
	return files
}

func (f *far) exec(args ...string) transport.Exit {
	f.t.Helper()
	exit, err := f.tr.Exec(f.ctx, transport.Command{Args: args})
	if err != nil {
		f.t.Fatalf("Exec %q: %v", args, err)
	}
	return exit
}

func (f *far) same(got, want map[string]file) {
	f.t.Helper()
	for name, w := range want {
		g, ok := got[name]
		switch {
		case !ok:
			f.t.Errorf("%s is missing", name)
		case !bytes.Equal(g.data, w.data):
			f.t.Errorf("%s: %d bytes came back for %d, or others", name, len(g.data), len(w.data))
		case g.mode != w.mode:
			f.t.Errorf("%s: mode %o, want %o", name, g.mode, w.mode)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			f.t.Errorf("%s was never sent", name)
		}
	}
}

// eventually polls until a file is there.
func (f *far) eventually(name string) {
	f.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for f.exec("test", "-e", name).Code != 0 {
		select {
		case <-f.ctx.Done():
			f.t.Fatalf("%s never appeared", name)
		case <-tick.C:
		}
	}
}

func archive(t *testing.T, files map[string]file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, f := range files {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: name, Size: int64(len(f.data)), Mode: int64(f.mode),
			ModTime: time.Now(), Uid: 4711, Gid: 4711,
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readArchive(t *testing.T, r io.Reader) map[string]file {
	t.Helper()
	files := map[string]file{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("what Get returned: %v", err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatalf("what Get returned: %s: %v", h.Name, err)
		}
		if h.Typeflag == tar.TypeReg {
			files[path.Clean(h.Name)] = file{fs.FileMode(h.Mode) & fs.ModePerm, data}
		}
	}
	// A transport may find out only at the very end that something was lost.
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatalf("the end of what Get returned: %v", err)
	}
	return files
}

// noise is not compressible, and the same every time.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = src.Read(b)
	return b
}

func roundTrip(t *testing.T, f *far) {
	want := map[string]file{}
	for i, n := range []int{0, 1, 511, 512, 513, 10_240, 10_241, 1<<20 - 512, 5<<20 + 7} {
		want[fmt.Sprintf("sizes/%d.bin", n)] = file{0o644, noise(uint64(i), n)}
	}
	want["bin/program"] = file{0o755, []byte("#!/bin/sh\necho ran \"$1\"\n")}
	want["private"] = file{0o600, []byte("x")}
	want["naïve name, with blanks & $signs"] = file{0o644, []byte("y")}
	want[strings.Repeat("deep/", 30)+"file"] = file{0o644, []byte("z")}
	f.put(f.dir, want)
	f.same(f.get(f.dir), want)
	exit := f.exec(f.dir+"/bin/program", "well")
	if exit.Code != 0 || string(exit.Output) != "ran well\n" {
		t.Errorf("the program that was put: %d %q", exit.Code, exit.Output)
	}
	if sub := f.get(f.dir + "/bin"); len(sub) != 1 || sub["program"].data == nil {
		t.Errorf("Get of a directory further down: %d files", len(sub))
	}
}

func manyFiles(t *testing.T, f *far) {
	want := map[string]file{}
	for i := range 400 {
		want[fmt.Sprintf("d%d/trial.%d.json", i%7, i)] = file{0o644, noise(uint64(i), i*13%700)}
	}
	f.put(f.dir, want)
	f.same(f.get(f.dir), want)
}

func replaceAndLeave(t *testing.T, f *far) {
	f.put(f.dir, map[string]file{
		"a": {0o755, noise(1, 3000)}, "keep": {0o644, []byte("kept")}, "d/x": {0o644, []byte("x")},
	})
	f.put(f.dir, map[string]file{"a": {0o644, []byte("new")}, "d/y": {0o644, []byte("y")}})
	f.same(f.get(f.dir), map[string]file{
		"a": {0o644, []byte("new")}, "keep": {0o644, []byte("kept")},
		"d/x": {0o644, []byte("x")}, "d/y": {0o644, []byte("y")}})
}

func emptyStream(t *testing.T, f *far) {
	f.put(f.dir+"/deep/down", nil)
	f.same(f.get(f.dir+"/deep/down"), nil)
}

func getMissing(t *testing.T, f *far) {
	if r, err := f.tr.Get(f.ctx, f.dir+"/nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of a directory that is not there: %v, %v; want fs.ErrNotExist", r, err)
	}
}

// getFile: Zun answers 200 and an empty archive for a file; no transport may
// pass that on as a directory without files.
func getFile(t *testing.T, f *far) {
	f.put(f.dir, map[string]file{"a": {0o644, []byte("x")}})
	r, err := f.tr.Get(f.ctx, f.dir+"/a")
	if err == nil {
		r.Close()
		t.Error("Get of a file was accepted")
	}
}

func closeEarly(t *testing.T, f *far) {
	f.put(f.dir, map[string]file{"a": {0o644, noise(3, 3<<20)}})
	r, err := f.tr.Get(f.ctx, f.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing before the end: %v", err)
	}
	f.same(f.get(f.dir), map[string]file{"a": {0o644, noise(3, 3<<20)}})
}

func exitCodes(t *testing.T, f *far) {
	for _, code := range []int{0, 1, 2, 63, 93, 125, 126, 127, 128, 130, 137, 143, 254, 255} {
		if got := f.exec("sh", "-c", fmt.Sprintf("exit %d", code)).Code; got != code {
			t.Errorf("exit %d came back as %d", code, got)
		}
	}
}

func missingBinary(t *testing.T, f *far) {
	for _, name := range []string{"chexp-no-such-program", "/no/such/program", f.dir + "/nothing"} {
		if exit := f.exec(name, "--version"); exit.Code != -1 {
			t.Errorf("%s: %d %q, want -1", name, exit.Code, exit.Output)
		}
	}
}

func argumentsExact(t *testing.T, f *far) {
	args := []string{
		"", " ", "a b", "tab\there", "line\nbreak\n", `'`, `"`, `'"'"'`, `\`, `\\n`, "$HOME", "`id`", "$(id)", "*", "?",
		"a;b", "a&&b", "|", ">x", "#no comment", "~", "-n", "--", "=", "A=b", "!x", "{a,b}", "grüße ✓", "%41", "+",
		"%", "a\\",
	}
	exit := f.exec(append([]string{"sh", "-c", `for a in "$@"; do printf "<%s>" "$a"; done`, "sh"}, args...)...)
	want := "<" + strings.Join(args, "><") + ">"
	if exit.Code != 0 || string(exit.Output) != want {
		t.Errorf("the far end saw\n%q, want\n%q", exit.Output, want)
	}
	if got := f.exec("printf", "%s", "$HOME").Output; string(got) != "$HOME" {
		t.Errorf("a shell came in between: %q", got)
	}
}

func outputMerged(t *testing.T, f *far) {
	exit := f.exec("sh", "-c", "echo one; echo two >&2; echo three; exit 3")
	if exit.Code != 3 || string(exit.Output) != "one\ntwo\nthree\n" {
		t.Errorf("%d %q", exit.Code, exit.Output)
	}
}

func outputBounded(t *testing.T, f *far) {
	limit := f.tr.Properties().MaxOutput
	if limit <= 0 {
		t.Fatalf("Properties say MaxOutput %d", limit)
	}
	// 1,000 bytes a line, printed by the shell alone.
	line := strings.Repeat("x", 999)
	script := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "$1"; i=$((i+1)); done`, limit/1000+50)
	exit := f.exec("sh", "-c", script, "sh", line)
	if exit.Code != 0 || len(exit.Output) != limit || !strings.HasPrefix(string(exit.Output), line+"\n"+line) {
		t.Errorf("exit %d with %d bytes of output, want 0 and exactly %d", exit.Code, len(exit.Output), limit)
	}
}

// detachedSurvives is how the agent is started.
func detachedSurvives(t *testing.T, f *far) {
	f.put(f.dir, nil)
	script := `cd "$1" && { setsid sh -c 'sleep 2; : >late' >/dev/null 2>&1 </dev/null & } && echo started`
	if exit := f.exec("sh", "-c", script, "sh", f.dir); exit.Code != 0 || string(exit.Output) != "started\n" {
		t.Fatalf("%d %q", exit.Code, exit.Output)
	}
	if f.exec("test", "-e", f.dir+"/late").Code == 0 {
		t.Skip("the far end took so long that this shows nothing")
	}
	f.eventually(f.dir + "/late")
}

func stillRunning(t *testing.T, f *far) {
	limit := f.tr.Properties().MaxExec
	if limit == 0 {
		t.Skip("this transport waits as long as the command takes")
	}
	f.put(f.dir, nil)
	script := fmt.Sprintf(`sleep %d; : >"$1/late"`, int(limit/time.Second)+2)
	_, err := f.tr.Exec(f.ctx, transport.Command{Args: []string{"sh", "-c", script, "sh", f.dir}})
	if !errors.Is(err, transport.ErrStillRunning) {
		t.Fatalf("a command over the limit of %v: %v, want ErrStillRunning", limit, err)
	}
	f.eventually(f.dir + "/late")
}

func cancelled(t *testing.T, f *far) {
	ctx, cancel := context.WithTimeout(f.ctx, 300*time.Millisecond)
	defer cancel()
	_, err := f.tr.Exec(ctx, transport.Command{Args: []string{"sleep", "30"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Exec past its context: %v", err)
	}
	if err := f.tr.Put(ctx, f.dir, bytes.NewReader(archive(t, nil))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put past its context: %v", err)
	}
	if _, err := f.tr.Get(ctx, f.dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get past its context: %v", err)
	}
	// A Put whose context ends on the way stops, and the next one works.
	ctx, cancel = context.WithCancel(f.ctx)
	data := archive(t, map[string]file{"a": {0o644, noise(9, 6<<20)}})
	stream := io.MultiReader(bytes.NewReader(data[:len(data)/2]), hook(cancel), bytes.NewReader(data[len(data)/2:]))
	if err := f.tr.Put(ctx, f.dir, stream); !errors.Is(err, context.Canceled) {
		t.Errorf("Put cancelled on its way: %v", err)
	}
	f.put(f.dir, map[string]file{"a": {0o644, []byte("after")}})
	f.same(f.get(f.dir), map[string]file{"a": {0o644, []byte("after")}})
}

// hook is an empty reader that calls a function.
type hook func()

func (h hook) Read([]byte) (int, error) { h(); return 0, io.EOF }

func refusedBeforeSent(t *testing.T, f *far) {
	for _, bad := range []string{"", "relative", f.dir + "/..", f.dir + "/a b", f.dir + "/a'b", f.dir + "/$HOME",
		f.dir + "/a;b",
		f.dir + "/a\nb", f.dir + "/*", f.dir + "/a/", f.dir + "//a", f.dir + "/`a`", f.dir + `/a\b`} {
		unread := &countingReader{}
		if err := f.tr.Put(f.ctx, bad, unread); err == nil {
			t.Errorf("Put to %q was accepted", bad)
		}
		if unread.reads > 0 {
			t.Errorf("Put to %q read the stream before it refused the path", bad)
		}
		if r, err := f.tr.Get(f.ctx, bad); err == nil {
			r.Close()
			t.Errorf("Get of %q was accepted", bad)
		} else if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get of %q asked the far end: %v", bad, err)
		}
	}
	for _, args := range [][]string{nil, {""}, {"echo", "a\x00b"}} {
		if _, err := f.tr.Exec(f.ctx, transport.Command{Args: args}); err == nil {
			t.Errorf("Exec %q was accepted", args)
		}
	}
}

type countingReader struct{ reads int }

func (c *countingReader) Read([]byte) (int, error) { c.reads++; return 0, io.EOF }

func hostileStream(t *testing.T, f *far) {
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "../escaped"},
		{Typeflag: tar.TypeReg, Name: f.dir + "/absolute"},
		{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "/etc"},
		{Typeflag: tar.TypeLink, Name: "hard", Linkname: "../../etc/passwd"},
		{Typeflag: tar.TypeChar, Name: "device", Devmajor: 1, Devminor: 3},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(w.WriteHeader(&h), w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := f.tr.Put(f.ctx, f.dir, &b); err == nil {
			t.Errorf("Put of %s (type %q) was accepted", h.Name, h.Typeflag)
		}
		name := path.Join(f.dir, path.Base(h.Name))
		if f.exec("test", "-L", name, "-o", "-e", name).Code == 0 ||
			f.exec("test", "-e", path.Dir(f.dir)+"/escaped").Code == 0 {
			t.Errorf("%s (type %q) was created all the same", h.Name, h.Typeflag)
		}
	}
}

func brokenStream(t *testing.T, f *far) {
	files := map[string]file{"a": {0o644, noise(5, 6<<20)}}
	data := archive(t, files)
	boom := errors.New("boom")
	stream := io.MultiReader(bytes.NewReader(data[:5<<20]), iotest.ErrReader(boom))
	if err := f.tr.Put(f.ctx, f.dir, stream); !errors.Is(err, boom) {
		t.Fatalf("Put of a stream that breaks: %v, want boom", err)
	}
	if err := f.tr.Put(f.ctx, f.dir, bytes.NewReader(data[:5<<20])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("Put of a stream that ends early: %v, want unexpected EOF", err)
	}
	f.put(f.dir, files)
	f.same(f.get(f.dir), files)
}

// fileWhereDirNeeded: tar fails at the far end, and Zun would say 200.
func fileWhereDirNeeded(t *testing.T, f *far) {
	f.put(f.dir, map[string]file{"a": {0o644, []byte("x")}})
	err := f.tr.Put(f.ctx, f.dir, bytes.NewReader(archive(t, map[string]file{"a/b": {0o644, []byte("y")}})))
	if err == nil {
		t.Error("Put below a file was accepted")
	}
	if err := f.tr.Put(f.ctx, f.dir+"/a", bytes.NewReader(archive(t, nil))); err == nil {
		t.Error("Put into a file was accepted")
	}
	f.same(f.get(f.dir), map[string]file{"a": {0o644, []byte("x")}})
}
