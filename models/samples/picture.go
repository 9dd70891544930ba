package samples

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif"  // decoders of the formats that a folder may hold
	_ "image/jpeg" // …
	_ "image/png"  // …
	"math"

	"chexp/models/onnx"
)

// maxPixels bounds a picture before it is decoded: a few bytes can announce
// gigabytes.
const maxPixels = 1 << 27

// picture decodes a picture, scales it so that it covers the input, cuts out
// the middle, and normalises it.
func picture(b []byte, dims []int64, p Preprocess) (*onnx.Tensor, error) {
	if len(dims) != 4 {
		return nil, fmt.Errorf("the model's input has %d dimensions; a picture needs four", len(dims))
	}
	channels, height, width := int(dims[1]), int(dims[2]), int(dims[3])
	if p.Layout == "NHWC" {
		height, width, channels = int(dims[1]), int(dims[2]), int(dims[3])
	}
	if channels != 3 && channels != 1 {
		return nil, fmt.Errorf("the model's input has %d channels (%s); a picture gives 3, or 1 in grey", channels, p.Layout)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return nil, fmt.Errorf("a picture of %d×%d pixels", config.Width, config.Height)
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	planes := resample(img, width, height, p.Resize)
	if channels == 1 {
		for i := range planes[0] {
			planes[0][i] = 0.299*planes[0][i] + 0.587*planes[1][i] + 0.114*planes[2][i]
		}
	}
	values := make([]float32, channels*height*width)
	for c := range channels {
		std := p.Std[c]
		if std == 0 {
			std = 1
		}
		for i, v := range planes[c] {
			at := c*height*width + i
			if p.Layout == "NHWC" {
				at = i*channels + c
			}
			values[at] = (v - p.Mean[c]) / std
		}
	}
	return onnx.FloatTensor("", dims, values), nil
}

// resample scales the picture so that it covers width × height (or so that its
// shorter side is resize pixels) and returns the middle as three planes from 0
// to 1. Each pixel is the mean of what it covers, as when a camera's picture is
// made smaller; enlarging interpolates.
func resample(img image.Image, width, height, resize int) (planes [3][]float32) {
	bounds := img.Bounds()
	sw, sh := float64(bounds.Dx()), float64(bounds.Dy())
	step := math.Min(sw/float64(width), sh/float64(height)) // source pixels per pixel
	if resize > 0 {
		step = math.Min(sw, sh) / float64(resize)
	}
	left := (sw - step*float64(width)) / 2
	top := (sh - step*float64(height)) / 2
	columns := weigh(left, step, width, bounds.Dx())
	rows := weigh(top, step, height, bounds.Dy())
	for c := range planes {
		planes[c] = make([]float32, width*height)
	}
	// Rows first, one source row at a time: a large picture is read once.
	lines := make([][3][]float32, bounds.Dy())
	line := func(y int) *[3][]float32 {
		if lines[y][0] == nil {
			for c := range 3 {
				lines[y][c] = make([]float32, width)
			}
			for x, taps := range columns {
				for _, t := range taps {
					r, g, b, _ := img.At(bounds.Min.X+t.at, bounds.Min.Y+y).RGBA()
					lines[y][0][x] += t.weight * float32(r) / 65535
					lines[y][1][x] += t.weight * float32(g) / 65535
					lines[y][2][x] += t.weight * float32(b) / 65535
				}
			}
		}
		return &lines[y]
	}
	for y, taps := range rows {
		for _, t := range taps {
			l := line(t.at)
			for c := range 3 {
				for x := range width {
					planes[c][y*width+x] += t.weight * l[c][x]
				}
			}
		}
	}
	return planes
}

type tap struct {
	at     int
	weight float32
}

// weigh says which source pixels each of n pixels is made of: a triangle as
// wide as the step (at least one pixel on either side).
func weigh(from, step float64, n, size int) [][]tap {
	all := make([][]tap, n)
	reach := math.Max(step, 1)
	for i := range all {
		center := from + (float64(i)+0.5)*step - 0.5
		sum := float32(0)
		for at := int(math.Floor(center - reach)); at <= int(math.Ceil(center+reach)); at++ {
			w := float32(1 - math.Abs(float64(at)-center)/reach)
			if w <= 0 {
				continue
			}
			all[i] = append(all[i], tap{min(max(at, 0), size-1), w}) // the edge goes on outside
			sum += w
		}
		for k := range all[i] {
			all[i][k].weight /= sum
		}
	}
	return all
}
