//go:build cgo

package ort

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/testmodel"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// The assignment names the node and who took it.
func TestAssignment(t *testing.T) {
	l := library(t)
	path := model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1}))
	recording := trial.Provider{Name: "cpu", Options: map[string]string{recordAssignment: "1"}}
	s, err := l.Open(path, Options{Provider: recording, Threads: 1, Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nodes, err := s.Assignment()
	if err != nil || len(nodes) != 1 || nodes[0].Operator != "Add" || nodes[0].Provider != "CPUExecutionProvider" {
		t.Errorf("assignment %+v, %v", nodes, err)
	}
	plain, err := l.Open(path, cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if nodes, err := plain.Assignment(); err == nil {
		t.Errorf("a session that records nothing told %v", nodes)
	}
}

// With the plugin beside the runtime (CHEXP_ORT_LIBRARY, under emulation or on a
// Pi: agent/acl/test.sh), it is listed with its versions and can be used;
// without, a trial that wants it fails with the list of what there is.
func TestACLPlugin(t *testing.T) {
	l := library(t)
	o := Options{Provider: trial.Provider{Name: provider.ACL}, Threads: 2, Batch: 2}
	path := model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "n"}, testmodel.Dim{Size: 3}))
	if _, err := os.Stat(filepath.Join(filepath.Dir(l.path), provider.Named(provider.ACL).Plugin)); err != nil {
		if _, err := l.Open(path, o); code(err) != reason.ProviderAbsent ||
			!strings.Contains(err.Error(), "it has: cpu") {
			t.Errorf("without the plugin: %v", err)
		}
		t.Skip("no " + provider.Named(provider.ACL).Plugin + " beside the runtime; agent/acl/test.sh runs this with it")
	}
	r := l.Runtime()
	if !slices.Contains(r.Providers, provider.ACL) ||
		!regexp.MustCompile(`chexp ACL plugin \d+\.\d+\.\d+, Arm Compute Library \d+\.\d+`).MatchString(r.BuildInfo) {
		t.Errorf("runtime %+v", r)
	}
	for _, options := range []map[string]string{{"enable_fast_math": "1"}, {"claim_light": "yes"}, {"threads": "3"}} {
		bad := o
		bad.Provider.Options = options
		if _, err := l.Open(path, bad); code(err) != reason.OptionInvalid {
			t.Errorf("options %v: %v", options, err)
		}
	}
	o.Provider.Options = map[string]string{"claim_light": "1"}
	s, err := l.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nodes, err := s.Assignment()
	if err != nil || len(nodes) != 1 || nodes[0].Provider != provider.Named(provider.ACL).Native+provider.Suffix {
		t.Errorf("assignment %+v, %v", nodes, err)
	}
	for range 2 {
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
	}
}
