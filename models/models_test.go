package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/catalog"
	"chexp/models/modeltest"
	"chexp/models/onnx"
)

// tiny is a small model file and its sum.
func tiny(t *testing.T) ([]byte, string) {
	t.Helper()
	data, err := builtin.Generate("tiny-cnn")
	if err != nil {
		t.Fatal(err)
	}
	return data, sumOf(data)
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// serve answers every path with the handler, and counts.
func serve(t *testing.T, h http.HandlerFunc) (base string, hits *atomic.Int64) {
	t.Helper()
	hits = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, hits
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// cacheHolds checks that the cache has these files and nothing half-written.
func cacheHolds(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the cache holds %v, want %v", got, names)
	}
}

// fails checks the error's parts.
func fails(t *testing.T, err error, msg, next string) {
	t.Helper()
	if err == nil || failure.KindOf(err) != failure.Usage {
		t.Fatalf("error is %v of kind %d, want one of bad input that says %q", err, failure.KindOf(err), msg)
	}
	if s := err.Error(); !strings.HasPrefix(s, "model m: ") || strings.Count(s, "model m: ") != 1 ||
		!strings.Contains(s, msg) || !strings.Contains(failure.NextOf(err), next) {
		t.Errorf("error is %q (next %q), want %q and %q", s, failure.NextOf(err), msg, next)
	}
}

func TestBuiltinIsGeneratedOnceAndRepaired(t *testing.T) {
	var told []string
	r := &Resolver{CacheDir: filepath.Join(t.TempDir(), "a", "b"), Progress: func(s string) { told = append(told, s) }}
	want, _ := catalog.Find("tiny-cnn")
	for range 2 {
		got, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Builtin: "tiny-cnn"})
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != "m" || got.SHA256 != want.SHA256 || got.Bytes != want.Bytes ||
			got.Origin != "builtin tiny-cnn (untrained)" {
			t.Errorf("resolved to %+v", got)
		}
		if data, err := os.ReadFile(got.File); err != nil || sumOf(data) != want.SHA256 {
			t.Errorf("the file is not the model (%v)", err)
		}
	}
	if len(told) != 1 {
		t.Errorf("generated %d times, want once: %v", len(told), told)
	}
	cacheHolds(t, r.CacheDir, want.SHA256+".onnx")
	write(t, r.cacheFile(want.SHA256), []byte("damaged"))
	got, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Builtin: "tiny-cnn"})
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(got.File); sumOf(data) != want.SHA256 {
		t.Error("a damaged cache file is used")
	}
	_, err = r.Resolve(t.Context(), spec.ModelSource{Name: "m", Line: 7, Builtin: "nothing"})
	fails(t, err, `no builtin model "nothing"`, "tiny-cnn")
}

func TestPath(t *testing.T) {
	data, sum := tiny(t)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "x.onnx"), data)
	r := &Resolver{CacheDir: filepath.Join(dir, "cache")}
	for _, want := range []string{"", sum} {
		got, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Path: file, Pin: files.Pin{SHA256: want}})
		if err != nil {
			t.Fatal(err)
		}
		if got.File != file || got.SHA256 != sum || got.Bytes != int64(len(data)) || got.Origin != "path x.onnx" {
			t.Errorf("resolved to %+v", got)
		}
	}
	cacheHolds(t, r.CacheDir)
	_, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Line: 7, Path: file,
		Pin: files.Pin{SHA256: strings.Repeat("0", 64)}})
	fails(t, err, "has sha256 "+sum+", but the experiment says 000", "correct its sha256")
	_, err = r.Resolve(t.Context(), spec.ModelSource{Name: "m", Line: 7, Path: filepath.Join(dir, "none")})
	fails(t, err, "no such file", "")
	_, err = r.Resolve(t.Context(), spec.ModelSource{Name: "m", Line: 7, Path: dir})
	fails(t, err, "no regular file", "")
	lfs := write(t, filepath.Join(dir, "lfs.onnx"), []byte("version https://git-lfs.github.com/spec/v1\n"))
	_, err = r.Resolve(t.Context(), spec.ModelSource{Name: "m", Line: 7, Path: lfs})
	fails(t, err, "not an ONNX model", "Git LFS")
}

