#!/bin/sh
# Builds the runtime "debian": Debian's ONNX Runtime with XNNPACK and oneDNN, and
# with every library that it needs, C library and loader included:
#
#   agent/runtimes/debian.sh arm64|amd64          make bin/runtimes/debian-ARCH.ort
#   agent/runtimes/debian.sh --pin arm64|amd64    write the list of packages anew
#
# The packages are pinned by SHA-256 in debian-ARCH.lock, beside this script. They
# come from the Debian mirror in this machine's own apt configuration, or from
# DEBIAN_MIRROR (http://host/debian), are checked, and are kept below
# ${CHEXP_CACHE:-~/.cache/chexp}/downloads/debian. Nothing is installed, and apt's
# own lists and sources are not touched. The same list gives the same bytes.
#
# Why Debian's experimental: it is the only prebuilt library with XNNPACK whose C
# API is new enough for the agent's runner (24; trixie's 1.21 has 21, sid's 1.23
# has 23), and its glibc 2.38 or newer is why the loader comes along.
#
# A mirror drops a package when Debian replaces it. What is in the cache keeps
# working. Without it there are two ways: an archive of the day on which the list
# was made (its first line), given as DEBIAN_MIRROR; or --pin, which takes what
# Debian has now: look at the difference, run `make test-runtimes`, commit.
set -eu
export LC_ALL=C

die() { echo "agent/runtimes/debian.sh: $*" >&2; exit 1; }
usage() { echo "usage: agent/runtimes/debian.sh [--pin] arm64|amd64" >&2; exit 2; }

pin=
if [ "${1:-}" = --pin ]; then pin=yes; shift; fi
case "${1:-}" in
  arm64) triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
  amd64) triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
  *) usage ;;
esac
[ $# -eq 1 ] || usage
arch=$1
cd "$(dirname "$0")/../.."
lock=agent/runtimes/debian-$arch.lock
out=bin/runtimes/debian-$arch.ort
cache=${CHEXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chexp}/downloads/debian
mkdir -p "$cache" bin/runtimes
tmp=$(mktemp -d "$cache/.tmp-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

helper=/usr/lib/apt/apt-helper
[ -x $helper ] && command -v dpkg-deb >/dev/null || die "needs apt and dpkg, which are on Debian and its relatives"

# The mirror of the machine's own sources; their security archive is another one.
mirror() {
  if [ -n "${DEBIAN_MIRROR:-}" ]; then
    echo "${DEBIAN_MIRROR%/}"
    return
  fi
  found=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | sed -n 's|/*$||; \|/debian$|p' | head -n 1)
  [ -n "$found" ] || die "apt's sources name no Debian mirror; set DEBIAN_MIRROR to one (http://host/debian)"
  echo "$found"
}

# --- --pin: which packages, from an apt with a state of its own ---------------

newest=1.27
pin_packages() {
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -r $keyring ] || die "$keyring is missing; run: apt-get install -y debian-archive-keyring"
  mkdir -p "$tmp/state/lists/partial" "$tmp/cache/archives/partial" "$tmp/parts"
  : > "$tmp/state/status"
  # sid's Release may be past its date on a frozen mirror: the packages are
  # pinned by their sums, not by that date.
  for suite in sid experimental; do
    echo "deb [arch=$arch signed-by=$keyring check-valid-until=no] $1 $suite main"
  done > "$tmp/sources.list"
  cat > "$tmp/apt.conf" <<EOF
Dir::State "$tmp/state";
Dir::State::status "$tmp/state/status";
Dir::Cache "$tmp/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$tmp/parts";
Dir::Etc::sourcelist "$tmp/sources.list";
Dir::Etc::sourceparts "$tmp/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$tmp/parts";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
EOF
  APT_CONFIG=$tmp/apt.conf
  export APT_CONFIG
  apt-get -q update >&2 || die "the lists of $1 could not be read"
  # Simulated on an empty machine: everything that the library needs.
  apt-get -q -s -t experimental install libonnxruntime$newest | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' > "$tmp/closure"
  [ -s "$tmp/closure" ] || die "Debian has no installable libonnxruntime$newest for $arch now; look for its successor and change the number here"
  # Converters of character sets: nothing here converts any.
  sed -i '/^libc-gconv-modules-extra=/d' "$tmp/closure"
  xargs apt-cache show < "$tmp/closure" |
    awk '/^Filename:/ { f = $2 } /^Size:/ { n = $2 } /^SHA256:/ { s = $2 } /^$/ { if (f) print s, n, f; f = "" }' |
    sort -u -k 3 > "$tmp/packages"
  [ "$(wc -l < "$tmp/packages")" -eq "$(wc -l < "$tmp/closure")" ] || die "apt described $(wc -l < "$tmp/packages") of $(wc -l < "$tmp/closure") packages"
  { echo "# Made by agent/runtimes/debian.sh --pin $arch on $(date -u +%Y-%m-%d): SHA-256, bytes, place on a Debian mirror."; cat "$tmp/packages"; } > "$lock"
  unset APT_CONFIG
  echo "wrote $lock: $(wc -l < "$tmp/packages") packages" >&2
}
if [ -n "$pin" ]; then
  from=$(mirror)
  pin_packages "$from"
  exit 0
