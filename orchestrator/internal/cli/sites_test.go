package cli

import (
	"testing"

	"chexp/experiments/spec"
)

// Every site that a file can name can be reached, and no other.
func TestSitesAndFilesAgree(t *testing.T) {
	for _, name := range spec.SiteNames() {
		if kind, ok := sites.Named(name); !ok || kind.Connect == nil {
			t.Errorf("no code for the site %s", name)
		}
	}
	for _, kind := range sites {
		if _, ok := spec.SiteNamed(kind.Name); !ok {
			t.Errorf("spec.Sites has no line for the site %s", kind.Name)
		}
	}
}