func TestDownload(t *testing.T) {
	data, sum := tiny(t)
	base, hits := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })
	r := &Resolver{CacheDir: t.TempDir()}
	m := spec.ModelSource{Name: "m", URL: base + "/dir/x.onnx?token=secret#f", Pin: files.Pin{SHA256: sum}}
	for range 2 { // the second one comes from the cache
		got, err := r.Resolve(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if got.Origin != "url "+base+"/dir/x.onnx" || got.Bytes != int64(len(data)) || got.SHA256 != sum {
			t.Errorf("resolved to %+v", got)
		}
	}
	if hits.Load() != 1 {
		t.Errorf("%d downloads, want 1", hits.Load())
	}
	cacheHolds(t, r.CacheDir, sum+".onnx")
}

func TestDownloadThatGoesWrongLeavesNothing(t *testing.T) {
	data, sum := tiny(t)
	for name, c := range map[string]struct {
		serve     http.HandlerFunc
		msg, next string
	}{
		"other content": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("something else")) },
			"gave another file (14 B), of which nothing was kept: it has sha256 " +
				sumOf([]byte("something else")) + ", but it must be " + sum, "correct the sha256"},
		"not found": {http.NotFound, "404 Not Found", "put the file with sha256 " + sum + " into "},
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:100])
		}, "broke off", SearchPathEnv},
		"too long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3000000000")
		}, "3000000000 bytes", "put the file"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x",
				http.StatusFound)
		},
			"more than 5 redirects", "put the file"},
		"to plain http": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/x.onnx", http.StatusFound)
		}, "http://192.0.2.1/x.onnx is not https", "put the file"},
	} {
		t.Run(name, func(t *testing.T) {
			base, _ := serve(t, c.serve)
			r := &Resolver{CacheDir: t.TempDir()}
			_, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Line: 7, URL: base + "/x.onnx?token=hunter2",
				Pin: files.Pin{SHA256: sum}})
			fails(t, err, c.msg, c.next)
			if strings.Contains(fmt.Sprintf("%v", err), "hunter2") {
				t.Errorf("the error shows the query: %v", err)
			}
			cacheHolds(t, r.CacheDir)
		})
	}
}

func TestADownloadIsNotSentToThisMachine(t *testing.T) {
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	far, near := "https://example.org/x", "http://127.0.0.1:1/x"
	for _, c := range []struct {
		to, from string
		ok       bool
	}{
		{far, far, true}, {near, near, true}, {near, far, false}, {"http://[::1]/x", far, false}, {far, near, true},
		{"http://example.org/x", far, false}, {"ftp://example.org/x", far, false}, {"https://localhost/x", far, false},
		{"http://localhost/x", near, true},
	} {
		if err := allowed(parse(c.to), parse(c.from)); (err == nil) != c.ok {
			t.Errorf("from %s to %s: %v, want ok %v", c.from, c.to, err, c.ok)
		}
	}
}

func TestNoNetworkSaysWhereToPutTheFile(t *testing.T) {
	data, sum := tiny(t)
	base, _ := serve(t, http.NotFound)
	srv := httptest.NewServer(nil)
	srv.Close() // nothing listens there any more
	dir := t.TempDir()
	r := &Resolver{CacheDir: filepath.Join(dir, "cache"), SearchPath: []string{filepath.Join(dir, "missing")}}
	m := spec.ModelSource{Name: "m", Line: 7, URL: srv.URL + "/x.onnx", Pin: files.Pin{SHA256: sum}}
	_, err := r.Resolve(t.Context(), m)
	fails(t, err, "cannot be downloaded from "+srv.URL+"/x.onnx", "put the file with sha256 "+sum+" into "+r.CacheDir)
	// Doing what it says helps, whatever the file is called.
	if err := os.MkdirAll(r.CacheDir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := write(t, filepath.Join(r.CacheDir, "my download.onnx"), data)
	m.URL = base + "/x.onnx"
	got, err := r.Resolve(t.Context(), m)
	if err != nil || got.File != put {
		t.Errorf("resolved to %+v, %v; want %s", got, err, put)
	}
}

func TestSearchPathGoesByContent(t *testing.T) {
	data, sum := tiny(t)
	base, hits := serve(t, http.NotFound)
	first, second := t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "right-name.onnx"), []byte("wrong content"))
	write(t, filepath.Join(first, "right-content.bin"), data)
	want := write(t, filepath.Join(second, "other.ONNX"), data)
	t.Setenv(SearchPathEnv, strings.Join([]string{first, "", second}, string(os.PathListSeparator)))
	r := &Resolver{CacheDir: t.TempDir(), SearchPath: DefaultSearchPath()}
	if len(r.SearchPath) != 2 {
		t.Fatalf("search path is %q", r.SearchPath)
	}
	got, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", URL: base + "/right-name.onnx",
		Pin: files.Pin{SHA256: sum}})
	if err != nil || got.File != want || !strings.HasPrefix(got.Origin, "url ") {
		t.Errorf("resolved to %+v, %v; want %s", got, err, want)
	}
	if hits.Load() != 0 {
		t.Error("it was downloaded all the same")
	}
	cacheHolds(t, r.CacheDir)
}

