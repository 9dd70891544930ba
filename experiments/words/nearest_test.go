package words

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"builtin", "path", "url", "sha256", "min_time", "max_time"}
	for in, want := range map[string]string{
		"bultin": "builtin", "buitlin": "builtin", "pth": "path", "ulr": "url", "sha": "", "SHA256": "sha256",
		"min-time": "min_time", "elephant": "", "": "", strings.Repeat("x", 1000): "",
	} {
		if got := Nearest(in, words); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", in, got, want)
		}
	}
}
