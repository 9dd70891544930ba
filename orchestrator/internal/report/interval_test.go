package report

import (
	"bytes"
	"strings"
	"testing"

	"chexp/orchestrator/internal/report/findings"
)

// At 80 columns the interval fell away before sizes and budgets became short.
func TestTheIntervalStaysAt80Columns(t *testing.T) {
	var b bytes.Buffer
	if err := Terminal(&b, findings.Build(tutorial().Input), 80, false, false); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String()[strings.Index(b.String(), "model "):], "\n")
	if !strings.Contains(head, "95 %") {
		t.Errorf("the table's head is %q", head)
	}
}
