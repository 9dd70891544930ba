package cli

import (
	"bytes"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

func TestParseTime(t *testing.T) {
	in(t, "America/New_York")
	now := at(t, "2026-12-01 14:20")
	for s, want := range map[string]string{
		"15": "2026-12-01 15:00", "15Z": "2026-12-01 15:00", "14": "2026-12-02 14:00", "9": "2026-12-02 09:00",
		"00": "2026-12-02 00:00", "15:30": "2026-12-01 15:30",
		"2026-12-01T14:00-05:00": "2026-12-01 19:00", "2026-12-01T19:00Z": "2026-12-01 19:00",
		"2026-12-01 19:00:00Z": "2026-12-01 19:00",
	} {
		if got, err := parseTime(s, now); err != nil || !got.Equal(at(t, want)) {
			t.Errorf("%q: %v, %v; want %s", s, got, err, want)
		}
	}
	if got, err := parseTime("now", now); err != nil || !got.IsZero() {
		t.Errorf("now: %v, %v", got, err)
	}
	for s, words := range map[string]string{
		"2026-12-01T14:00": "2026-12-01T14:00Z if you mean UTC, 2026-12-01T14:00-05:00 for the clock here",
		"24":               "but takes now", "": "but takes now", "tomorrow": "but takes now",
		"2026-12-01T14:00:30Z": "whole minute", "2026-13-01T14:00Z": "but takes now",
	} {
		if _, err := parseTime(s, now); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", s, err, words)
		}
	}
}

func TestPlainName(t *testing.T) {
	for in, want := range map[string]string{"alice@example.org": "alice_example.org", "ffund00": "ffund00",
		"jürgen o'neil": "j_rgen_o_neil", "": ""} {
		if got := plain(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestWarnLength(t *testing.T) {
	for name, c := range map[string]struct {
		length, most time.Duration
		words        string
	}{
		"fits":            {2 * time.Hour, 90 * time.Minute, ""},
		"far too long":    {2 * time.Hour, 6 * time.Minute, "longer than it needs: --hours 0.4 would do"},
		"too short":       {time.Hour, 90 * time.Minute, "chexp run --resume"},
		"long, and needs": {4 * time.Hour, 210 * time.Minute, ""}, // that it is long, the placer says
	} {
		var out bytes.Buffer
		leaseVerbs{&app{err: &out}}.warnLength(c.length, c.most, 15*time.Minute)
		if got := out.String(); c.words == "" && got != "" || !strings.Contains(got, c.words) {
			t.Errorf("%s: %q, want %q", name, got, c.words)
		}
	}
}

// A lease create that is at work beside this chexp, or that ends well meanwhile, was not
// cut off; one that says nothing of how it ended was.
func TestNoteOfALiveCreateIsNotTold(t *testing.T) {
	t.Setenv("CHEXP_CACHE", t.TempDir())
	var told strings.Builder
	a := &app{err: &told, out: io.Discard}
	c := cli.NewContext(cli.NewApp(), flag.NewFlagSet("", flag.ContinueOnError), nil)
	m := leaseVerbs{a}.note(c, "mine", time.Time{}, 0)
	if offerMade(a); told.Len() > 0 || !atWork(m.file) {
		t.Errorf("while it works: %s", told.String())
	}
	if m.over(false); atWork(m.file) {
		t.Error("it works for ever")
	}
	if offerMade(a); !strings.Contains(told.String(), "whether its lease mine exists") {
		t.Errorf("cut off: %q", told.String())
	}
	if os.Remove(m.file); !atWork(m.file) {
		t.Error("a note that its process took along passes for a dead one's")
	}
	if err := os.WriteFile(m.file, nil, 0o600); err != nil { // just before it is locked
		t.Fatal(err)
	}
	told.Reset()
	if offerMade(a); told.Len() > 0 {
		t.Errorf("as it begins: %s", told.String())
	}
}
