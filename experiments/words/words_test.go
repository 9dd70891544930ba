package words

import (
	"strings"
	"testing"
)

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0 %", 1: "100 %", 0.5: "50 %", 0.0951: "9.5 %", 0.0996: "10 %", 0.0123: "1.2 %", 0.001: "0.1 %",
		0.0004: "0.04 %", -0.25: "-25 %", -0.0123: "-1.2 %", 1.234: "123 %", 0.02: "2 %",
	} {
		if got := Percent(share); got != want {
			t.Errorf("Percent(%v) = %q, want %q", share, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"two\nlines\tand a tab": "two\nlines\tand a tab",
		"\x1b[31mred":           "·[31mred",
		"a\u202eb":              "a·b",
		"\xff":                  "·",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		in, want string
		limit    int
	}{
		{"  a \n b\t\tc  ", "a b c", 10},
		{"abcdef", "abc…", 3},
		{"abc", "abc", 3},
		{"abc   ", "abc", 3},
		{"abc d", "abc…", 3},
		{"\x1b]0;x\a", "·]0;x·", 10},
		{" a\r\n\t b ", "a b", 10},
		{"\u202eabc\u200b", "·abc·", 10},
		{"bad\xff", "bad·", 10},
		{strings.Repeat("é", 1000), "éé…", 2},
	} {
		if got := Line(c.in, c.limit); got != c.want {
			t.Errorf("Line(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}
