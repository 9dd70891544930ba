package matrix

import (
	"strings"
	"testing"
)

// A report that comes in pieces, after more words than are kept.
func TestLastWordsAreBounded(t *testing.T) {
	var w tail
	for range 100 {
		w.Write([]byte(strings.Repeat("chatter ", 20) + "\n"))
	}
	for _, piece := range []string{"SIGSEGV: seg", "mentation violation\n", strings.Repeat("goroutine 3\n", 500)} {
		w.Write([]byte(piece))
	}
	if n := len(w.data); n > maxWords {
		t.Errorf("%d bytes are kept", n)
	}
	if s := w.String(); !strings.Contains(s, "SIGSEGV: segmentation violation") {
		t.Errorf("the report is lost: %q", s)
	}
}
