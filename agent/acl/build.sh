#!/bin/sh
# Builds chexp's ACL plugin for arm64:
#
#   agent/acl/build.sh DIR
#
# makes DIR/libchexp_acl.so and DIR/copyright.libarm-compute. When nothing changed
# it does nothing. Two builds of the same sources give the same bytes. It ends with
# status 3 and a sentence where this machine lacks what is needed; the agent is
# then built without the plugin.
#
# The Arm Compute Library comes from a package of Debian 13, whose static library
# works with Debian 12's C library and C++ runtime, which the agent carries. Debian
# builds it without its float16 kernels: float16.sh compiles those from the source
# package (40 seconds of a processor, once; the result is kept). Both files are pinned,
# by SHA-256, and come from the Debian mirror in this machine's apt sources.
#
# A mirror drops a version when Debian replaces it. What is in the cache keeps
# working, and a file of the right name and sum may be put there by hand.
#
# DEBIAN_MIRROR  the mirror instead (http://host/debian)
# CHEXP_CACHE    where downloads are kept (default: $XDG_CACHE_HOME/chexp, ~/.cache/chexp)
# CXX            the compiler (default: aarch64-linux-gnu-g++, or g++ on arm64)
# CXXFLAGS       replaces -O3, and nothing is stripped; the checks use it for a sanitizer
set -eu
export LC_ALL=C

ACL_DEB=libarm-compute-dev_24.11+dfsg-3_arm64.deb
ACL_SHA256=223b39c7e814e3c4c46eaf0cb607d86cbe5360c5e88fd364b955d06ddf2b701d
ACL_SOURCE=arm-compute-library_24.11+dfsg.orig.tar.xz
ACL_SOURCE_SHA256=cebdf5dfe8b35007a84e3dfb6794ffe07064d9297bffeb5df0765437bf69c556

die() { echo "agent/acl/build.sh: $*" >&2; exit 1; }
lack() { echo "agent/acl/build.sh: $*" >&2; exit 3; }

[ $# = 1 ] || { echo "usage: agent/acl/build.sh DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
kept=${CHEXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chexp}
cache=$kept/downloads
mkdir -p "$cache" "$kept/built"

if [ -z "${CXX:-}" ]; then
  CXX=aarch64-linux-gnu-g++
  [ "$(go env GOHOSTARCH)" != arm64 ] || CXX=g++
fi
strip=$(echo "$CXX" | sed -n 's/g++.*$/strip/p')
command -v "$CXX" >/dev/null || lack "no C++ compiler for arm64; run: apt-get install -y g++-aarch64-linux-gnu"
command -v dpkg-deb >/dev/null || lack "no dpkg-deb: the Arm Compute Library comes as a Debian package"
headers=$(go list -m -f '{{.Dir}}' github.com/yalue/onnxruntime_go)
[ -r "$headers/onnxruntime_ep_c_api.h" ] || die "$headers has no onnxruntime_ep_c_api.h; run: go mod download"

# --- Debian's files, once -----------------------------------------------------

have() { [ -f "$cache/$1" ] && echo "$2  $cache/$1" | sha256sum --check --status 2>/dev/null; }

# get FILE SHA256: from the cache or the mirror; else $problem says why not.
helper=/usr/lib/apt/apt-helper
get() {
  ! have "$1" "$2" || return 0
  byhand="a copy with the pinned SHA-256 in $cache is taken too"
  if ! [ -x $helper ]; then
    problem="there is no apt here to download $1 with; $byhand"
    return 1
  fi
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 2>/dev/null | sed -n 's|/*$||; \|/debian$|p' | head -n 1)}
  if [ -z "$mirror" ]; then
    problem="apt knows no Debian mirror here to download $1 from; run apt-get update, or set DEBIAN_MIRROR to one (http://host/debian); $byhand"
    return 1
  fi
  echo "downloading $1 ..." >&2
  rm -f "$cache/.$1"
  why=$($helper -q -o APT::Sandbox::User= -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
    download-file "${mirror%/}/pool/main/a/arm-compute-library/$1" "$cache/.$1" "SHA256:$2" 2>&1 </dev/null) &&
    mv "$cache/.$1" "$cache/$1" && return 0
  rm -f "$cache/.$1" "$cache/.$1".*
  case $why in
    *"404 "*) problem="$mirror no longer has $1: Debian has replaced it. The new version and its SHA-256 belong into agent/acl/build.sh (then: make test-acl); $byhand" ;;
    *"Hash Sum mismatch"*) problem="what $mirror has as $1 is not what agent/acl/build.sh pins (SHA-256 $2); nothing of it was kept" ;;
    *) problem="$mirror did not give $1 ($(echo "$why" | sed -n 's/^  *//p' | head -n 1 | cut -c 1-200)): build again when it can be reached, or set DEBIAN_MIRROR to another; $byhand" ;;
  esac
  return 1
}

