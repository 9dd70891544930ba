package samples

import (
	"bytes"
	"fmt"

	"chexp/models/onnx"
	"chexp/models/pictures"
)

// picture decodes a picture as package pictures does, so that a model is
// calibrated with the very pixels that its accuracy is measured on, and
// normalises it. A model of one channel gets it in grey.
func picture(b []byte, dims []int64, p Preprocess) (t *onnx.Tensor, turned bool, err error) {
	if len(dims) != 4 {
		return nil, false, fmt.Errorf("the model's input has %d dimensions; a picture needs four", len(dims))
	}
	channels, height, width := int(dims[1]), int(dims[2]), int(dims[3])
	if p.Layout == "NHWC" {
		height, width, channels = int(dims[1]), int(dims[2]), int(dims[3])
	}
	if channels != 3 && channels != 1 {
		return nil, false, fmt.Errorf("the model's input has %d channels (%s); a picture gives 3, or 1 in grey", channels,
			p.Layout)
	}
	rgb, turned, err := pictures.Decode(bytes.NewReader(b),
		pictures.Scale{Resize: p.Resize, Width: width, Height: height, EXIF: p.EXIF})
	if err != nil {
		return nil, false, err
	}
	values := make([]float32, channels*height*width)
	for i := range height * width {
		pixel := rgb[3*i : 3*i+3]
		if channels == 1 {
			pixel = []uint8{grey(pixel)}
		}
		for c, v := range pixel {
			at := c*height*width + i
			if p.Layout == "NHWC" {
				at = i*channels + c
			}
			std := p.Std[c]
			if std == 0 {
				std = 1
			}
			values[at] = (float32(v)/255 - p.Mean[c]) / std
		}
	}
	return onnx.FloatTensor("", dims, values), turned, nil
}

// grey is a colour's brightness by ITU-R BT.601, as Pillow computes its mode L.
func grey(p []uint8) uint8 {
	return uint8((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
}
