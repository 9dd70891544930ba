#!/bin/sh
# Pins a release of ONNX Runtime, for `runtimes: [{name: …, version: …}]`:
#
#   agent/runtimes/npm.sh 1.30.0
#
# downloads the npm package onnxruntime-node of that version once, and writes the
# SHA-256 and size of it and of its two Linux libraries into
# orchestrator/internal/runtimes/onnxruntime.lock. Look at the difference, run
# `go test ./orchestrator/internal/runtimes`, commit. npm itself holds the package
# against the registry's own sum.
set -eu
export LC_ALL=C
die() { echo "agent/runtimes/npm.sh: $*" >&2; exit 1; }
version=${1:-}
case "$version" in
  *[!0-9.]* | '') echo "usage: agent/runtimes/npm.sh VERSION" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/../.."
lock=orchestrator/internal/runtimes/onnxruntime.lock
cache=${CHEXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chexp}/downloads
mkdir -p "$cache"
tmp=$(mktemp -d "$cache/.tmp-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
tgz=$cache/onnxruntime-node-$version.tgz
if [ ! -f "$tgz" ]; then
  command -v npm >/dev/null || die "npm is needed; run: apt-get install -y npm"
  (cd "$tmp" && npm pack --silent --ignore-scripts "onnxruntime-node@$version" >/dev/null) || die "npm has no onnxruntime-node@$version"
  mv "$tmp/onnxruntime-node-$version.tgz" "$tgz"
fi
describe() { echo "$version $1 $(sha256sum "$2" | cut -d ' ' -f 1) $(wc -c < "$2")"; }
{
  grep '^#' "$lock"
  {
  grep -v -e "^$version " -e '^#' "$lock" || true
  describe package "$tgz"
  for arch in amd64:x64 arm64:arm64; do
    member=$(tar -tzf "$tgz" | grep "/linux/${arch#*:}/libonnxruntime\.so" | head -n 1)
    [ -n "$member" ] || die "onnxruntime-node@$version has no Linux library for ${arch%:*}"
    tar -xzf "$tgz" -C "$tmp" "$member"
    describe "${arch%:*}" "$tmp/$member"
  done
  } | sort -V
} > "$tmp/lock"
mv "$tmp/lock" "$lock"
