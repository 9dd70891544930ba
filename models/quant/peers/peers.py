"""Quantizes one float model with both, in turns, and says who is level: CHEXP FLOAT WORK REPEAT ROUNDS.

Every run is a whole process, from the float model to the written file; its time
and its processor time (children included) are the kernel's. Ends with 1 where
chexp's is worse in something.
"""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

chexp, model, work, repeat, rounds = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
here = pathlib.Path(__file__).parent
static = [chexp, "model", "quantize", model, "--data", str(work / "calibrate"), "--samples", "0"]
OURS = {  # the first one is what chexp makes of a model and samples when nothing else is said
    "static (default)": static,
    "static-minmax": static + ["--ranges", "minmax"],
    "static-qdq": static + ["--operators", "qdq"],
    "static-qdq-tensor": static + ["--operators", "qdq", "--per-tensor"],
    "dynamic": [chexp, "model", "quantize", model, "--mode", "dynamic"],
}
THEIRS = ["static-default", "static-u8s8-channel", "static-u8s8-channel-7bit", "dynamic", "dynamic-u8"]
SLOW = ["static-percentile", "static-entropy"]  # once, on every fourth sample
START = {"start: chexp model": [chexp, "model", "--help"], "start: import onnxruntime.quantization": [sys.executable, "-c", "import onnxruntime.quantization"]}
DEFAULT = next(iter(OURS))


def file(who, label):
    return work / f"{who}-{label.split()[0]}.onnx"


def commands(labels):
    for label in labels:
        yield f"onnxruntime {label}", [sys.executable, str(here / "theirs.py"), label, model, (work / "input").read_text(), str(work / "calibrate"), str(file("ort", label))]


