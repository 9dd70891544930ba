package pictures

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/models/pictures/pack"
)

// plain is a PNG of one colour.
func plain(t *testing.T, w, h int, c color.RGBA) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// sample is a data set of two classes: 3 red apples, 2 green pears.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 3 {
		write(t, dir, fmt.Sprintf("apple/%d.png", i), plain(t, 40+i, 30, color.RGBA{200, 10, byte(i), 255}))
	}
	for i := range 2 {
		write(t, dir, fmt.Sprintf("pear/%d.PNG", i), plain(t, 30, 40+i, color.RGBA{10, 200, byte(i), 255}))
	}
	write(t, dir, "pear/notes.txt", []byte("no picture"))
	write(t, dir, ".git/config", []byte("x"))
	return dir
}

func source(path string) Source {
	return Source{Path: path, Resize: 20, Crop: 16, Header: pack.Header{Mean: [3]float64{0.1, 0.2, 0.3},
		Std: [3]float64{1, 2, 3}, Layout: "NCHW"}}
}

// unpack reads a whole pack: for each picture its label and first pixel.
func unpack(t *testing.T, p Packed) (h pack.Header, out []string) {
	t.Helper()
	r, err := pack.Open(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range r.Header.Pictures {
		pixels, label, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(r.Header.Labels[label], pixels[:3]))
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last picture: %v", err)
	}
	return r.Header, out
}

func TestFolder(t *testing.T) {
	p, err := source(sample(t)).Pack(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h, got := unpack(t, p)
	want := "[apple[200 10 0] pear[10 200 0] apple[200 10 1] pear[10 200 1] apple[200 10 2]]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
	if h.Side != 16 || h.Mean[2] != 0.3 || h.Std[1] != 2 || h.Layout != "NCHW" ||
		fmt.Sprint(h.Labels) != "[apple pear]" || p.Pictures != 5 {
		t.Errorf("%+v", h)
	}
	if info, err := os.Stat(p.Path); err != nil || info.Size() != p.Bytes {
		t.Errorf("%v %v", info, err)
	}
}

// The same data from a folder, a zip and a tar, at different times, is the same
// pack; so it is pushed once.
func TestSamePackFromEverySource(t *testing.T) {
	dir := sample(t)
	var zipped, tarred bytes.Buffer
	z, g := zip.NewWriter(&zipped), gzip.NewWriter(&tarred)
	tw := tar.NewWriter(g)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		w, err := z.Create("fruit/" + filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./fruit/" + filepath.ToSlash(rel),
			Size: int64(len(data)), Mode: 0o600}); err != nil {
			return err
		}
		_, err = tw.Write(data)
		return err
	})
	if err := errors.Join(err, z.Close(), tw.Close(), g.Close()); err != nil {
		t.Fatal(err)
	}
	archives := t.TempDir()
	write(t, archives, "fruit.zip", zipped.Bytes())
	write(t, archives, "fruit.tar.gz", tarred.Bytes())
	sums := map[string]bool{}
	for _, path := range []string{dir, filepath.Join(archives, "fruit.zip"), filepath.Join(archives, "fruit.tar.gz")} {
		p, err := source(path).Pack(context.Background(), t.TempDir())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		sums[p.SHA256] = true
	}
	if len(sums) != 1 {
		t.Errorf("%d different packs", len(sums))
	}
}

func TestLabelsAndLimit(t *testing.T) {
	labels := filepath.Join(t.TempDir(), "labels.txt")
	if err := os.WriteFile(labels, []byte("cherry\npear\n\n apple \n"), 0o666); err != nil {
		t.Fatal(err)
	}
	s := source(sample(t))
	s.Labels, s.Limit = labels, 3
	p, err := s.Pack(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h, got := unpack(t, p)
	if fmt.Sprint(h.Labels) != "[cherry pear apple]" ||
		fmt.Sprint(got) != "[apple[200 10 0] pear[10 200 0] apple[200 10 1]]" {
		t.Errorf("%v %v", h.Labels, got)
	}
}

func TestBadInputIsRefusedWhole(t *testing.T) {
	broken := sample(t)
	write(t, broken, "apple/a.jpg", []byte("<html>"))
	write(t, broken, "apple/b.png", plain(t, 9, 9, color.RGBA{})[:50])
	empty := sample(t)
	if err := os.Mkdir(filepath.Join(empty, "plum"), 0o777); err != nil {
		t.Fatal(err)
	}
	flat := t.TempDir()
	write(t, flat, "1.png", plain(t, 9, 9, color.RGBA{}))
	escape := filepath.Join(t.TempDir(), "x.tar")
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "../../x/evil.png", Size: 1})
	tw.Write([]byte("x"))
	tw.Close()
	os.WriteFile(escape, b.Bytes(), 0o666)
	labels := filepath.Join(t.TempDir(), "labels.txt")
	os.WriteFile(labels, []byte("apple\n"), 0o666)
	for name, c := range map[string]struct {
		path, labels string
		text         []string
	}{
		"two broken pictures":   {broken, "", []string{"apple/a.jpg: is no JPEG", "apple/b.png"}},
		"an empty class":        {empty, "", []string{"plum has no JPEG"}},
		"no classes":            {flat, "", []string{"one folder for each class"}},
		"a tar that climbs out": {escape, "", []string{"evil.png"}},
		"an unknown class":      {sample(t), labels, []string{"folder pear is named after no class"}},
		"no archive":            {labels, "", []string{"neither a folder nor"}},
		"nothing":               {filepath.Join(flat, "none"), "", []string{"no such file"}},
	} {
		s := source(c.path)
		s.Labels = c.labels
		dir := t.TempDir()
		_, err := s.Pack(context.Background(), dir)
		if err == nil {
			t.Errorf("%s: packed", name)
			continue
		}
		for _, want := range c.text {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q", name, err, want)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: leaves %v", name, left)
		}
	}
}

