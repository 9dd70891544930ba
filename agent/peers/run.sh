#!/bin/bash
# The tutorial's own Python loop and chexp, in turns, on two models and one version of ONNX Runtime:
# how far do repeated runs lie apart? Needs Debian's python3-venv and, once, PyPI; what it fetches
# stays in ${CHEXP_CACHE:-~/.cache/chexp}. About five minutes on a quiet machine.
#
# usage: run.sh [RUNS [MODEL OTHER]]      12 runs of the built-in MobileNetV2 as static INT8 and as FP32;
#                                         the tutorial's models have the same shape
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
runs=${1:-12}

[ -x "$root/bin/chexp" ] || { echo "there is no bin/chexp: make build agents" >&2; exit 2; }
builtin() { "$root/bin/chexp" model fetch -f json "$1" | sed -n 's/^ *"file": "\(.*\)",$/\1/p'; }
models=("${2:-$(builtin plates11-int8-static)}" "${3:-$(builtin plates11-fp32)}")
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