def run(command, limit=600):
    """Wall and processor seconds of a process and its children, and what it printed."""
    begin = time.perf_counter()
    with open(work / "stderr", "w+") as err, open(work / "stdout", "w+") as out:
        p = subprocess.Popen(command, stdout=out, stderr=err, env=os.environ | {"PYTHONWARNINGS": "ignore"})
        while True:
            pid, status, usage = os.wait4(p.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - begin > limit:
                p.kill()
            time.sleep(0.0005)
        wall = time.perf_counter() - begin
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if p.returncode:
            raise RuntimeError(f"{command}: {p.returncode}\n{err.read()[-2000:]}")
        return wall, usage.ru_utime + usage.ru_stime, out.read()


timed = {f"chexp {label}": command + ["-o", str(file("chexp", label))] for label, command in OURS.items()}
timed |= dict(commands(THEIRS)) | START
wall, cpu, inside = {}, {}, {}
order = random.Random(1)
for _ in range(repeat):
    for name in order.sample(sorted(timed), len(timed)):  # in turns: what drifts on the machine hits all alike
        w, c, printed = run(timed[name])
        wall.setdefault(name, []).append(w), cpu.setdefault(name, []).append(c)
        if name.startswith("onnxruntime"):
            inside.setdefault(name, []).append(json.loads(printed.splitlines()[-1]))
for name, command in commands(SLOW):
    try:
        w, c, printed = run(command)
        wall[name], cpu[name], inside[name] = [w], [c], [json.loads(printed.splitlines()[-1])]
    except RuntimeError as e:  # a method that fails is part of the comparison
        print(str(e).splitlines()[-1])

print(f"\nFrom the float model to the written file, medians of {repeat} whole processes in turns, in seconds; {len(list((work / 'calibrate').iterdir()))} samples.")
print("chexp keeps a third of them back to choose one of six range methods; onnxruntime has one method, and calibrates on all (percentile and entropy: a quarter, once).\n")
print(f"{'':44} {'wall':>7} {'cpu':>7}   the call alone: wall, cpu")
middle = statistics.median
for name in [*timed, *(n for n, _ in commands(SLOW) if n in wall)]:
    alone = f"{middle(x['wall'] for x in inside[name]):7.2f} {middle(x['cpu'] for x in inside[name]):7.2f}" if name in inside else ""
    print(f"{name:44} {middle(wall[name]):7.3f} {middle(cpu[name]):7.3f}   {alone}")

made = [file("chexp", x) for x in OURS] + [f for f in (file("ort", x) for x in THEIRS + SLOW) if f.exists()]
compare = [chexp, "model", "compare", model, *map(str, made), "--data", str(work / "evaluate"), "--samples", "0", "--rounds", rounds]
print(flush=True)
_, _, printed = run(compare + ["--format", "json"], 3600)
lines = {pathlib.Path(x["model"]).name: x for x in json.loads(printed)}
print(f"{'':44} {'bytes':>9} {'agreement':>9} {'SQNR dB':>8} {'load ms':>8} {'median ms':>9}   time against chexp's default")
for name, x in lines.items():
    ratio = x.get("time_ratio", {})
    interval = ratio.get("interval", {}).get("value") or {}
    against = f"{ratio['ratio']:.3f} [{interval.get('low', float('nan')):.3f}, {interval.get('high', float('nan')):.3f}]" if ratio else ""
    print(f"{name:44} {x['bytes']:9} {x['judgement']['agreement']:9.3f} {x['judgement']['sqnr_db']:8.1f} {x.get('load_ns', 0) / 1e6:8.1f} {x.get('median_ns', 0) / 1e6:9.2f}   {against}")

ours = lines[file("chexp", DEFAULT).name]
theirs = {n: x for n, x in lines.items() if n.startswith("ort-")}
verdicts = []


def verdict(what, our, their, level, note="", judged=True):
    verdicts.append(level or not judged)
    word = "yes" if level else "NO"
    print(f"{what:58} {our:>10} {their:>10}   {word if judged else f'({word.lower()})'}{note}")


def size(what, our, *their):
    least = min(theirs[f"ort-{x}.onnx"]["bytes"] for x in their)
    own = lines[file("chexp", our).name]["bytes"]
    verdict(what, f"{own}", f"{least}", own <= least)


print(f"\n{'':58} {'chexp':>10} {'best of':>10}   level or\n{'':58} {'':>10} {'theirs':>10}   better")
for what, key in (("agreement of the default with the float model", "agreement"), ("its signal to noise, dB", "sqnr_db")):
    best = max(x["judgement"][key] for x in theirs.values())
    verdict(what, f"{ours['judgement'][key]:.3f}", f"{best:.3f}", ours["judgement"][key] >= best)
size("bytes of the default, against the smallest of theirs", DEFAULT, *THEIRS)
size("bytes, quantized operators per channel", DEFAULT, "static-u8s8-channel")
size("bytes, QDQ per channel", "static-qdq", "static-u8s8-channel-7bit")
size("bytes, QDQ per tensor", "static-qdq-tensor", "static-default")
size("bytes, dynamic (ours per channel, theirs per tensor)", "dynamic", "dynamic", "dynamic-u8")
fastest = min(theirs.values(), key=lambda x: x["time_ratio"]["ratio"])
high = (fastest["time_ratio"]["interval"].get("value") or {}).get("high", fastest["time_ratio"]["ratio"])
verdict("latency, ms", f"{ours['median_ns'] / 1e6:.2f}", f"{fastest['median_ns'] / 1e6:.2f}", high >= 0.99, f" (theirs / ours: {fastest['time_ratio']['ratio']:.3f}, up to {high:.3f}; level is 0.99)")


def faster(what, our, their, values, alone=None):
    """Level where the median of the ratios within one turn says so."""
    least = alone or values
    best = min(their, key=lambda x: middle(least[x]))
    pairs = [a / b for a, b in zip(values[our], least[best])]
    verdict(what, f"{middle(values[our]):.3f}", f"{middle(least[best]):.3f}", middle(pairs) <= 1, f" (ours / theirs, turn by turn: {min(pairs):.2f} to {max(pairs):.2f})", not alone)


for kind, own in (("static", f"chexp {DEFAULT}"), ("dynamic", "chexp dynamic")):
    their = [f"onnxruntime {x}" for x in THEIRS if x.startswith(kind)]
    for clock, key, values in (("time", "wall", wall), ("processor time", "cpu", cpu)):
        faster(f"{kind}: {clock} to quantize, s", own, their, values)
        faster("  set against their call alone, without start: shown only", own, their, values, {n: [x[key] for x in inside[n]] for n in their})
starts = list(START)
faster("start, s (theirs: import of the tools)", starts[0], starts[1:], wall)
print(f"\nchexp is {'level or better in each' if all(verdicts) else 'NOT level in each'}.")
sys.exit(not all(verdicts))
