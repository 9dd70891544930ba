package plates

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"testing"
)

// The weights in models/builtin were trained on these very pictures: another
// drawing is another data set, and their accuracy would be another one too. The
// sum also holds on other processors (it was made on amd64 and checked on arm64
// under qemu).
func TestPicturesAreTheSameEverywhere(t *testing.T) {
	h := sha256.New()
	for id := range 2 * Classes * 2 {
		p, err := Draw(Evaluation, id, []int{64, 96}[id%2])
		if err != nil {
			t.Fatal(err)
		}
		h.Write(p)
	}
	const want = "615446ba53a0807d8b7808ff6745e390c55df5118e96884eb1de0df1833f4d5c"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("the pictures have SHA-256 %s, want %s", got, want)
	}
}

func TestPicturesDiffer(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, set := range []string{Train, Calibration, Evaluation} {
		for id := range 40 {
			p, err := Draw(set, id, 32)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprint(set, " ", id)
			if other, ok := seen[sha256.Sum256(p)]; ok {
				t.Errorf("%s is the same picture as %s", name, other)
			}
			seen[sha256.Sum256(p)] = name
		}
	}
}

// A picture at another size is the same scene: halving it gives nearly what
// drawing it at half the size does.
func TestSizeChangesNothingButTheSize(t *testing.T) {
	for id := range Classes {
		big, _ := Draw(Evaluation, id, 128)
		small, err := Draw(Evaluation, id, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for y := range 64 {
			for x := range 64 {
				for ch := range 3 {
					at := func(dx, dy int) float64 { return float64(big[3*((2*y+dy)*128+2*x+dx)+ch]) }
					mean := (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4
					sum += math.Abs(mean - float64(small[3*(y*64+x)+ch]))
				}
			}
		}
		if mean := sum / (64 * 64 * 3); mean > 16 {
			t.Errorf("%s: mean difference of %.1f of 255", Kinds[id], mean)
		}
	}
}

func TestLabelsTakeTurns(t *testing.T) {
	count := [Classes]int{}
	for id := range 50 * Classes {
		count[Label(id)]++
	}
	for k, n := range count {
		if n != 50 {
			t.Errorf("%s: %d of %d pictures", Kinds[k], n, 50*Classes)
		}
	}
}

func TestInput(t *testing.T) {
	picture := []uint8{0, 128, 255, 255, 0, 128} // two pixels
	got := make([]float32, 6)
	Input(got, picture)
	want := []float64{-0.485 / 0.229, (1 - 0.485) / 0.229, (128/255. - 0.456) / 0.224, -0.456 / 0.224,
		(1 - 0.406) / 0.225, (128/255. - 0.406) / 0.225}
	for i, w := range want {
		if math.Abs(float64(got[i])-w) > 1e-5 {
			t.Errorf("value %d is %v, want %v", i, got[i], w)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, bad := range [][2]int{{-1, 64}, {0, 7}, {0, MaxSize + 1}} {
		if _, err := Draw(Train, bad[0], bad[1]); err == nil {
			t.Errorf("picture %d of size %d was drawn", bad[0], bad[1])
		}
	}
	a, _ := Draw(Train, 3, 8)
	b, _ := Draw(Train, 3, 8)
	if len(a) != 3*64 || !bytes.Equal(a, b) {
		t.Error("the smallest picture is not the same twice")
	}
}

func BenchmarkDraw224(b *testing.B) {
	for i := range b.N {
		if _, err := Draw(Evaluation, i, 224); err != nil {
			b.Fatal(err)
		}
	}
}
