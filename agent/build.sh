#!/bin/sh
# Builds the agent for one architecture:
#
#   agent/build.sh arm64|amd64
#
# makes bin/chexp-agent-linux-ARCH, one static file, and beside it its manifest
# bin/chexp-agent-linux-ARCH.json. When nothing changed it does nothing. Two builds
# of the same sources with the same compiler give the same bytes.
#
# VERSION           stamped into the agent (default: dev)
# CHEXP_CACHE       where downloads are kept (default: $XDG_CACHE_HOME/chexp, ~/.cache/chexp)
#
# Needs Go, a C compiler for the architecture, and npm the first time: ONNX Runtime
# comes from the npm package onnxruntime-node, whose Linux libraries are built for
# both architectures from one source and need nothing newer than glibc 2.28. The
# arm64 agent also carries chexp's ACL plugin (agent/acl), if it can be built here.
set -eu
export LC_ALL=C

ORT_VERSION=1.30.0
ORT_TGZ_SHA256=6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75

die() { echo "agent/build.sh: $*" >&2; exit 1; }

case "${1:-}" in
  arm64) triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 npm_arch=arm64
         ort_sha256=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76 ;;
  amd64) triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 npm_arch=x64
         ort_sha256=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23 ;;
  *) echo "usage: agent/build.sh arm64|amd64" >&2; exit 2 ;;
esac
arch=$1
version=${VERSION:-dev}
cache=${CHEXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chexp}/downloads
cd "$(dirname "$0")/.."
out=bin/chexp-agent-linux-$arch
work=bin/.agent-$arch
mkdir -p bin "$work" "$cache"

# --- compiler and the libraries to carry ------------------------------------

if [ "$(go env GOHOSTARCH)" = "$arch" ]; then
  CC=gcc cross= apt="gcc libc6-dev libstdc++6 libgcc-s1"
else
  deb=$(echo "$triplet" | tr _ -)
  CC=$triplet-gcc cross=-$arch-cross
  apt="gcc-$deb libc6-dev-$arch-cross libc6-$arch-cross libstdc++6-$arch-cross libgcc-s1-$arch-cross"
fi
command -v "$CC" >/dev/null || die "no C compiler for $arch; run: apt-get install -y $apt"

# The compiler knows where the libraries of its own target are.
carried=
for lib in $loader libc.so.6 libm.so.6 libdl.so.2 librt.so.1 libpthread.so.0 libstdc++.so.6 libgcc_s.so.1; do
  path=$($CC -print-file-name=$lib)
  [ "$path" != "$lib" ] || die "the compiler $CC does not find $lib; run: apt-get install -y $apt"
  carried="$carried $lib=$(readlink -f "$path")"
done

# --- ONNX Runtime, once ------------------------------------------------------

ort_dir=$cache/onnxruntime-$ORT_VERSION-linux-$arch
ort=$ort_dir/libonnxruntime.so.1
have() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status 2>/dev/null; }

