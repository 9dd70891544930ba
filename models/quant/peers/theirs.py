"""Quantizes a float model with onnxruntime's own tools: LABEL FLOAT INPUT SAMPLES OUT.

A whole process, from the float model to the written file, as chexp is one. What
the call itself takes, without imports and preparation, goes to standard output.
"""
import json
import os
import pathlib
import sys
import tempfile
import time

import numpy as np
from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType,
                                      quantize_dynamic, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process

label, model, name, samples, out = sys.argv[1], sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4]), sys.argv[5]
LIKE_OURS = dict(activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
HOW = {
    "static-default": dict(),
    "static-u8s8-channel": dict(quant_format=QuantFormat.QOperator, per_channel=True, **LIKE_OURS),
    "static-u8s8-channel-7bit": dict(quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True, **LIKE_OURS),
    "static-percentile": dict(quant_format=QuantFormat.QOperator, per_channel=True, calibrate_method=CalibrationMethod.Percentile, **LIKE_OURS),
    "static-entropy": dict(quant_format=QuantFormat.QOperator, per_channel=True, calibrate_method=CalibrationMethod.Entropy, **LIKE_OURS),
    "dynamic": dict(),
    "dynamic-u8": dict(weight_type=QuantType.QUInt8),
}[label]


class Reader(CalibrationDataReader):
    def __init__(self):
        files = sorted(samples.glob("*.npy"))
        # These keep every value of every picture in memory until the end.
        self.files = iter(files[::4] if label in ("static-percentile", "static-entropy") else files)

    def get_next(self):
        path = next(self.files, None)
        return None if path is None else {name: np.load(path)}


with tempfile.TemporaryDirectory() as work:
    prepared = os.path.join(work, "prepared.onnx")
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    begin, cpu = time.perf_counter(), time.process_time()
    if label.startswith("dynamic"):
        quantize_dynamic(prepared, out, **HOW)
    else:
        quantize_static(prepared, out, Reader(), **HOW)
    print(json.dumps({"wall": time.perf_counter() - begin, "cpu": time.process_time() - cpu}))
