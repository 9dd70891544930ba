//go:build cgo

package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/symbols"
	"chexp/agent/internal/testmodel"
	"chexp/experiments/input"
	"chexp/experiments/trial"
)

func set(t *testing.T, name string, options map[string]string, threads int) trial.Settings {
	t.Helper()
	s, err := settings(Options{Provider: trial.Provider{Name: name, Options: options}, Threads: threads, Batch: 4},
		symbols.Inputs{"x": {"n", "length"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each provider gets the threads where it looks for them, and only one pool may
// spin.
func TestThreadsOfEachProvider(t *testing.T) {
	if s := set(t, "cpu", nil, 1); s.IntraOpThreads != 1 || s.Session[spinning] != "" ||
		len(s.Provider)+len(s.Environment)+len(s.FreeDimensions) > 0 {
		t.Errorf("cpu: %+v", s)
	}
	if s := set(t, "xnnpack", nil, 3); s.IntraOpThreads != 1 || s.Provider["intra_op_num_threads"] != "3" ||
		s.Session[spinning] != "0" || s.FreeDimensions["n"] != 4 {
		t.Errorf("xnnpack: %+v", s)
	}
	if s := set(t, "dnnl", nil, 3); s.IntraOpThreads != 3 || s.Environment["OMP_NUM_THREADS"] != "3" ||
		s.Session[spinning] != "0" {
		t.Errorf("dnnl: %+v", s)
	}
	if s := set(t, "openvino", map[string]string{"device_type": "GPU"}, 2); s.Provider["device_type"] != "GPU" ||
		s.Provider["num_of_threads"] != "2" {
		t.Errorf("openvino: %+v", s)
	}
	if s := set(t, "cpu", nil, runtime.NumCPU()+1); s.Session[spinning] != "0" {
		t.Errorf("more threads than processors: %+v", s)
	}
	// What the experiment says is left alone.
	own := map[string]string{spinning: "1", "intra_op_num_threads": "7", freeDimensions: "free"}
	if s := set(t, "xnnpack", own, 2); s.Session[spinning] != "1" ||
		s.Provider["intra_op_num_threads"] != "7" || s.FreeDimensions != nil {
		t.Errorf("overruled: %+v", s)
	}
	if s := set(t, "cpu", map[string]string{freeDimensions: "fixed"}, 1); s.FreeDimensions["n"] != 4 ||
		len(s.Provider) > 0 {
		t.Errorf("cpu with fixed dimensions: %+v", s)
	}
	if s := set(t, "acl-ort", map[string]string{"enable_fast_math": "1"}, 1); s.FreeDimensions["n"] != 4 ||
		s.Provider["enable_fast_math"] != "1" {
		t.Errorf("acl-ort: %+v", s)
	}
}

// On x86 the result says which way 8-bit weights were multiplied.
func TestQuantPrecisionIsRecorded(t *testing.T) {
	want := map[string]string{"amd64": "0"}[runtime.GOARCH]
	if got := set(t, "cpu", nil, 1).Session[quantPrecision]; got != want {
		t.Errorf("%s is %q, want %q", quantPrecision, got, want)
	}
	if got := set(t, "cpu", map[string]string{quantPrecision: "1"}, 1).Session[quantPrecision]; got != "1" {
		t.Errorf("asked for 1, got %q", got)
	}
}

func TestUnknownOwnOption(t *testing.T) {
	for _, bad := range []map[string]string{{freeDimensions: "yes"}, {"chexp.spin": "0"}} {
		o := Options{Provider: trial.Provider{Name: "cpu", Options: bad}}
		if _, err := settings(o, nil); code(err) != reason.OptionInvalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// The settings arrive in the session: a fixed dimension makes the model's batch
// a number, so that another batch is refused.
func TestSettingsArrive(t *testing.T) {
	l := library(t)
	path := model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "n"}, testmodel.Dim{Size: 3}))
	cpu := trial.Provider{Name: "cpu", Options: map[string]string{freeDimensions: "fixed", spinning: "0"}}
	s, err := l.Open(path, Options{Provider: cpu, Threads: 1, Batch: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in, err := s.ports(false)
	if err != nil || in[0].dims[0].size != 5 {
		t.Errorf("the first dimension is %+v, %v; want 5", in, err)
	}
	if got := s.Settings(); got.FreeDimensions["n"] != 5 || got.Session[spinning] != "0" || got.IntraOpThreads != 1 {
		t.Errorf("settings %+v", got)
	}
	if err := s.Run(); err != nil {
		t.Error(err)
	}
}

func TestSessionEntriesArrive(t *testing.T) {
	l := library(t)
	s := set(t, "cpu", map[string]string{spinning: "0"}, 1)
	opts, err := l.sessionOptions(Options{Provider: trial.Provider{Name: "cpu"}}, s)
	if err != nil {
		t.Fatal(err)
	}
	defer opts.Destroy()
	if v, err := opts.GetSessionConfigEntry(spinning); err != nil || v != "0" {
		t.Errorf("%s is %q, %v", spinning, v, err)
	}
}

// Providers that need libraries which are not here are refused, not crashed
// into; their options are texts.
func TestAbsentAccelerators(t *testing.T) {
	l := library(t)
	path := model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1}))
	accelerators := filepath.Join(filepath.Dir(libraryPath(t)), "libonnxruntime_providers_*.so")
	if found, _ := filepath.Glob(accelerators); len(found) > 0 {
		t.Skip("this library has accelerators:", found)
	}
	for _, name := range []string{"cuda", "tensorrt", "openvino", "xnnpack", "dnnl", "acl-ort", "qnn"} {
		p := trial.Provider{Name: name, Options: map[string]string{"device_id": "0"}}
		_, err := l.Open(path, Options{Provider: p, Threads: 1, Batch: 1})
		if code(err) != reason.ProviderAbsent || !strings.Contains(err.Error(), "cpu") {
			t.Errorf("%s: %s: %v", name, code(err), err)
		}
	}
	os.Unsetenv("OMP_NUM_THREADS")
}

// Symbols get the sizes that the plan gives to the dimensions, wherever they are.
func TestSizesOfSymbols(t *testing.T) {
	axis := 1
	o := Options{Provider: trial.Provider{Name: "xnnpack"}, Threads: 1, Batch: 4, Inputs: []input.Input{
		{Name: "x", Shape: []int64{3, 320}}, {Name: "h", Shape: []int64{2, input.Open}, Batch: &axis}}}
	s, err := settings(o, symbols.Inputs{"x": {"", "width"}, "h": {"", "n"}})
	if err != nil || fmt.Sprint(s.FreeDimensions) != "map[n:4 width:320]" {
		t.Errorf("%v, %v", s.FreeDimensions, err)
	}
}
