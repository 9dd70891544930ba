"""Makes the samples that both sides use, and quantizes with onnxruntime's own tools."""
import pathlib
import sys
import time

import numpy as np
import onnxruntime
from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType,
                                      quantize_dynamic, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

model, pictures, work, count = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4])
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])

session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
name, side = session.get_inputs()[0].name, session.get_inputs()[0].shape[2]
del session


def array(path):
    with Image.open(path) as img:
        img = img.convert("RGB")
        cut = min(img.size)
        left, top = (img.width - cut) // 2, (img.height - cut) // 2
        img = img.crop((left, top, left + cut, top + cut)).resize((side, side), Image.BILINEAR)
        x = (np.asarray(img, np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


files = sorted(p for p in pictures.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
distinct = list({p.read_bytes(): p for p in files}.values())
for folder, some in (("calibrate", distinct[0::2]), ("evaluate", distinct[1::2])):
    (work / folder).mkdir(exist_ok=True)
    step = max(1, len(some) // count)
    for i, path in enumerate(some[::step][:count]):
        np.save(work / folder / f"{i:04d}.npy", array(path))


class Reader(CalibrationDataReader):
    def __init__(self):
        self.files = iter(sorted((work / "calibrate").glob("*.npy")))

    def get_next(self):
        path = next(self.files, None)
        return None if path is None else {name: np.load(path)}


prepared = str(work / "prepared.onnx")
quant_pre_process(model, prepared, skip_symbolic_shape=True)
times = open(work / "times", "w")


def timed(label, make):
    begin, cpu = time.perf_counter(), time.process_time()
    try:
        make(str(work / f"ort-{label}.onnx"))
    except Exception as e:  # a method that fails is part of the comparison
        print(f"ort-{label}: {type(e).__name__}: {e}")
        return
    print(f"{'ort-' + label:32} {time.perf_counter() - begin:8.2f} s, {time.process_time() - cpu:8.2f} s of processor time", file=times, flush=True)



def run_static(**options):
    def make(out):
        quantize_static(prepared, out, Reader(), **options)
    return make


print("onnxruntime", onnxruntime.__version__)
timed("static-default", run_static())
timed("static-u8s8-channel", run_static(quant_format=QuantFormat.QOperator, activation_type=QuantType.QUInt8,
                                        weight_type=QuantType.QInt8, per_channel=True))
timed("static-u8s8-channel-7bit", run_static(quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
                                             weight_type=QuantType.QInt8, per_channel=True, reduce_range=True))
timed("dynamic", lambda out: quantize_dynamic(prepared, out))
timed("dynamic-u8", lambda out: quantize_dynamic(prepared, out, weight_type=QuantType.QUInt8))