func TestCancelStopsADownloadAndLeavesNothing(t *testing.T) {
	data, sum := tiny(t)
	ctx, cancel := context.WithCancel(t.Context())
	base, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:1000])
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	r := &Resolver{CacheDir: t.TempDir()}
	_, err := r.Resolve(ctx, spec.ModelSource{Name: "m", URL: base, Pin: files.Pin{SHA256: sum}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	cacheHolds(t, r.CacheDir)
}

func TestManyAtOnce(t *testing.T) {
	data, sum := tiny(t)
	base, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })
	dir := t.TempDir()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			m := spec.ModelSource{Name: "m", URL: base, Pin: files.Pin{SHA256: sum}}
			if i%2 == 0 {
				m = spec.ModelSource{Name: "m", Builtin: "tiny-cnn"}
			}
			got, err := (&Resolver{CacheDir: dir}).Resolve(t.Context(), m)
			if err != nil || got.SHA256 != sum {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wait.Wait()
	cacheHolds(t, dir, sum+".onnx")
}

func TestACacheThatCannotBeWritten(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "file"), nil)
	r := &Resolver{CacheDir: filepath.Join(file, "cache")} // below a file: root may not write there either
	_, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Line: 7, Builtin: "tiny-cnn"})
	fails(t, err, "cannot write to the model cache", "make room")
}

func TestWhatAKilledProcessLeftIsSwept(t *testing.T) {
	r := &Resolver{CacheDir: t.TempDir()}
	old := write(t, filepath.Join(r.CacheDir, ".tmp-1"), []byte("x"))
	write(t, filepath.Join(r.CacheDir, ".tmp-2"), []byte("x")) // perhaps still being written
	day := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, day, day); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Builtin: "tiny-cnn"}); err != nil {
		t.Fatal(err)
	}
	b, _ := catalog.Find("tiny-cnn")
	cacheHolds(t, r.CacheDir, ".tmp-2", b.SHA256+".onnx")
}

func TestResolveAllReportsEveryFailure(t *testing.T) {
	e, err := spec.Parse("e.yaml", []byte(`apiVersion: chexp/v1
name: e
site: local
models:
  - {name: a, builtin: tiny-cnn}
  - {name: b, builtin: tiny-cnn}
  - {name: c, builtin: tiny-cnn}
`))
	if err != nil {
		t.Fatal(err)
	}
	e.Models[0].Builtin, e.Models[2].Builtin = "x", "y"
	all, err := (&Resolver{CacheDir: t.TempDir()}).ResolveAll(t.Context(), e)
	if err == nil || !strings.HasPrefix(err.Error(), "e.yaml:5:5: models[0]: model a:") ||
		!strings.Contains(err.Error(), "\ne.yaml:7:5: models[2]: model c:") || len(all) != 1 {
		t.Errorf("resolved %v, error %v", all, err)
	}
}

