"""Makes formats/: small pictures in each format that is read, and Pillow's pixels of each (first 8 hexadecimal
digits of the SHA-256 of RGB bytes) in formats.golden, as stored and after ImageOps.exif_transpose.

`pip install pillow==13.0.0 numpy && python formats.py`.
"""
import hashlib
import pathlib

import numpy as np
from PIL import Image, ImageOps

here = pathlib.Path(__file__).parent / "formats"
here.mkdir(exist_ok=True)
w, h = 25, 18
y, x = np.mgrid[0:h, 0:w]
rgb = np.stack([x * 255 // (w - 1), y * 255 // (h - 1), (x + y) * 255 // (w + h - 2)], -1).astype("uint8")
rgb[3:9, 4:12] = [255, 0, 0]
rgb[9:14, 4:12] = [0, 0, 255]
im = Image.fromarray(rgb)
alpha = Image.fromarray(np.dstack([rgb, (x * 255 // (w - 1)).astype("uint8")]))
for name, picture, options in [
    ("lossy.webp", im, dict(quality=80)), ("lossless.webp", im, dict(lossless=True)),
    ("alpha.webp", alpha, dict(quality=80, exact=True)), ("a.bmp", im, {}), ("palette.bmp", im.convert("P"), {}),
    ("a.tif", im, {}), ("lzw.tiff", im, dict(compression="tiff_lzw")),
    ("deflate.tif", im, dict(compression="tiff_adobe_deflate")), ("grey.tif", im.convert("L"), {}),
    ("fax.tif", im.convert("1"), dict(compression="group4")),
]:
    picture.save(here / name, **options)
exif = Image.Exif()
for turn in range(1, 9):
    exif[274] = turn
    im.save(here / f"turned{turn}.png", exif=exif)
exif[274] = 6
im.save(here / "turned6.webp", lossless=True, exif=exif)
im.save(here / "turned6.tif", exif=exif)
im.save(here / "turned6.jpg", exif=exif, quality=95, subsampling=0)


def sum_of(picture):
    return hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()[:8]


with open(here.parent / "formats.golden", "w") as out:
    for f in sorted(here.iterdir()):
        im = Image.open(f)
        print(f.name, im.size[0], im.size[1], sum_of(im), sum_of(ImageOps.exif_transpose(im)), file=out)
