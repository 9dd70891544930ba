"""Asks twice the same, many times: how long does a model take, and how much longer than another
one? Once as the tutorial does (its Python loop, one model after the other, in a fixed order), once
with chexp; in turns, in random order, on one version of ONNX Runtime. Repeated runs of the same
measurement should say the same: how far they lie apart is what a single one hides.

usage: peers.py CHEXP MODEL OTHER-MODEL RUNS"""
import glob
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = 1
EXPERIMENT = """\
apiVersion: chexp/v1
name: peers
site: local
models: [{{name: a, path: {a}}}, {{name: b, path: {b}}}]
threads: [{threads}]
trials: {{{trials}}}
"""
VERSIONS = set()


def tutorial(_chexp, models, _work):
    """Both medians, and their ratio."""
    here = os.path.dirname(os.path.abspath(__file__))
    # In a session of its own, as chexp's agent is: Linux shares out the processor by session.
    a, b = (float(subprocess.run([sys.executable, os.path.join(here, "tutorial.py"), model, str(THREADS)],
                                 check=True, capture_output=True, text=True, start_new_session=True).stdout) for model in models)
    return a, b, b / a


def chexp(trials):
    def run(program, models, work):
        directory = tempfile.mkdtemp(dir=work)
        file = os.path.join(directory, "peers.yaml")
        with open(file, "w") as f:
            f.write(EXPERIMENT.format(a=models[0], b=models[1], threads=THREADS, trials=trials))
        subprocess.run([program, "--runs", os.path.join(directory, "runs"), "run", file], check=True, capture_output=True)
        latencies, blocks = {"a": [], "b": []}, {"a": {}, "b": {}}
        for path in glob.glob(os.path.join(directory, "runs", "*", "results", "*.json")):
            with open(path) as f:
                result = json.load(f)
            name, values = result["model"]["name"], result["latencies_ns"]
            VERSIONS.add(result["runtime"]["version"])
            latencies[name] += values
            for block in result["blocks"]:
                key = result["repetition"], block["round"]
                blocks[name][key] = statistics.median(values[block["first"]:block["first"] + block["n"]])
        # Blocks of one round were measured next to each other.
        ratio = statistics.median(blocks["b"][k] / blocks["a"][k] for k in blocks["a"].keys() & blocks["b"].keys())
        return statistics.median(latencies["a"]) / 1e6, statistics.median(latencies["b"]) / 1e6, ratio
    return run


METHODS = {
    "tutorial": ("100 calls each", tutorial),
    "chexp, as few": ("100 inferences each, ten blocks", chexp("warmup: 1, min_runs: 100, min_time: 100ms, block: 10ms")),
    "chexp": ("its defaults: 100 inferences and 5 s each, ten blocks", chexp("repetitions: 1")),
}


def spread(values):
    middle = statistics.median(values)
    mad = statistics.median(abs(v - middle) for v in values)
    return middle, min(values), max(values), (max(values) - min(values)) / middle, mad / middle


def main():
    program, models, runs = os.path.abspath(sys.argv[1]), [os.path.abspath(m) for m in sys.argv[2:4]], int(sys.argv[4])
    import onnxruntime
    answers, took = {m: [] for m in METHODS}, dict.fromkeys(METHODS, 0.0)
    with tempfile.TemporaryDirectory(prefix="chexp-peers-") as work:
        for i in range(runs):
            order = list(METHODS)
            random.shuffle(order)
            for method in order:
                begin = time.monotonic()
                answers[method].append(METHODS[method][1](program, models, work))
                took[method] += time.monotonic() - begin
            print(f"# {i + 1} of {runs}: " + "; ".join("%s %.2f ms, %.2f ms, %.3f" % (m, *answers[m][-1]) for m in METHODS), flush=True)
    print(f"\n{THREADS} thread; ONNX Runtime {onnxruntime.__version__} (PyPI) and {', '.join(sorted(VERSIONS))} (chexp); {runs} runs of each,"
          f" in turns, in random order; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for index, title in enumerate(["p50 in ms of " + os.path.basename(models[0]), "p50 in ms of " + os.path.basename(models[1]),
                                   "how many times longer the second takes"]):
        print(f"\n{title}\n{'':16}{'median':>9}{'lowest':>9}{'highest':>9}{'range':>9}{'MAD':>8}")
        for m, values in answers.items():
            print("%-16s%9.3f%9.3f%9.3f%9.1f%%%7.1f%%" % (m, *spread([v[index] for v in values])[:3], *(100 * s for s in spread([v[index] for v in values])[3:])))
    print("\nrange: highest less lowest; MAD: median distance from the median; both over the median.")
    for m, (what, _) in METHODS.items():
        print(f"{m}: {what}; {took[m] / runs:.1f} s a run")


main()
