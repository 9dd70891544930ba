package pictures

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each format's pixels are Pillow's to the last bit, as stored and turned
// upright; testdata/formats.py made the files and the list. A JPEG's may differ
// a little, so only its orientation is compared.
func TestEveryFormatIsPillows(t *testing.T) {
	golden, err := os.ReadFile("testdata/formats.golden")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		var name, stored, upright string
		var w, h int
		if _, err := fmt.Sscan(line, &name, &w, &h, &stored, &upright); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join("testdata/formats", name))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			if name == "fax.tif" {
				if _, _, err := Decode(bytes.NewReader(data), Scale{Width: w, Height: h}); err == nil ||
					!strings.Contains(err.Error(), "fax") {
					t.Errorf("error is %v", err)
				}
				return
			}
			sum := func(s Scale) string {
				pixels, turned, err := Decode(bytes.NewReader(data), s)
				if err != nil || turned != (stored != upright) {
					t.Errorf("turned %v, %v", turned, err)
				}
				return fmt.Sprintf("%x", sha256.Sum256(pixels))[:8]
			}
			if strings.HasSuffix(name, ".jpg") {
				if got := Orientation(data); got != 6 {
					t.Errorf("orientation %d", got)
				}
				return
			}
			if got := sum(Scale{Width: w, Height: h}); got != stored {
				t.Errorf("other pixels than Pillow's: %s", got)
			}
			if o := Orientation(data); o >= 5 && !strings.HasSuffix(name, ".tif") { // Pillow turns that in any case
				w, h = h, w
			}
			if got := sum(Scale{Width: w, Height: h, EXIF: true}); got != upright {
				t.Errorf("turned upright: other pixels than Pillow's: %s", got)
			}
		})
	}
}

// A picture whose header promises more pixels than are decoded is refused before
// anything of their size is allocated.
func TestHugePicturesAreRefused(t *testing.T) {
	bmp, err := os.ReadFile("testdata/formats/a.bmp")
	if err != nil {
		t.Fatal(err)
	}
	huge := slices.Clone(bmp)
	copy(huge[18:], []byte{0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0}) // 65535 × 65535
	if _, _, err := Decode(bytes.NewReader(huge), Scale{Width: 1, Height: 1}); err == nil ||
		!strings.Contains(err.Error(), "65535 × 65535") {
		t.Errorf("error is %v", err)
	}
}

// What is no picture that can be read is counted and named; what a computer
// leaves behind is not, and a picture without an extension is one.
func TestWhatIsLeftOutIsCountedAndNamed(t *testing.T) {
	heic := append([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), make([]byte, 40)...)
	dir := t.TempDir()
	for _, class := range []string{"a", "b"} {
		webp, err := os.ReadFile("testdata/formats/lossy.webp")
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, class+"/1.png", plain(t, 20, 20, color.RGBA{1, 2, 3, 255}))
		write(t, dir, class+"/2", plain(t, 20, 20, color.RGBA{1, 2, 3, 255}))
		write(t, dir, class+"/3.WEBP", webp)
		write(t, dir, class+"/4.heic", heic)
		write(t, dir, class+"/5.heic", heic)
		for _, name := range []string{"._1.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "._b/x.png"} {
			write(t, dir, class+"/"+name, []byte("junk"))
		}
	}
	write(t, dir, "a/notes.txt", []byte("mine"))
	write(t, dir, "a/old/1.png", plain(t, 20, 20, color.RGBA{}))
	write(t, dir, "1.png", plain(t, 20, 20, color.RGBA{}))
	write(t, dir, "__MACOSX/x/1.png", []byte("junk"))
	p, err := source(dir).Pack(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := "4 .heic (a/4.heic and 3 more), 1 .txt (a/notes.txt), 1 beside the classes' folders (1.png), " +
		"1 folder inside a class (a/old)"
	if p.Pictures != 6 || p.LeftOut.String() != want || p.LeftOut.Count() != 7 {
		t.Errorf("%d pictures, left out %d: %v", p.Pictures, p.LeftOut.Count(), p.LeftOut)
	}
}

// A copy that broke off is told from what is no picture.
func TestADamagedPictureIsCalledSo(t *testing.T) {
	whole := plain(t, 90, 90, color.RGBA{A: 255})
	for _, c := range []struct {
		data []byte
		says string
	}{{nil, "is empty"}, {whole[:len(whole)-20], "is a damaged picture, or only the beginning of one"}} {
		if _, _, err := Decode(bytes.NewReader(c.data), Scale{Width: 1, Height: 1}); err == nil ||
			!strings.Contains(err.Error(), c.says) {
			t.Errorf("error is %v, want %s", err, c.says)
		}
	}
}

// An iPhone's picture that was only renamed is named for what it is.
func TestARenamedHEIC(t *testing.T) {
	_, _, err := Decode(strings.NewReader("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), Scale{Width: 1, Height: 1})
	if err == nil || !strings.Contains(err.Error(), "is HEIC inside") {
		t.Errorf("error is %v", err)
	}
}

// Folders 0 to 11 are classes 0 to 11, not 0, 1, 10, 11, 2: the one rule of
// accuracy: and model compare.
func TestFoldersOfNumbersAreInTheirOrder(t *testing.T) {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint(i))
	}
	slices.Sort(names)
	dir := t.TempDir()
	for i, name := range names {
		write(t, dir, name+"/x.png", plain(t, 20, 20, color.RGBA{R: uint8(i)}))
	}
	s := source(dir)
	p, err := s.Pack(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := unpack(t, p); fmt.Sprint(h.Labels) != "[0 1 2 3 4 5 6 7 8 9 10 11]" {
		t.Errorf("labels %v", h.Labels)
	}
	if want := "12 classes, folders by number: 0 is 0, 1 is 1, …, 11 is 11"; p.Classes != want {
		t.Errorf("it says %q", p.Classes)
	}
	s.Classes = slices.Clone(names)
	if p, err = s.Pack(context.Background(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if h, _ := unpack(t, p); fmt.Sprint(h.Labels) != fmt.Sprint(names) {
		t.Errorf("classes: says %v, labels are %v", names, h.Labels)
	}
	if mixed, byNumber := SortClasses([]string{"10", "9", "x"}); byNumber || mixed[0] != "10" {
		t.Errorf("a name among numbers: %v", mixed)
	}
}

func FuzzDecode(f *testing.F) {
	all, err := filepath.Glob("testdata/formats/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range all {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err == nil && c.Width > 1000 || c.Height > 1000 {
			return // slow, and of bounds there is a test
		}
		pixels, _, err := Decode(bytes.NewReader(data), Scale{Width: 3, Height: 2, EXIF: true})
		if err == nil && len(pixels) != 18 {
			t.Fatalf("%d bytes", len(pixels))
		}
	})
}
