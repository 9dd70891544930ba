package cli

import (
	"fmt"
	"testing"
	"time"

	"chexp/experiments/spec"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"
)

// What one machine took tells nothing of another machine, although both are reached by SSH.
func TestAnotherHostIsAnotherDevice(t *testing.T) {
	const text = "apiVersion: chexp/v1\nname: exp\nsite: ssh\nhost: %s\nmodels: [{name: tiny, builtin: tiny-cnn}]\n" +
		"providers: [cpu]\n"
	s, err := store.At(t.TempDir()).Create(store.NewID("exp", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Unlock()
	if err := s.WriteOnce(store.ExperimentFile, fmt.Appendf(nil, text, "pi@board-a")); err != nil {
		t.Fatal(err)
	}
	if err := s.Record(store.Entry{Kind: store.Ended, Phase: string(run.PhasePlan), Text: "ssh"}); err != nil {
		t.Fatal(err)
	}
	for host, same := range map[string]bool{"pi@board-a": true, "pi@board-b": false} {
		e, err := spec.ParseStored("exp.yaml", t.TempDir(), fmt.Appendf(nil, text, host))
		if err != nil {
			t.Fatal(err)
		}
		if got := sameDevice(s, e); got != same {
			t.Errorf("a run at board-a is one on the device of %s: %t, want %t", host, got, same)
		}
	}
}
