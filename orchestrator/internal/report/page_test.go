package report

import (
	"bytes"
	"os"
	"testing"

	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
)

// TestPage writes the made-up tutorial page where CHEXP_PAGE says, to be
// looked at in a browser, and always checks that its parts are there.
func TestPage(t *testing.T) {
	var out bytes.Buffer
	if err := page.Run(&out, findings.Build(tutorial().Input)); err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("CHEXP_PAGE_EDGE"); path != "" {
		var out bytes.Buffer
		if err := page.Run(&out, findings.Build(edge().Input)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{`id="decision"`, `id="table"`, `id="scatter"`, `id="strips"`, `id="cards"`,
		`id="timeline"`,
		`id="facts"`, `id="models"`, `id="troubles"`, `id="howto"`, "prefers-color-scheme: dark", "segmentation fault",
		"unavailable: ", "b2b2b2", "1.27.0"} {
		if !bytes.Contains(out.Bytes(), []byte(part)) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if path := os.Getenv("CHEXP_PAGE"); path != "" {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
