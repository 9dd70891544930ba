//go:build cgo

package ort

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chexp/agent/internal/placement"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/agent/internal/testmodel"
	"chexp/experiments/trial"
)

// idlePlugin compiles the plugin of testdata.
func idlePlugin(t *testing.T) string {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skip("go list:", err)
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc:", err)
	}
	out := filepath.Join(t.TempDir(), "idle_ep.so")
	gcc := exec.Command("gcc", "-shared", "-fPIC", "-w", "-o", out, "-I",
		strings.TrimSpace(string(module)), "testdata/idle_ep.c")
	if msg, err := gcc.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	return out
}

// A plugin is known by the experiment's name for it: in the runtime's list, as
// the session's provider with its options, and in the placement.
func TestPlugin(t *testing.T) {
	l := library(t)
	if err := l.Plug("lazy", idlePlugin(t)); err != nil {
		t.Fatal(err)
	}
	if r := l.Runtime(); !slices.Contains(r.Providers, "lazy") || !slices.Contains(r.Providers, "cpu") {
		t.Errorf("providers %v", r.Providers)
	}
	if got := l.PlanName("IdleExecutionProvider"); got != "lazy" {
		t.Errorf("its name is %q", got)
	}
	path := model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1}))
	lazy := Options{Provider: trial.Provider{Name: "lazy", Options: map[string]string{"colour": "blue"}}, Threads: 1,
		Batch: 1}
	p, err := placement.Profile(t.TempDir(), 1, l.PlanName, func(prefix string) (session.Engine, error) {
		o := lazy
		o.Profile = prefix
		return l.Open(path, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Providers) != 1 || p.Providers[0].Provider != "cpu" || p.Nodes != 1 {
		t.Errorf("it takes no node, but the placement is %+v", p)
	}
	lazy.Provider.Options = nil
	if s, err := l.Open(path, lazy); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("its refusal got lost: %v", err)
		if err == nil {
			s.Close()
		}
	}
}

func TestNoPlugin(t *testing.T) {
	l := library(t)
	for name, path := range map[string]string{"missing": "/nonexistent.so", "another": libraryPath(t)} {
		if err := l.Plug(name, path); code(err) != reason.ProviderAbsent {
			t.Errorf("%s: %v", name, err)
		}
	}
}
