package matrix

import (
	"os"
	"path/filepath"
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

// An arm64 program under qemu's user mode reads the machine's own /proc/cpuinfo.
func TestADeathOfAForeignProcessorIsExplained(t *testing.T) {
	x86, pi := filepath.Join(t.TempDir(), "x86"), "../../acl/check/cpuinfo-a76"
	if err := os.WriteFile(x86, []byte("processor\t: 0\nvendor_id\t: AuthenticAMD\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		info, arch string
		said       bool
	}{{x86, "arm64", true}, {x86, "amd64", false}, {pi, "arm64", false}, {"/nowhere", "arm64", false}} {
		if got := foreignProcessor(c.info, c.arch); strings.Contains(got, "/proc/cpuinfo") != c.said {
			t.Errorf("%s on %s: %q", c.info, c.arch, got)
		}
	}
}
