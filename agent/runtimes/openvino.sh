#!/bin/sh
# Builds the runtime "openvino": ONNX Runtime with Intel's OpenVINO for processors
# (x86-64 only), as the package onnxruntime-openvino on PyPI has them:
#
#   agent/runtimes/openvino.sh          make bin/runtimes/openvino-amd64.ort
#
# The package is pinned by SHA-256 in openvino-amd64.lock, which is a requirements file
# of pip's. It is got with pip as this machine has it configured, and kept below
# ${CHEXP_CACHE:-~/.cache/chexp}/downloads/pypi; nothing of it is installed or run. The
# plugins for Intel's GPUs and NPUs stay out. The C library, its loader and the C++
# library are this machine's own, as in the agent.
set -eu
export LC_ALL=C

die() { echo "agent/runtimes/openvino.sh: $*" >&2; exit 1; }
[ $# -eq 0 ] || { echo "usage: agent/runtimes/openvino.sh" >&2; exit 2; }
cd "$(dirname "$0")/../.."
[ "$(uname -m)" = x86_64 ] || die "makes a runtime for x86-64, on a machine of that kind"
lock=agent/runtimes/openvino-amd64.lock
out=bin/runtimes/openvino-amd64.ort
cache=${CHEXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chexp}/downloads/pypi
mkdir -p "$cache" bin/runtimes

stamp=$({ go version; find agent/cmd/chexp-pack agent/internal/payload -name '*.go' | sort | xargs sha256sum "$lock" "$0" go.mod go.sum; } | sha256sum | cut -d ' ' -f 1)
if [ "$stamp $(sha256sum "$out" "$out.json" 2>/dev/null)" = "$(cat bin/runtimes/.openvino-amd64.stamp 2>/dev/null)" ]; then
  exit 0
fi
tmp=$(mktemp -d "$cache/.tmp-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

sum=$(sed -n 's/.*--hash=sha256:\([0-9a-f]\{64\}\).*/\1/p' "$lock")
version=$(sed -n 's/^onnxruntime-openvino==\([0-9.]*\).*/\1/p' "$lock")
wheel=$cache/$sum.whl
if ! echo "$sum  $wheel" | sha256sum --check --status 2>/dev/null; then
  echo "downloading onnxruntime-openvino $version ..." >&2
  python3 -m venv "$tmp/pip"
  "$tmp/pip/bin/pip" download -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --python-version 3.11 --platform manylinux_2_28_x86_64 -r "$lock" -d "$tmp/wheel" ||
    die "pip did not get onnxruntime-openvino $version with the SHA-256 of $lock"
  mv "$tmp"/wheel/*.whl "$wheel"
fi
python3 -m zipfile -e "$wheel" "$tmp/root"

lib=$tmp/root/onnxruntime/capi system=/usr/lib/x86_64-linux-gnu
loader=ld-linux-x86-64.so.2 library=libonnxruntime.so.$version
files="LICENSE.onnxruntime=$tmp/root/onnxruntime/LICENSE NOTICES.onnxruntime=$tmp/root/onnxruntime/ThirdPartyNotices.txt"
for name in "$library" libonnxruntime_providers_shared.so libonnxruntime_providers_openvino.so libopenvino_intel_cpu_plugin.so \
  $(cd "$lib" && ls -d libopenvino.so.???? libopenvino_onnx_frontend.so.???? libtbb.so.12); do
  files="$files $name=$lib/$name"
done
# The stubs of glibc that a runner built for an older one asks for.
for name in $loader libdl.so.2 libpthread.so.0 librt.so.1; do
  files="$files $name=$system/$name"
done
for package in libc6 libstdc++6 libgcc-s1; do
  files="$files copyright.$package=$(readlink -f /usr/share/doc/$package/copyright)"
done
# shellcheck disable=SC2086 # a list of name=path, without blanks
CGO_ENABLED=0 go run ./agent/cmd/chexp-pack -arch amd64 -version "openvino-$version" -cache "$tmp" -out "$out" \
  -loader "$loader" -library "$library" -runtime-version "$version" -providers openvino -search "$system" $files
echo "$stamp $(sha256sum "$out" "$out.json")" > bin/runtimes/.openvino-amd64.stamp
echo "$out: $(wc -c < "$out") bytes, ONNX Runtime $version" >&2