fetch_ort() {
  tgz=$cache/onnxruntime-node-$ORT_VERSION.tgz
  tmp=$(mktemp -d "$cache/.tmp-XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  if ! have "$tgz" $ORT_TGZ_SHA256; then
    command -v npm >/dev/null || die "npm is needed once, to download ONNX Runtime; run: apt-get install -y npm"
    echo "downloading ONNX Runtime $ORT_VERSION (npm, 114 MB) ..." >&2
    (cd "$tmp" && npm pack --silent --ignore-scripts "onnxruntime-node@$ORT_VERSION" >/dev/null) ||
      die "npm could not download onnxruntime-node@$ORT_VERSION; is the npm registry reachable? (npm ping)"
    have "$tmp/onnxruntime-node-$ORT_VERSION.tgz" $ORT_TGZ_SHA256 ||
      die "onnxruntime-node@$ORT_VERSION from npm does not have the pinned SHA-256 $ORT_TGZ_SHA256; nothing of it was kept"
    mv "$tmp/onnxruntime-node-$ORT_VERSION.tgz" "$tgz"
  fi
  tar -xzf "$tgz" -C "$tmp" "package/bin/napi-v6/linux/$npm_arch/libonnxruntime.so.1"
  unpacked=$tmp/package/bin/napi-v6/linux/$npm_arch/libonnxruntime.so.1
  have "$unpacked" $ort_sha256 || die "libonnxruntime.so.1 in $tgz does not have the pinned SHA-256 $ort_sha256"
  mkdir -p "$ort_dir"
  mv "$unpacked" "$ort"
  rm -rf "$tmp"
  trap - EXIT
}
have "$ort" $ort_sha256 || fetch_ort

# --- chexp's ACL plugin, for arm64 ------------------------------------------

plugin=
if [ "$arch" = arm64 ]; then
  status=0
  agent/acl/build.sh "$work/acl" || status=$?
  case $status in
    0) plugin="libchexp_acl.so=$work/acl/libchexp_acl.so copyright.libarm-compute=$work/acl/copyright.libarm-compute" ;;
    3) echo "agent/build.sh: the arm64 agent is built without provider acl" >&2 ;;
    *) exit "$status" ;;
  esac
fi

# --- is there anything to do? ------------------------------------------------

inputs() {
  echo "$version $ort_sha256 $(go version) $($CC --version | head -n 1)"
  # shellcheck disable=SC2086 # a list of name=path, without blanks
  for c in $carried $plugin; do echo "${c#*=}"; done | xargs sha256sum
  find agent experiments models -type f \( -name '*.go' -o -name '*.[ch]' -o -name '*.txt' -o -name '*.sh' \) ! -name '*_test.go' |
    sort | xargs sha256sum go.mod go.sum
}
stamp=$(inputs | sha256sum | cut -d ' ' -f 1)
if [ "$stamp $(sha256sum "$out" "$out.json" 2>/dev/null)" = "$(cat "$work/stamp" 2>/dev/null)" ]; then
  exit 0
fi

# --- build -------------------------------------------------------------------

echo "building $out ..." >&2
flags="-trimpath -buildvcs=false"
# The resolver and user database of the C library are never used: they would load
# libraries of the image.
CGO_ENABLED=1 GOOS=linux GOARCH=$arch CC=$CC \
  go build $flags -tags netgo,osusergo -ldflags "-s -w -buildid=" -o "$work/chexp-trial" ./agent/cmd/chexp-trial
CGO_ENABLED=0 GOOS=linux GOARCH=$arch \
  go build $flags -ldflags "-s -w -buildid= -X main.version=$version" -o "$work/launcher" ./agent/cmd/chexp-agent

# Whoever gets the agent gets the licences of what it carries.
module() { go list -m -f '{{.Dir}}' "$1"; }
licences="LICENSE.chexp=LICENSE LICENSE.onnxruntime=agent/licenses/onnxruntime.txt"
licences="$licences LICENSE.onnxruntime_go=$(module github.com/yalue/onnxruntime_go)/LICENSE"
licences="$licences LICENSE.compress=$(module github.com/klauspost/compress)/LICENSE LICENSE.go=$(go env GOROOT)/LICENSE"
for package in libc6 libstdc++6 libgcc-s1; do
  doc=/usr/share/doc/$package$cross/copyright
  if [ -r "$doc" ]; then
    licences="$licences copyright.$package=$(readlink -f $doc)"
  else
    echo "agent/build.sh: no $doc: the agent will lack the licence of $package; do not redistribute it" >&2
  fi
done

# shellcheck disable=SC2086
CGO_ENABLED=0 go run ./agent/cmd/chexp-pack -launcher "$work/launcher" -arch "$arch" -version "$version" -cache "$work" -out "$out" \
  -loader "$loader" -runner chexp-trial -library libonnxruntime.so.1 \
  $carried $plugin $licences "libonnxruntime.so.1=$ort" "chexp-trial=$work/chexp-trial"
echo "$stamp $(sha256sum "$out" "$out.json")" > "$work/stamp"
