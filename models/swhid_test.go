package models

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/onnx"
)

// edge is the shipped experiment with its three models at base instead. Their
// blobs are made here, and pinned by what Git calls them.
func edge(t *testing.T, base string) (e *spec.Experiment, blobs map[string][]byte) {
	t.Helper()
	e, err := spec.Load("../experiments/serve-edge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := builtin.Generate("tiny-cnn")
	if err != nil {
		t.Fatal(err)
	}
	blobs = map[string][]byte{}
	for i := range e.Models {
		m := &e.Models[i]
		if m.Pin.SHA256 != "" || !strings.HasPrefix(m.Pin.SWHID, "swh:1:cnt:") || m.StandIn == "" {
			t.Fatalf("model %s is not pinned by its SWHID alone: %+v", m.Name, m)
		}
		model, err := onnx.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		model.Graph.Name = m.Name // so that the three differ
		blob, err := model.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(m.URL)
		blobs["/"+name] = blob
		m.URL, m.Pin.SWHID = base+"/"+name, "swh:1:cnt:"+gitName(t, blob)
	}
	return e, blobs
}

// gitName is what Git itself calls a file.
func gitName(t *testing.T, blob []byte) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not there")
	}
	cmd := exec.Command(git, "hash-object", "--stdin")
	cmd.Stdin = bytes.NewReader(blob)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestServeEdgeIsPinnedBySWHID(t *testing.T) {
	var blobs map[string][]byte
	told := true
	base, hits := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if told {
			w.Header().Set("Content-Length", fmt.Sprint(len(blobs[r.URL.Path])))
		}
		w.(http.Flusher).Flush() // what follows comes in chunks where the length was not told
		w.Write(blobs[r.URL.Path])
	})
	var e *spec.Experiment
	e, blobs = edge(t, base)
	for _, told = range []bool{true, false} {
		r := &Resolver{CacheDir: t.TempDir(), StandIn: func(text string) { t.Error(text) }}
		hits.Store(0)
		for range 2 { // the second time from the cache
			all, err := r.ResolveAll(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range all {
				want := blobs["/"+path.Base(e.Models[i].URL)]
				if m.SHA256 != sumOf(want) || m.Bytes != int64(len(want)) || m.Origin != "url "+e.Models[i].URL {
					t.Errorf("length told: %v: %s is %+v", told, e.Models[i].Name, m)
				}
			}
		}
		if hits.Load() != 3 {
			t.Errorf("length told: %v: %d downloads, want 3", told, hits.Load())
		}
	}
}

// Neither the cache nor a stand-in helps a file that is another one.
func TestServeEdgeRefusesAChangedByte(t *testing.T) {
	var blobs map[string][]byte
	base, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(blobs[r.URL.Path]) })
	var e *spec.Experiment
	e, blobs = edge(t, base)
	for name, blob := range blobs {
		good := slices.Clone(blob)
		blob[len(blob)/2] ^= 1
		r := &Resolver{CacheDir: t.TempDir(), StandIn: func(text string) { t.Error(text) }}
		_, err := r.ResolveAll(t.Context(), e)
		want := fmt.Sprintf("it has SWHID swh:1:cnt:%s, but it must be swh:1:cnt:%s", gitName(t, blob), gitName(t, good))
		if err == nil || strings.Count(err.Error(), "model ") != 1 || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("error is %v\nwant %s", err, want)
		}
		copy(blob, good)
		all, err := r.ResolveAll(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		// What is changed in the cache is downloaded again.
		write(t, all[0].File, []byte("damaged"))
		if _, err = r.ResolveAll(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
}

func TestAStandInIsTakenByRehearsalsOnly(t *testing.T) {
	e, _ := edge(t, "http://127.0.0.1:1")
	r := &Resolver{CacheDir: t.TempDir(), HTTP: &http.Client{Transport: noNetwork{}}}
	if _, err := r.ResolveAll(t.Context(), e); err == nil ||
		!strings.Contains(err.Error(), "cannot be downloaded from http://127.0.0.1:1/food11.onnx") {
		t.Errorf("error is %v", err)
	}
	var told []string
	r.StandIn = func(text string) { told = append(told, text) }
	all, err := r.ResolveAll(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"builtin mobilenetv2-11 (untrained)", "builtin plates11-int8-static",
		"builtin plates11-int8-dynamic"} {
		if m := all[i]; m.Name != e.Models[i].Name || m.Origin != trial.StandIn+want ||
			!strings.Contains(told[i], m.Name) || !strings.Contains(told[i], want) {
			t.Errorf("%+v; told %q", m, told[i])
		}
	}
}

func TestAFileIsHeldAgainstItsSWHID(t *testing.T) {
	data, sum := tiny(t)
	file := write(t, filepath.Join(t.TempDir(), "x.onnx"), data)
	id := "swh:1:cnt:" + gitName(t, data)
	r := &Resolver{CacheDir: t.TempDir()}
	got, err := r.Resolve(t.Context(), spec.ModelSource{Name: "m", Path: file, Pin: files.Pin{SWHID: id}})
	if err != nil || got.SHA256 != sum {
		t.Errorf("resolved to %+v, %v", got, err)
	}
	_, err = r.Resolve(t.Context(), spec.ModelSource{Name: "m", Path: file,
		Pin: files.Pin{SWHID: "swh:1:cnt:" + strings.Repeat("0", 40)}})
	fails(t, err, "has SWHID "+id+", but the experiment says swh:1:cnt:000", "correct its swhid")
	// A file of the search path is found by it too, whatever it is called.
	r.SearchPath, r.HTTP = []string{filepath.Dir(file)}, &http.Client{Transport: noNetwork{}}
	got, err = r.Resolve(t.Context(), spec.ModelSource{Name: "m", URL: "https://example.org/y.onnx",
		Pin: files.Pin{SWHID: id}})
	if err != nil || got.File != file || got.SHA256 != sum {
		t.Errorf("resolved to %+v, %v", got, err)
	}
}
