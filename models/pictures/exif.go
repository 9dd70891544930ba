package pictures

import (
	"bytes"
	"encoding/binary"
	"image"
)

// Orientation is what a picture's EXIF data says about how it lies: 1 upright,
// 2 to 8 turned or mirrored (EXIF 2.32, tag 274), 0 nothing. What is no valid
// EXIF data says nothing.
func Orientation(data []byte) int {
	switch name, _ := format(data); name {
	case "JPEG":
		return tiffOrientation(jpegEXIF(data))
	case "PNG":
		return tiffOrientation(chunk(data[8:], "eXIf", binary.BigEndian, 4))
	case "WebP":
		exif := chunk(data[12:], "EXIF", binary.LittleEndian, 0)
		return tiffOrientation(bytes.TrimPrefix(exif, []byte("Exif\x00\x00")))
	case "TIFF":
		return tiffOrientation(data)
	}
	return 0
}

// jpegEXIF finds the APP1 segment with EXIF data, before the picture itself.
func jpegEXIF(data []byte) []byte {
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		marker, size := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		if marker == 0xda || size < 2 || at+2+size > len(data) {
			return nil
		}
		if exif, ok := bytes.CutPrefix(data[at+4:at+2+size], []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return exif
		}
		at += 2 + size
	}
	return nil
}

// chunk finds a chunk of a PNG or RIFF file. tail is what follows each: a PNG's
// checksum. In PNG the size comes first, in RIFF the name, and chunks are even.
func chunk(data []byte, name string, order binary.ByteOrder, tail int) []byte {
	for len(data) >= 8 {
		size, is := order.Uint32(data), string(data[4:8])
		if tail == 0 {
			size, is = order.Uint32(data[4:]), string(data[:4])
		}
		if uint64(size) > uint64(len(data)-8) {
			return nil
		}
		if is == name {
			return data[8 : 8+int(size)]
		}
		next := 8 + int(size) + tail
		if tail == 0 {
			next += int(size) & 1
		}
		data = data[min(next, len(data)):]
	}
	return nil
}

// tiffOrientation reads tag 274 of the first directory of TIFF data.
func tiffOrientation(data []byte) int {
	v := tiffTag(data, 274)
	if v < 1 || v > 8 {
		return 0
	}
	return v
}

// tiffTag reads a tag of the first directory that is one 16-bit number, -1 if
// it is not there.
func tiffTag(data []byte, tag uint16) int {
	if len(data) < 8 {
		return -1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return -1
	}
	entries := data[at+2:]
	for range order.Uint16(data[at:]) {
		if len(entries) < 12 {
			return -1
		}
		const short = 3
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short && order.Uint32(entries[4:]) == 1 {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[12:]
	}
	return -1
}

// upright turns a picture as its orientation says, as Pillow's
// ImageOps.exif_transpose does.
func upright(p *image.NRGBA, orientation int) *image.NRGBA {
	if orientation < 2 || orientation > 8 {
		return p
	}
	w, h := p.Rect.Dx(), p.Rect.Dy()
	toW, toH := w, h
	if orientation >= 5 {
		toW, toH = h, w
	}
	out := image.NewNRGBA(image.Rect(0, 0, toW, toH))
	for y := range toH {
		for x := range toW {
			fromX, fromY := x, y
			switch orientation {
			case 2:
				fromX = w - 1 - x
			case 3:
				fromX, fromY = w-1-x, h-1-y
			case 4:
				fromY = h - 1 - y
			case 5:
				fromX, fromY = y, x
			case 6:
				fromX, fromY = y, h-1-x
			case 7:
				fromX, fromY = w-1-y, h-1-x
			case 8:
				fromX, fromY = w-1-y, x
			}
			copy(out.Pix[y*out.Stride+4*x:][:4], p.Pix[fromY*p.Stride+4*fromX:][:4])
		}
	}
	return out
}
