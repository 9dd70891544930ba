// Package pictures turns a person's pictures into the pixels that a model wants
// (Decode, the only place where pictures are decoded and scaled), lists the files
// and classes of a folder (List), and packs labelled pictures (Source.Pack) into
// the file that package pack describes.
package pictures

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif" // the formats that Decode knows
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// Bounds of one picture: a file, and its pixels once decoded.
const (
	maxFile   = 64 << 20
	maxPixels = 100 << 20
)

// Scale says what of a picture a model sees: the picture is scaled until its
// shorter side has Resize pixels, and Width × Height are cut from the middle.
// Without Resize it is scaled until it just covers them.
type Scale struct {
	Resize        int
	Width, Height int
	EXIF          bool // turn it upright first, as its EXIF data says
}

// Decode reads a picture, the first of several in one file, and returns 8-bit
// pixels, red, green, blue. It
// does what torchvision's Resize and CenterCrop do to a picture that Pillow
// opened and converted to RGB, for that is how most image models were trained
// and evaluated; of the same decoded pixels it makes the same bytes. Hence the
// result of each pass is rounded to 8 bits, alpha is dropped (what lies under it
// shows), and the orientation in EXIF data is followed on request only. A JPEG's
// pixels differ from libjpeg's by about half a level of 255, for that interpolates
// between the colours that a JPEG keeps for every other pixel.
//
// turned says whether EXIF data says that the picture does not lie upright.
func Decode(r io.Reader, s Scale) (pixels []uint8, turned bool, err error) {
	data, err := readPicture(r)
	if err != nil {
		return nil, false, err
	}
	img, err := readRGB(data)
	if err != nil {
		return nil, false, err
	}
	orientation := Orientation(data)
	name, _ := format(data)
	if s.EXIF || name == "TIFF" { // which Pillow turns always
		img = upright(img, orientation)
	}
	pixels, err = s.cut(img)
	return pixels, orientation > 1 && name != "TIFF", err
}

// cut scales a picture and cuts its middle out.
func (s Scale) cut(img *image.NRGBA) ([]uint8, error) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	toW, toH := s.size(w, h)
	if toW < s.Width || toH < s.Height {
		return nil, fmt.Errorf("is scaled to %d × %d pixels, of which %d × %d cannot be cut", toW, toH, s.Width,
			s.Height)
	}
	if toW > maxPixels/toH {
		return nil, fmt.Errorf("is %d × %d pixels: too long and thin to scale", w, h)
	}
	// Rows first, and only the columns that remain.
	wide := make([]uint8, h*s.Width*3)
	for i, t := range taps(w, toW, middle(toW, s.Width), s.Width) {
		for y := range h {
			for ch := range 3 {
				wide[(y*s.Width+i)*3+ch] = t.sum(func(k int) uint8 { return img.Pix[y*img.Stride+4*k+ch] })
			}
		}
	}
	row := s.Width * 3
	out := make([]uint8, s.Height*row)
	for i, t := range taps(h, toH, middle(toH, s.Height), s.Height) {
		for x := range row {
			out[i*row+x] = t.sum(func(k int) uint8 { return wide[k*row+x] })
		}
	}
	return out, nil
}

// size is that of a scaled picture. The longer side is rounded down.
func (s Scale) size(w, h int) (toW, toH int) {
	toW, toH = s.Width, s.Height
	if s.Resize > 0 {
		toW, toH = s.Resize, s.Resize
	}
	if toH*w > toW*h {
		return toH * w / h, toH
	}
	return toW, toW * h / w
}

// middle is where the cut begins. A half is rounded to the even number, as
// Python does.
func middle(whole, cut int) int { return int(math.RoundToEven(float64(whole-cut) / 2)) }

func readPicture(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("is larger than %d bytes", maxFile)
	}
	return data, err
}

