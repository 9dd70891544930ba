package words

import (
	"testing"
	"time"
)

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1.00", 0.0988: "0.0988", 8.9: "8.90", 9.996: "10.0", 999.6: "1000", 1234567: "1230000",
		1e7:  "1e+07",
		1e-5: "1e-05", -21.54: "-21.5",
	} {
		if got := Digits(v); got != want {
			t.Errorf("Digits(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestUnits(t *testing.T) {
	for got, want := range map[string]string{
		Nanoseconds(999_400): "999 µs", Nanoseconds(999_600): "1.00 ms", Nanoseconds(2.03e9): "2.03 s",
		Bytes(8_900_000): "8.90 MB", Rate(47.1): "47.1/s", Count(3e11): "300 G", Count(7): "7.00",
		Span(-1): "?", Span(36_300 * time.Millisecond): "36.3 s", Span(7*time.Minute + 12*time.Second): "7 min 12 s",
		Span(2 * time.Hour): "2 h", Span(125 * time.Minute): "2 h 5 min",
		Tie("p50 < 15 ms"): "p50 < 15\u00a0ms", Plural(1, "trial"): "1 trial", Plural(0, "trial"): "0 trials",
		List([]string{"a", "b", "c"}, ", ", 2): "a, b, and 1 more", List([]string{"a"}, ", ", 2): "a",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