// The pixels are Pillow's to the last bit; testdata/pillow.py made the list, and
// says what is in it.
func TestDecodeIsPillow(t *testing.T) {
	golden, err := os.ReadFile("testdata/pillow.golden")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(golden)), "\n")
	if len(lines) < 5 {
		t.Fatalf("%d pictures", len(lines))
	}
	for _, line := range lines {
		var w, h int
		var s Scale
		var want string
		if _, err := fmt.Sscan(line, &w, &h, &s.Resize, &s.Width, &s.Height, &want); err != nil {
			t.Fatal(err)
		}
		img := image.NewNRGBA(image.Rect(0, 0, w, h))
		for i := range img.Pix {
			x, y, c := i/4%w, i/4/w, i%4
			img.Pix[i] = uint8(x*x*7 + y*y*3 + x*y*13 + c*(x+50))
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		pixels, _, err := Decode(&b, s)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(pixels)); got != want {
			t.Errorf("%d × %d as %+v: other pixels than Pillow's", w, h, s)
		}
	}
}

// What cannot be cut is refused, not filled up.
func TestNothingIsFilledUp(t *testing.T) {
	data := plain(t, 40, 30, color.RGBA{1, 2, 3, 255})
	if _, _, err := Decode(bytes.NewReader(data), Scale{Resize: 20, Width: 20, Height: 21}); err == nil ||
		!strings.Contains(err.Error(), "cannot be cut") {
		t.Errorf("error is %v", err)
	}
}

// A palette and 16 bits a colour keep what is under their alpha, as 8 bits a
// colour do.
func TestAlphaIsDropped(t *testing.T) {
	r := image.Rect(0, 0, 8, 8)
	wide := image.NewNRGBA64(r)
	for i := range 64 {
		wide.SetNRGBA64(i%8, i/8, color.NRGBA64{R: 200 << 8, G: 100 << 8, B: 50 << 8})
	}
	for name, img := range map[string]image.Image{
		"palette": image.NewPaletted(r, color.Palette{color.NRGBA{200, 100, 50, 0}, color.White}),
		"16 bits": wide,
	} {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if out, _, err := Decode(&b, Scale{Width: 1, Height: 1}); err != nil || !bytes.Equal(out, []byte{200, 100, 50}) {
			t.Errorf("%s: %v %v", name, out, err)
		}
	}
}

// A line of brightness stays a line of brightness, whatever the sizes, and the
// crop is the middle.
func TestScaling(t *testing.T) {
	for _, size := range [][2]int{{256, 256}, {512, 300}, {100, 130}, {1000, 777}} {
		img := image.NewGray(image.Rect(0, 0, size[0], size[1]))
		for y := range size[1] {
			for x := range size[0] {
				img.SetGray(x, y, color.Gray{uint8(255 * x / (size[0] - 1))})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		const resize, crop = 64, 48
		out, _, err := Decode(&b, Scale{Resize: resize, Width: crop, Height: crop})
		if err != nil {
			t.Fatal(err)
		}
		width := resize
		if size[0] > size[1] {
			width = resize * size[0] / size[1]
		}
		for _, x := range []int{0, crop / 2, crop - 1} {
			want := 255 * (float64((width-crop+1)/2+x) + 0.5) / float64(width)
			if got := float64(out[(crop/2*crop+x)*3]); got < want-4 || got > want+4 {
				t.Errorf("%v: column %d is %v, want about %.0f", size, x, got, want)
			}
		}
	}
}

func TestTapsKeepBrightness(t *testing.T) {
	for from := 1; from < 90; from += 7 {
		for to := 1; to < 90; to += 5 {
			for _, tp := range taps(from, to, 0, to) {
				sum := int32(0)
				for _, w := range tp.weights {
					sum += w
				}
				if sum < 1<<precision-int32(len(tp.weights)) || sum > 1<<precision+int32(len(tp.weights)) ||
					tp.first < 0 || tp.first+len(tp.weights) > from {
					t.Fatalf("%d to %d: %+v", from, to, tp)
				}
			}
		}
	}
}

func TestJPEG(t *testing.T) {
	var b bytes.Buffer
	img := image.NewRGBA(image.Rect(0, 0, 50, 30))
	for i := range img.Pix {
		img.Pix[i] = 180
	}
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	out, _, err := Decode(&b, Scale{Resize: 16, Width: 16, Height: 16})
	if err != nil || out[0] < 178 || out[0] > 182 {
		t.Errorf("%v %v", out[:3], err)
	}
}
