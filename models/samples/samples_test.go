package samples

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/models/onnx"
)

func input(dims ...int64) *onnx.Value {
	v := &onnx.Value{Name: "x", Elem: onnx.Float32, Shape: []onnx.Dim{{Param: "n", Size: -1}}}
	for _, d := range dims {
		v.Shape = append(v.Shape, onnx.Dim{Size: d})
	}
	return v
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// halves is a picture whose left half has one colour and whose right another.
func halves(t *testing.T, w, h int, left, right color.RGBA) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := left
			if x >= w/2 {
				c = right
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func npy(shape string, values ...float32) []byte {
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n", shape)
	b := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(head)))...)
	b = append(b, head...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func TestPicturesAreScaledCutAndNormalised(t *testing.T) {
	dir := t.TempDir()
	red, blue := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}
	write(t, filepath.Join(dir, "a.png"), halves(t, 400, 200, red, blue))
	p := Preprocess{Mean: [3]float32{0.5, 0.25, 0}, Std: [3]float32{0.5, 0.25, 2}, Layout: "NCHW"}
	s, err := From{Dir: dir, Preprocess: p}.Read(input(3, 20, 20))
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Inputs[0].Float32s()
	if err != nil || len(v) != 3*20*20 || fmt.Sprint(s.Inputs[0].Dims) != "[1 3 20 20]" || s.Inputs[0].Name != "x" {
		t.Fatalf("%v, %v", s.Inputs[0].Dims, err)
	}
	at := func(c, y, x int) float32 { return v[c*400+y*20+x] }
	for _, y := range []int{0, 10, 19} {
		for _, want := range []struct {
			c, x int
			v    float32
		}{{0, 2, 1}, {0, 17, -1}, {1, 2, -1}, {2, 2, 0}, {2, 17, 0.5}} {
			if got := at(want.c, y, want.x); math.Abs(float64(got-want.v)) > 1e-4 {
				t.Errorf("channel %d at %d, %d is %v, want %v", want.c, y, want.x, got, want.v)
			}
		}
	}
	p.Layout = "NHWC"
	s, err = From{Dir: dir, Preprocess: p}.Read(input(20, 20, 3))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ = s.Inputs[0].Float32s(); math.Abs(float64(v[2*3]-1)) > 1e-4 || math.Abs(float64(v[17*3+2]-0.5)) > 1e-4 {
		t.Errorf("NHWC: %v %v", v[6], v[53])
	}
	// Enlarged, and of which only the middle is used.
	p = Preprocess{Layout: "NCHW", Resize: 1000}
	if s, err = (From{Dir: dir, Preprocess: p}).Read(input(3, 8, 8)); err != nil {
		t.Fatal(err)
	}
	v, _ = s.Inputs[0].Float32s()
	if sum := v[0] + v[7]; math.Abs(float64(sum-1)) > 0.5 {
		t.Errorf("the middle is not where the colours meet: %v … %v", v[0], v[7])
	}
}

func TestGrey(t *testing.T) {
	dir := t.TempDir()
	c := color.RGBA{200, 100, 50, 255} // Pillow: 124
	write(t, filepath.Join(dir, "a.png"), halves(t, 6, 4, c, c))
	s, err := From{Dir: dir, Preprocess: Preprocess{Layout: "NCHW"}}.Read(input(1, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := s.Inputs[0].Float32s(); fmt.Sprint(v) != fmt.Sprint([]float32{124. / 255, 124. / 255, 124. / 255,
		124. / 255}) {
		t.Errorf("%v", v)
	}
	if _, err := (From{Dir: dir, Preprocess: Preprocess{Layout: "NCHW", Resize: 7}}).Read(input(1, 8, 8)); err == nil ||
		!strings.Contains(err.Error(), "cannot be cut") {
		t.Errorf("scaled to less than the input: %v", err)
	}
}

func TestFoldersAreClasses(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"10/b", "2/a", "2/c"} {
		write(t, filepath.Join(dir, name+".npy"), npy("2,", float32(i), 1))
	}
	s, err := From{Dir: dir}.Read(input(2))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(s.Labels) != "[0 0 1]" || fmt.Sprint(s.Listing.Classes) != "[2 10]" {
		t.Errorf("labels %v of classes %v", s.Labels, s.Listing.Classes)
	}
	dir = t.TempDir()
	for _, name := range []string{"soup/a", "bread/b"} {
		write(t, filepath.Join(dir, name+".npy"), npy("1, 2", 0, 1))
	}
	if s, err = (From{Dir: dir, Limit: 1}).Read(input(2)); err != nil || fmt.Sprint(s.Labels) != "[0]" ||
		len(s.Inputs) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWhatIsNoSampleIsRefused(t *testing.T) {
	for name, x := range map[string]struct {
		file string
		data []byte
		says string
	}{
		"empty":     {"", nil, "holds no"},
		"no array":  {"a.npy", []byte("hello"), "no NumPy"},
		"cut":       {"a.npy", npy("2,", 1), "holds 4 bytes"},
		"shape":     {"a.npy", npy("3,", 1, 2, 3), "the model takes [1 2]"},
		"huge":      {"a.npy", npy("2,99999999999999999999", 1), "too large"},
		"header":    {"a.npy", []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "cut short"},
		"fortran":   {"a.npy", bytes.Replace(npy("2,", 1, 2), []byte("False"), []byte("True "), 1), "not read"},
		"no image":  {"a.png", []byte("hello"), "a.png"},
		"flat":      {"a.png", halves(t, 4, 4, color.RGBA{}, color.RGBA{}), "four"},
		"text file": {"a.txt", []byte("hello"), "holds no"},
	} {
		dir := t.TempDir()
		if x.file != "" {
			write(t, filepath.Join(dir, x.file), x.data)
		}
		if _, err := (From{Dir: dir}).Read(input(2)); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func FuzzNPY(f *testing.F) {
	f.Add(npy("2,", 1, 2))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = array(b, []int64{1, 2}) })
}
