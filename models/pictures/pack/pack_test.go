package pack

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{Pictures: 1, Side: 2, Labels: []string{"a"}, Std: [3]float64{1, 1, 1},
		Layout: "NHWC"})
	if err != nil {
		f.Fatal(err)
	}
	w.Add(make([]uint8, 12), 0)
	w.Close()
	f.Add(b.Bytes())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			return
		}
		defer r.Close()
		for range 3 {
			if pixels, label, err := r.Next(); err == nil &&
				(label >= len(r.Header.Labels) || len(pixels) != 3*r.Header.Side*r.Header.Side) {
				t.Fatal("a picture that the header does not allow")
			}
		}
	})
}
