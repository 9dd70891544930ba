#!/bin/bash
# The tutorial's own Python loop and chexp, in turns, on two models and one version of ONNX Runtime:
# how far do repeated runs lie apart? Needs Debian's python3-venv and, once, PyPI; what it fetches
# stays in ${CHEXP_CACHE:-~/.cache/chexp}. About five minutes on a quiet machine.
#
# usage: run.sh [RUNS [MODEL OTHER]]      12 runs of the tutorial's static INT8 model and of FP32,
#                                         which lie beside the repository
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
runs=${1:-12}
food11=$root/../shared/models/food11
models=("${2:-$food11/food11_quantized_aggressive.onnx}" "${3:-$food11/food11_fp32_rebuilt.onnx}")

[ -x "$root/bin/chexp" ] || { echo "there is no bin/chexp: make build agents" >&2; exit 2; }
for model in "${models[@]}"; do
	[ -r "$model" ] || { echo "no model $model; usage: run.sh RUNS MODEL OTHER, models with one input of 1x3x224x224 floats" >&2; exit 2; }
done
cache=${CHEXP_CACHE:-$HOME/.cache/chexp}
venv=$cache/peers-$(sha256sum "$here/requirements.txt" | cut -c1-12)
if [ ! -e "$venv/.complete" ]; then
	echo "# installing onnxruntime into $venv (once)"
	rm -rf "$venv"
	mkdir -p "$cache"
	/usr/bin/python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt"
	touch "$venv/.complete"
fi
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$here/peers.py" "$root/bin/chexp" "${models[@]}" "$runs"