// readRGB decodes a picture as red, green, blue and alpha, the bounds checked
// first.
func readRGB(data []byte) (*image.NRGBA, error) {
	name, read := format(data)
	switch {
	case len(data) == 0:
		return nil, errors.New("is empty")
	case name != "" && !read:
		return nil, fmt.Errorf("is %s inside, which is not read here: save it as JPEG or PNG", name)
	case name == "TIFF" && isFax(data):
		return nil, errors.New("is a TIFF with fax compression, which is not read here: save it as PNG")
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("is no %s picture: %w", Formats, err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("has %d × %d pixels; at most %d are decoded", c.Width, c.Height, maxPixels)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("is a damaged picture, or only the beginning of one: %w", err)
	}
	b := img.Bounds()
	if b.Min != (image.Point{}) || b.Dx() != c.Width || b.Dy() != c.Height {
		return nil, errors.New("contradicts its own header")
	}
	// Only colours beside their alpha survive it: package draw multiplies, and
	// what was transparent would be black.
	rgba := image.NewNRGBA(b)
	switch p := img.(type) {
	case *image.NRGBA:
		return p, nil
	case *image.NYCbCrA: // of a WebP with alpha
		return webpRGB(&p.YCbCr), nil
	case *image.YCbCr:
		if name == "WebP" {
			return webpRGB(p), nil
		}
		draw.Draw(&image.RGBA{Pix: rgba.Pix, Stride: rgba.Stride, Rect: b}, b, img, b.Min, draw.Src)
	case *image.NRGBA64, *image.Paletted:
		for i := range b.Dx() * b.Dy() {
			x, y := i%b.Dx(), i/b.Dx()
			rgba.SetNRGBA(x, y, straight(p.At(x, y)))
		}
	default: // without alpha, RGBA and NRGBA are the same
		draw.Draw(&image.RGBA{Pix: rgba.Pix, Stride: rgba.Stride, Rect: b}, b, img, b.Min, draw.Src)
	}
	return rgba, nil
}

// isFax says whether a TIFF is compressed as faxes are (tag 259), of which its
// decoder mixes up black and white.
func isFax(data []byte) bool {
	c := tiffTag(data, 259)
	return c >= 2 && c <= 4
}

// straight is a colour as it is under its alpha.
func straight(c color.Color) color.NRGBA {
	if c, ok := c.(color.NRGBA64); ok {
		return color.NRGBA{uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8), uint8(c.A >> 8)}
	}
	return color.NRGBAModel.Convert(c).(color.NRGBA)
}

// tap is what one pixel of the result is made of: weights of consecutive ones of
// the source, in 2^-precision.
type tap struct {
	first   int
	weights []int32
}

const precision = 22 // as in Pillow: 255 << 22 still fits into 31 bits

func (t tap) sum(at func(k int) uint8) uint8 {
	v := int32(1 << (precision - 1))
	for i, w := range t.weights {
		v += w * int32(at(t.first+i))
	}
	return uint8(min(max(v>>precision, 0), 255))
}

// taps are those of count pixels, from one on, of a line of from pixels scaled
// to to: a triangle as wide as a pixel of the result or of the source, whichever
// is wider (bilinear with antialiasing), cut off at the picture's edge. Products
// are rounded by conversions, so that no compiler fuses them with a sum: the
// bytes are the same on every platform.
func taps(from, to, start, count int) []tap {
	scale := float64(from) / float64(to)
	reach := max(scale, 1)
	out := make([]tap, count)
	for i := range out {
		centre := float64((float64(start+i) + 0.5) * scale)
		first := max(int(centre-reach+0.5), 0)
		last := min(int(centre+reach+0.5), from)
		raw := make([]float64, last-first)
		total := 0.0
		for k := range raw {
			raw[k] = max(0, 1-math.Abs(float64((float64(first+k)-centre+0.5)*(1/reach))))
			total += raw[k]
		}
		t := tap{first: first, weights: make([]int32, len(raw))}
		for k, w := range raw {
			t.weights[k] = int32(0.5 + float64(w/total*(1<<precision)))
		}
		out[i] = t
	}
	return out
}
