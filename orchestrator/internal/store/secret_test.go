package store_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/secret"
	"chexp/orchestrator/internal/store"
)

// What a service repeated of a request does not get into a run's directory,
// which people mail to each other.
func TestNoSecretInTheJournal(t *testing.T) {
	const token = "gAAAAAB-the-token-of-a-test"
	secret.Hide(token)
	r, err := store.At(t.TempDir()).Create("20260101t000000z-odd-abcd")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unlock()
	data, _ := json.Marshal(map[string]string{"status": "X-Auth-Token: " + token})
	if err := r.Record(store.Entry{Kind: store.Failed, Text: "400: " + token, Data: data}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(store.SiteFile, map[string]string{"warning": token}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"journal.jsonl", store.SiteFile} {
		raw, err := os.ReadFile(filepath.Join(r.Dir, name))
		if err != nil || strings.Contains(string(raw), token) || !strings.Contains(string(raw), "[secret]") {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
	}
	if entries, err := r.Entries(); len(entries) != 1 || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
}
