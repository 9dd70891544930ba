package pictures

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/gif" // the formats that decode knows
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
)

// Bounds of one picture: a file, and its pixels once decoded.
const (
	maxFile   = 64 << 20
	maxPixels = 100 << 20
)

// decode reads a picture, scales its shorter side to resize pixels, and cuts a
// square of crop pixels from the middle: torchvision's Resize and CenterCrop, by
// which most image models were evaluated. As there, a picture's alpha is dropped
// and the orientation in its EXIF data is not looked at.
func decode(r io.Reader, resize, crop int) ([]uint8, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("is no JPEG, PNG or GIF picture: %w", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("has %d × %d pixels; at most %d are decoded", c.Width, c.Height, maxPixels)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	b := img.Bounds()
	if b.Dx() != c.Width || b.Dy() != c.Height {
		return nil, errors.New("contradicts its own header")
	}
	rgb := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(rgb, rgb.Bounds(), img, b.Min, draw.Src)

	w, h := b.Dx(), b.Dy()
	toW, toH := resize, resize
	if w > h {
		toW = max(resize*w/h, resize)
	} else {
		toH = max(resize*h/w, resize)
	}
	if toW > maxPixels/toH {
		return nil, fmt.Errorf("is %d × %d pixels: too long and thin to scale", w, h)
	}
	left, top := (toW-crop+1)/2, (toH-crop+1)/2
	// Rows first, and only the columns that remain.
	wide := make([]uint8, h*crop*3)
	for i, t := range taps(w, toW, left, crop) {
		for y := range h {
			for ch := range 3 {
				wide[(y*crop+i)*3+ch] = t.sum(func(k int) uint8 { return rgb.Pix[y*rgb.Stride+4*k+ch] })
			}
		}
	}
	out := make([]uint8, crop*crop*3)
	for i, t := range taps(h, toH, top, crop) {
		for x := range crop * 3 {
			out[i*crop*3+x] = t.sum(func(k int) uint8 { return wide[k*crop*3+x] })
		}
	}
	return out, nil
}

// tap is what one pixel of the result is made of: weights of consecutive ones of
// the source, in 2^-16, which add up to 1.
type tap struct {
	first   int
	weights []int32
}

func (t tap) sum(at func(k int) uint8) uint8 {
	v := int32(1 << 15)
	for i, w := range t.weights {
		v += w * int32(at(t.first+i))
	}
	return uint8(min(max(v>>16, 0), 255))
}

// taps are those of count pixels, from one on, of a line of from pixels scaled
// to to: a triangle as wide as a pixel of the result or of the source, whichever
// is wider (bilinear with antialiasing).
func taps(from, to, start, count int) []tap {
	scale := float64(from) / float64(to)
	reach := max(scale, 1)
	out := make([]tap, count)
	for i := range out {
		centre := (float64(start+i) + 0.5) * scale
		first := max(int(math.Floor(centre-reach)), 0)
		last := min(int(math.Ceil(centre+reach)), from)
		var raw []float64
		total := 0.0
		for k := first; k < last; k++ {
			w := max(0, 1-math.Abs(float64(k)+0.5-centre)/reach)
			raw = append(raw, w)
			total += w
		}
		t := tap{first: first, weights: make([]int32, len(raw))}
		left, largest := int32(1<<16), 0
		for k, w := range raw {
			t.weights[k] = int32(math.Round(w / total * (1 << 16)))
			left -= t.weights[k]
			if w > raw[largest] {
				largest = k
			}
		}
		t.weights[largest] += left // rounding must not change the brightness
		out[i] = t
	}
	return out
}
