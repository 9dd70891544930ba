"""How the serve-edge-chi tutorial measures, in our own words: one random input, one call to warm
up, 100 calls of session.run timed with time.time(), one after the other, in one process. The number
of threads is fixed, so that both sides do the same work. Prints the median in milliseconds."""
import sys
import time

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
sample = np.random.rand(1, 3, 224, 224).astype(np.float32)
session.run(None, {name: sample})
latencies = []
for _ in range(100):
    start = time.time()
    session.run(None, {name: sample})
    latencies.append(time.time() - start)
print(np.percentile(latencies, 50) * 1000)
