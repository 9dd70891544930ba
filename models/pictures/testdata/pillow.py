"""Prints pillow.golden: what Pillow makes of drawn pictures, as torchvision's Resize and CenterCrop call it.

Each line: the picture's width and height, the shorter side's length after scaling (0: it just covers the cut),
the cut's width and height, and the SHA-256 of the pixels. `pip install pillow==11.3.0 && python pillow.py`.
"""
import hashlib

from PIL import Image

CASES = [(256, 256, 256, 224, 224), (500, 333, 256, 224, 224), (333, 500, 256, 225, 225), (640, 427, 232, 227, 227),
         (31, 47, 64, 64, 64), (1000, 9, 16, 15, 15), (7, 5, 40, 1, 1), (300, 200, 0, 64, 64), (200, 300, 0, 96, 48)]


def pixel(x, y, channel):
    return (x * x * 7 + y * y * 3 + x * y * 13 + channel * (x + 50)) & 255


for w, h, resize, cut_w, cut_h in CASES:
    data = bytes(pixel(x, y, c) for y in range(h) for x in range(w) for c in range(4))
    img = Image.frombytes("RGBA", (w, h), data).convert("RGB")
    to_w, to_h = (resize, resize) if resize else (cut_w, cut_h)
    if w * to_h > h * to_w:
        to_w = int(to_h * w / h)
    else:
        to_h = int(to_w * h / w)
    img = img.resize((to_w, to_h), Image.BILINEAR)
    left, top = int(round((to_w - cut_w) / 2.0)), int(round((to_h - cut_h) / 2.0))
    img = img.crop((left, top, left + cut_w, top + cut_h))
    print(w, h, resize, cut_w, cut_h, hashlib.sha256(img.tobytes()).hexdigest())
