package cli

import (
	"strings"
	"testing"
)

// Advice is typed as the program was called: people call it bin/chexp, and from
// folders with a blank in their name.
func TestAdviceIsPasteable(t *testing.T) {
	for program, want := range map[string]string{
		"chexp":               "what to do: `chexp help` lists them\n",
		"bin/chexp":           "what to do: `bin/chexp help` lists them\n",
		"/opt/my tools/chexp": "what to do: `'/opt/my tools/chexp' help` lists them\n",
	} {
		var told strings.Builder
		if code := Main("test", []string{program, "lose"}, strings.NewReader(""), &told, &told); code != 2 ||
			!strings.Contains(told.String(), want) {
			t.Errorf("%s: code %d, %s", program, code, told.String())
		}
	}
}
