package pictures

import "image"

// webpRGB makes the colours of a lossy WebP from its luma and chroma as libwebp
// does (src/dsp/yuv.h, upsampling.c), and so Pillow and browsers. The formula of
// package image/color is another: JPEG's, whose luma reaches from 0 to 255,
// where a WebP's reaches from 16 to 235.
func webpRGB(p *image.YCbCr) *image.NRGBA {
	w, h := p.Rect.Dx(), p.Rect.Dy()
	out := image.NewNRGBA(p.Rect)
	for y := range h {
		// Of the two rows of chroma around this row, the nearer one counts three
		// times.
		near := y / 2
		far := near - 1 + 2*(y&1)
		far = min(max(far, 0), (h-1)/2)
		for x := range w {
			nearX := x / 2
			farX := nearX - 1 + 2*(x&1)
			farX = min(max(farX, 0), (w-1)/2)
			i, j := near*p.CStride, far*p.CStride
			u := between(p.Cb[i+nearX], p.Cb[i+farX], p.Cb[j+nearX], p.Cb[j+farX], nearX == farX)
			v := between(p.Cr[i+nearX], p.Cr[i+farX], p.Cr[j+nearX], p.Cr[j+farX], nearX == farX)
			luma := high(int32(p.Y[y*p.YStride+x]), 19077)
			to := out.Pix[y*out.Stride+4*x:]
			to[0] = clip(luma + high(v, 26149) - 14234)
			to[1] = clip(luma - high(u, 6419) - high(v, 13320) + 8708)
			to[2] = clip(luma + high(u, 33050) - 17685)
			to[3] = 255
		}
	}
	return out
}

// between is the chroma of a pixel from the four around it, by their distance
// (9, 3, 3 and 1 parts of 16), with libwebp's roundings.
func between(near, side, over, across uint8, edge bool) int32 {
	a, b, c, d := int32(near), int32(side), int32(over), int32(across)
	if edge {
		return (3*a + c + 2) >> 2
	}
	diagonal := (a + b + c + d + 8 + 2*(b+c)) >> 3
	return (diagonal + a) >> 1
}

func high(v, factor int32) int32 { return v * factor >> 8 }

func clip(v int32) uint8 { return uint8(min(max(v>>6, 0), 255)) }
