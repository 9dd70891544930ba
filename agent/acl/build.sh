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
# works with Debian 12's C library and C++ runtime, which the agent carries. apt
# fetches it with a configuration of its own (list, state and cache in DIR), from
# the mirror that this machine uses, so the system's sources stay as they are.
#
# CHEXP_CACHE  where downloads are kept (default: $XDG_CACHE_HOME/chexp, ~/.cache/chexp)
# CXX          the compiler (default: aarch64-linux-gnu-g++, or g++ on arm64)
# CXXFLAGS     replaces -O3, and nothing is stripped; the checks use it for a sanitizer
set -eu
export LC_ALL=C

ACL_VERSION=24.11+dfsg-3
ACL_SUITE=trixie
ACL_SHA256=223b39c7e814e3c4c46eaf0cb607d86cbe5360c5e88fd364b955d06ddf2b701d

die() { echo "agent/acl/build.sh: $*" >&2; exit 1; }
lack() { echo "agent/acl/build.sh: $*" >&2; exit 3; }

[ $# = 1 ] || { echo "usage: agent/acl/build.sh DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
cache=${CHEXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chexp}/downloads
mkdir -p "$cache"

if [ -z "${CXX:-}" ]; then
  CXX=aarch64-linux-gnu-g++
  [ "$(go env GOHOSTARCH)" != arm64 ] || CXX=g++
fi
strip=$(echo "$CXX" | sed -n 's/g++.*$/strip/p')
command -v "$CXX" >/dev/null || lack "no C++ compiler for arm64; run: apt-get install -y g++-aarch64-linux-gnu"
command -v dpkg-deb >/dev/null || lack "no dpkg-deb: the Arm Compute Library comes as a Debian package"
headers=$(go list -m -f '{{.Dir}}' github.com/yalue/onnxruntime_go)
[ -r "$headers/onnxruntime_ep_c_api.h" ] || die "$headers has no onnxruntime_ep_c_api.h; run: go mod download"

# --- the library, once --------------------------------------------------------

deb=$cache/libarm-compute-dev_${ACL_VERSION}_arm64.deb
have() { [ -f "$1" ] && echo "$ACL_SHA256  $1" | sha256sum --check --status 2>/dev/null; }

fetch() {
  command -v apt-get >/dev/null || lack "no apt-get to download libarm-compute-dev with"
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
    awk -v r="$codename" '$2 == r && $3 == "main" { print $1; exit }')
  [ -n "$mirror" ] || lack "apt knows no mirror of Debian's $codename main here, so libarm-compute-dev cannot be downloaded"
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -r $keyring ] || lack "no $keyring to verify the mirror with; run: apt-get install -y debian-archive-keyring"
  tmp=$(mktemp -d "$cache/.tmp-XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  mkdir -p "$tmp/lists/partial" "$tmp/archives/partial"
  : > "$tmp/status"
  echo "deb [signed-by=$keyring] $mirror $ACL_SUITE main" > "$tmp/sources.list"
  cat > "$tmp/apt.conf" <<CONF
Dir::Etc::SourceList "$tmp/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "$tmp";
Dir::State::Status "$tmp/status";
Dir::Cache "$tmp";
APT::Architecture "arm64";
APT::Architectures "arm64";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "3";
CONF
  echo "downloading the Arm Compute Library $ACL_VERSION (Debian $ACL_SUITE, 5 MB and 10 MB of lists) ..." >&2
  APT_CONFIG=$tmp/apt.conf apt-get -qq update >"$tmp/log" 2>&1 &&
    (cd "$tmp" && APT_CONFIG=$tmp/apt.conf apt-get -qq download "libarm-compute-dev:arm64=$ACL_VERSION") >>"$tmp/log" 2>&1 ||
    { cat "$tmp/log" >&2; lack "$mirror did not give libarm-compute-dev $ACL_VERSION of Debian $ACL_SUITE"; }
  got=$(echo "$tmp"/libarm-compute-dev_*.deb)
  have "$got" || die "libarm-compute-dev $ACL_VERSION does not have the pinned SHA-256 $ACL_SHA256; nothing of it was kept"
  mv "$got" "$deb"
  rm -rf "$tmp"
  trap - EXIT
}

# --- is there anything to do? ------------------------------------------------

sources=$(echo agent/acl/*.cc)
flags="${CXXFLAGS:--O3} -std=c++17 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -ffile-prefix-map=$PWD=."
inputs() {
  echo "$ACL_SHA256 $flags $($CXX --version | head -n 1)" | sed "s|$PWD||g"
  sha256sum agent/acl/*.cc agent/acl/*.h agent/acl/exports.map agent/acl/build.sh
  sha256sum < "$headers/onnxruntime_c_api.h"
  sha256sum < "$headers/onnxruntime_ep_c_api.h"
}
stamp=$(inputs | sha256sum | cut -d ' ' -f 1)
plugin=$dir/libchexp_acl.so
if [ -f "$plugin" ] && [ "$stamp $(sha256sum < "$plugin")" = "$(cat "$dir/stamp" 2>/dev/null)" ]; then
  exit 0
fi

have "$deb" || fetch
echo "building $(basename "$plugin") ..." >&2
[ "$(cat "$dir/arm-compute/sha256" 2>/dev/null)" = "$ACL_SHA256" ] || {
  rm -rf "$dir/arm-compute"
  dpkg-deb -x "$deb" "$dir/arm-compute"
  echo "$ACL_SHA256" > "$dir/arm-compute/sha256"
}
acl=$dir/arm-compute/usr

# --- build --------------------------------------------------------------------

mkdir -p "$dir/obj"
# shellcheck disable=SC2086 # lists without blanks inside
printf '%s\n' $sources | nice -n 5 xargs -P "$(nproc)" -I {} sh -c \
  '"$1" $2 -isystem "$3/include/aarch64-linux-gnu" -isystem "$4" -c "$5" -o "$6/$(basename "$5" .cc).o"' sh "$CXX" "$flags" "$acl" "$headers" {} "$dir/obj"
objects=
for s in $sources; do objects="$objects $dir/obj/$(basename "$s" .cc).o"; done
# shellcheck disable=SC2086
"$CXX" ${CXXFLAGS:-} -shared -o "$plugin.tmp" -Wl,-soname,libchexp_acl.so $objects -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,defs -Wl,-z,relro \
  -Wl,-z,max-page-size=65536 -Wl,--version-script=agent/acl/exports.map "$acl/lib/aarch64-linux-gnu/libarm_compute-static.a" -ldl -lpthread
[ -n "${CXXFLAGS:-}" ] || "$strip" "$plugin.tmp"
cp "$acl/share/doc/libarm-compute-dev/copyright" "$dir/copyright.libarm-compute"
mv "$plugin.tmp" "$plugin"
echo "$stamp $(sha256sum < "$plugin")" > "$dir/stamp"
