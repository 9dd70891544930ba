"""Makes the samples that both sides use: FLOAT PICTURES WORK COUNT.

Every second of the distinct pictures may calibrate, at most COUNT of them; the
others judge.
"""
import pathlib
import sys

import numpy as np
import onnx
from PIL import Image

model, pictures, work, count = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4])
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
given = onnx.load(model).graph.input[0]
side = given.type.tensor_type.shape.dim[2].dim_value


def array(path):
    with Image.open(path) as img:
        img = img.convert("RGB")
        cut = min(img.size)
        left, top = (img.width - cut) // 2, (img.height - cut) // 2
        img = img.crop((left, top, left + cut, top + cut)).resize((side, side), Image.BILINEAR)
        x = (np.asarray(img, np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def put(folder, some):
    (work / folder).mkdir(exist_ok=True)
    for old in (work / folder).iterdir():
        old.unlink()
    for i, path in enumerate(some):
        np.save(work / folder / f"{i:04d}.npy", array(path))


files = sorted(p for p in pictures.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
distinct = list({p.read_bytes(): p for p in files}.values())
half = distinct[0::2]
put("calibrate", half[::max(1, len(half) // count)][:count])
put("evaluate", distinct[1::2][:1000])
(work / "input").write_text(given.name)
