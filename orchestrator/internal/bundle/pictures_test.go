package bundle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/bundle"
)

// The user's pictures go with the bundle, by their hash, and are not sent
// again.
func TestPackOfPictures(t *testing.T) {
	w := newWorld(t)
	sum := sha256.Sum256([]byte("pictures"))
	e := &trial.Evaluation{Data: trial.PackedData, Pictures: 3, SHA256: hex.EncodeToString(sum[:]), Bytes: 8,
		Name: "mine", Reference: "m0", Timeout: time.Minute}
	w.plan.Accuracy = e
	path := filepath.Join(t.TempDir(), "x.pack")
	w.models[e.SHA256] = path
	w.write(path, "pictures")
	b := w.assemble()
	if !slices.ContainsFunc(b.Files, func(f bundle.File) bool {
		return f.Path == "data/"+e.SHA256+".pack" && f.Size == 8
	}) {
		t.Fatal("the pack is not in the bundle")
	}
	w.push(b)
	if again := w.push(b); again.Sent != 0 {
		t.Errorf("%d bytes were sent a second time", again.Sent)
	}
	w.write(path, "changed!")
	if _, err := bundle.Assemble(w.agent, w.plan, w.modelFile); err == nil ||
		!strings.Contains(err.Error(), "pictures of mine") {
		t.Errorf("a changed pack: %v", err)
	}
}