fi

# --- is there anything to do? --------------------------------------------------

[ -r "$lock" ] || die "there is no $lock; make it with --pin $arch"
inputs() {
  go version
  find agent/cmd/chexp-pack agent/internal/payload experiments/trial -name '*.go' ! -name '*_test.go' | sort | xargs sha256sum "$lock" agent/runtimes/debian.sh go.mod go.sum
}
stamp=$(inputs | sha256sum | cut -d ' ' -f 1)
if [ "$stamp $(sha256sum "$out" "$out.json" 2>/dev/null)" = "$(cat "bin/runtimes/.debian-$arch.stamp" 2>/dev/null)" ]; then
  exit 0
fi

# --- packages --------------------------------------------------------------------

have() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status 2>/dev/null; }

grep -v '^#' "$lock" > "$tmp/list"
from=
while read -r sum _ place; do
  deb=$cache/$sum.deb
  if ! have "$deb" "$sum"; then
    [ -n "$from" ] || from=$(mirror)
    echo "downloading $(basename "$place") ..." >&2
    $helper -q -o APT::Sandbox::User= download-file "$from/$place" "$tmp/deb" "SHA256:$sum" >/dev/null 2>"$tmp/why" < /dev/null || {
      cat "$tmp/why" >&2
      die "$from does not have $(basename "$place") with the pinned SHA-256 (Debian drops what it replaces).
Set DEBIAN_MIRROR to an archive of the date in $lock, or run
  agent/runtimes/debian.sh --pin $arch
and look at what changed"
    }
    mv "$tmp/deb" "$deb"
  fi
  dpkg-deb --extract "$deb" "$tmp/root"
done < "$tmp/list"

# --- bundle ------------------------------------------------------------------------

lib=$tmp/root/usr/lib/$triplet
library=$(basename "$(echo "$lib"/libonnxruntime.so.1.[0-9][0-9])")
[ -f "$lib/$library" ] || die "the packages hold no libonnxruntime.so.1.NN"
version=$(sed -n 's|.*/libonnxruntime1\.[0-9]*_\([0-9.]*\).*|\1|p' "$tmp/list")
# Opened by name while running, so nothing names them as needed; and the stubs of
# glibc that a runner built for an older one asks for.
files="$loader=$lib/$loader $library=$lib/$library"
for name in libonnxruntime_providers_shared.so libonnxruntime_providers_dnnl.so libdl.so.2 libpthread.so.0 librt.so.1; do
  files="$files $name=$lib/$name"
done
# Whoever gets the bundle gets the licences.
for doc in "$tmp"/root/usr/share/doc/*/copyright; do
  name=$(basename "$(dirname "$doc")")
  files="$files copyright.$name=$(readlink -f "$doc")"
done
# shellcheck disable=SC2086 # a list of name=path, without blanks
CGO_ENABLED=0 go run ./agent/cmd/chexp-pack -arch "$arch" -version "debian-$version" -cache "$tmp" -out "$out" \
  -loader "$loader" -library "$library" -runtime-version "$version" -search "$lib" $files
echo "$stamp $(sha256sum "$out" "$out.json")" > "bin/runtimes/.debian-$arch.stamp"
echo "$out: $(wc -c < "$out") bytes, ONNX Runtime $version" >&2
