package trial

import "testing"

func TestLaterVersion(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"2.9", "2.36", false}, {"2.36", "2.9", true}, {"PRIVATE", "", false},
		{"2.36", "", true}, {"3.4.30", "3.4", true},
		{"1.24", "", true}, {"1.24", "custom", false}, {"1.24", "1.24", false}, {"1.24", "1.24.0", false},
	} {
		if LaterVersion(tc.a, tc.b) != tc.want {
			t.Errorf("LaterVersion(%s, %s) is not %v", tc.a, tc.b, tc.want)
		}
	}
}
