package pyrepr

import (
	"testing"
	"time"
)

func TestReprIsPythons(t *testing.T) {
	v, err := Decode([]byte(`{"z": 1, "a": [true, null, "it's", "say \"hi\"", "both ' \""], "n": 1.5, "d": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	d.Set("t", time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC))
	// Printed by Python 3.11 from the same values.
	want := `{'z': 1, 'a': [True, None, "it's", 'say "hi"', 'both \' "'], ` +
		`'n': 1.5, 'd': {}, 't': datetime.datetime(2026, 11, 24, 4, 0)}`
	if got := Repr(d); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, bad := range []string{"", "{", `{"a":}`, "1 2"} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("Decode(%q) did not fail", bad)
		}
	}
}