# --- is there anything to do? ------------------------------------------------

sources=$(echo agent/acl/*.cc)
flags="${CXXFLAGS:--O3} -std=c++17 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -ffile-prefix-map=$PWD=."
compiler=$($CXX --version | head -n 1)
float16=$kept/built/acl-float16-$( (echo "$ACL_SOURCE_SHA256 $compiler"; cat agent/acl/float16.sh) | sha256sum | cut -c 1-16).o
inputs() {
  echo "$ACL_SHA256 $flags $compiler" | sed "s|$PWD||g"
  sha256sum agent/acl/*.cc agent/acl/*.h agent/acl/exports.map agent/acl/build.sh
  sha256sum < "$headers/onnxruntime_c_api.h"
  sha256sum < "$headers/onnxruntime_ep_c_api.h"
}
plugin=$dir/libchexp_acl.so
# current FLOAT16: whether that plugin is already there
current() {
  stamp=$( (inputs; basename "$1") | sha256sum | cut -d ' ' -f 1)
  [ -f "$plugin" ] && [ "$stamp $(sha256sum < "$plugin")" = "$(cat "$dir/stamp" 2>/dev/null)" ]
}
! current "$float16" || exit 0

get "$ACL_DEB" $ACL_SHA256 || lack "$problem"
if ! [ -f "$float16" ]; then
  problem="no xz to unpack Debian's source with; run: apt-get install -y xz-utils"
  if command -v xz >/dev/null && get "$ACL_SOURCE" $ACL_SOURCE_SHA256; then
    echo "compiling the library's float16 kernels (40 seconds of a processor; once, kept in $kept/built) ..." >&2
    CXX=$CXX agent/acl/float16.sh "$cache/$ACL_SOURCE" "$float16"
  else
    echo "agent/acl/build.sh: the plugin will not claim float16: $problem" >&2
    float16=
  fi
fi
! current "$float16" || exit 0
echo "building $(basename "$plugin") ..." >&2
[ "$(cat "$dir/arm-compute/sha256" 2>/dev/null)" = "$ACL_SHA256" ] || {
  rm -rf "$dir/arm-compute"
  dpkg-deb -x "$cache/$ACL_DEB" "$dir/arm-compute"
  echo "$ACL_SHA256" > "$dir/arm-compute/sha256"
}
acl=$dir/arm-compute/usr
[ -z "$float16" ] || flags="$flags -DCHEXP_FLOAT16"

# --- build --------------------------------------------------------------------

mkdir -p "$dir/obj"
# shellcheck disable=SC2086 # lists without blanks inside
printf '%s\n' $sources | nice -n 5 xargs -P "$(nproc)" -I {} sh -c \
  '"$1" $2 -isystem "$3/include/aarch64-linux-gnu" -isystem "$4" -c "$5" -o "$6/$(basename "$5" .cc).o"' sh "$CXX" "$flags" "$acl" "$headers" {} "$dir/obj"
objects=
for s in $sources; do objects="$objects $dir/obj/$(basename "$s" .cc).o"; done
# shellcheck disable=SC2086
"$CXX" ${CXXFLAGS:-} -shared -o "$plugin.tmp" -Wl,-soname,libchexp_acl.so $objects $float16 -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,defs -Wl,-z,relro \
  -Wl,-z,max-page-size=65536 -Wl,-Map="$dir/map" -Wl,--version-script=agent/acl/exports.map "$acl/lib/aarch64-linux-gnu/libarm_compute-static.a" -ldl -lpthread
# The map begins with the members of archives that were linked.
[ -z "$float16" ] || {
  sed -n '/^Discarded input sections/q; s|^[^ ].*/libarm_compute-static\.a(\([^()]*\))$|\1|p' "$dir/map" | sort -u > "$dir/members"
  [ -s "$dir/members" ] || die "the linker's map $dir/map names no member of the library: it cannot be checked that float16 is complete"
  wrong=$(awk 'NR == FNR { linked[$1]; next } $1 in linked { print $2 }' "$dir/members" "$float16.forbidden")
  [ -z "$wrong" ] || die "Debian's copy of" $wrong "was linked, which knows no float16, or not all of it: the answers would be wrong." \
    "It belongs into one of the lists of agent/acl/float16.sh"
}
[ -n "${CXXFLAGS:-}" ] || "$strip" "$plugin.tmp"
cp "$acl/share/doc/libarm-compute-dev/copyright" "$dir/copyright.libarm-compute"
mv "$plugin.tmp" "$plugin"
echo "$stamp $(sha256sum < "$plugin")" > "$dir/stamp"