// The tutorial's models, where CHEXP_MODEL_PATH has them.
func TestTutorialModelsBySum(t *testing.T) {
	if _, ok := modeltest.Tutorial(t, modeltest.Static); !ok {
		t.Skip("CHEXP_MODEL_PATH names no folder with the tutorial's models")
	}
	e, err := spec.Load("../experiments/serve-edge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The float model is in no folder of the tests.
	r := &Resolver{CacheDir: t.TempDir(), SearchPath: filepath.SplitList(os.Getenv("CHEXP_MODEL_PATH")),
		HTTP: &http.Client{Transport: noNetwork{}}, StandIn: func(string) {}}
	all, err := r.ResolveAll(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[1].Bytes != 2415126 || all[2].Bytes != 2417556 ||
		strings.Contains(all[1].Origin+all[2].Origin, trial.StandIn) {
		t.Errorf("resolved to %+v", all)
	}
	for i, name := range []string{"food11-int8-static", "food11-int8-dynamic"} {
		if entry, _ := catalog.FindEntry(name); entry.SHA256 != all[1+i].SHA256 {
			t.Errorf("the catalogue's %s is another file than serve-edge's", name)
		}
	}
}

type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("this test has no network")
}

// What an inference takes at least goes into the plan with the model.
func TestResolvedModelsSayTheirWork(t *testing.T) {
	r := Resolver{CacheDir: t.TempDir()}
	found, err := r.Resolve(context.Background(), spec.ModelSource{Name: "tiny", Builtin: "tiny-cnn"})
	if err != nil {
		t.Fatal(err)
	}
	// 32×32 and twice 16×16 and 8×8 pixels of 3×3 windows, and the classifier.
	want := int64(9*(32*32*3*16+16*16*16*32+8*8*32*64) + 64*11)
	if w, ok := found.Work.Get(); !ok || w.Float != want || w.Integer != 0 {
		t.Errorf("work is %+v (%s), want %d float multiply-adds", w, found.Work.Unavailable, want)
	}
}

// A model that contradicts itself costs nobody a device.
func TestResolveRefusesAHostileModel(t *testing.T) {
	data, _ := tiny(t)
	m, err := onnx.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	resolve := func(change func(m *onnx.Model)) error {
		t.Helper()
		m, _ = onnx.Parse(data)
		change(m)
		b, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		r := Resolver{CacheDir: t.TempDir()}
		_, err = r.Resolve(context.Background(), spec.ModelSource{Name: "m",
			Path: write(t, filepath.Join(dir, "m.onnx"), b)})
		return err
	}
	for name, x := range map[string]struct {
		change func(m *onnx.Model)
		says   string
	}{
		"cycle": {func(m *onnx.Model) { m.Graph.Nodes[0].Inputs[0] = m.Graph.Nodes[1].Outputs[0] }, "cycle"},
		"shape": {func(m *onnx.Model) { m.Graph.Inputs[0].Shape[1].Size = -3 }, `dimension 2 of "input" is -3`},
		"4 GB":  {func(m *onnx.Model) { m.Graph.Initializers[2].Dims = []int64{1 << 30} }, "ask for 4294967296"},
		"outside": {func(m *onnx.Model) {
			t := m.Graph.Initializers[2]
			t.Raw, t.Outside, t.External = nil, true, []onnx.Property{{Key: "location", Value: "weights.bin"}}
		}, "weights.bin, which is not beside the model"},
	} {
		if err := resolve(x.change); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if err := resolve(func(*onnx.Model) {}); err != nil {
		t.Error(err)
	}
}

// answer is a server for every address.
type answer string

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func says(t *testing.T, err error, msg, next string) {
	t.Helper()
	if failure.KindOf(err) != failure.Usage || !strings.Contains(err.Error(), msg) ||
		!strings.Contains(failure.NextOf(err), next) {
		t.Errorf("error is %v", err)
	}
}

func TestNamedModelsAreTakenOnlyAsTheCatalogueSays(t *testing.T) {
	dir := t.TempDir()
	r := Resolver{CacheDir: dir, HTTP: &http.Client{Transport: answer("something else")}}
	_, err := r.Named(context.Background(), "food11-int8-static")
	says(t, err, "but it must be", "find the one that was meant")
	// No more is read than the catalogue's size.
	r.HTTP.Transport = answer(strings.Repeat("x", 2415126+1))
	_, err = r.Named(context.Background(), "food11-int8-static")
	says(t, err, "more than the 2415126 bytes", "")
	cacheHolds(t, dir)
	_, err = r.Named(context.Background(), "no-such")
	says(t, err, "no such model", "model list")
	found, err := r.Named(context.Background(), "tiny-cnn")
	if err != nil {
		t.Fatal(err)
	}
	if _, there, err := r.Cached(context.Background(), found.SHA256); !there || err != nil {
		t.Errorf("%v, %v", there, err)
	}
	write(t, found.File, []byte("damaged"))
	if _, there, err := r.Cached(context.Background(), found.SHA256); !there || err == nil {
		t.Errorf("a damaged file: %v, %v", there, err)
	}
}
