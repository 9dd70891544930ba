#!/bin/sh
# Checks chexp's ACL plugin under emulation: `make test-acl`.
#
#   agent/acl/test.sh            what takes minutes
#   FULL=1 agent/acl/test.sh     with 200 inputs per model, and more of everything
#
# Needs the cross compiler, qemu-user-static and Debian's libonnx-testdata; what
# needs something absent is skipped with a sentence. The checks of whole models
# take the tutorial's, from the folder MODELS or the first one of CHEXP_MODEL_PATH.
#
# Everything runs on an emulated Cortex-A76, on as many threads as the check
# says; times mean nothing here and none is reported. ORT names another arm64
# libonnxruntime than the agent's: one that chexp got by version is in the cache,
# below runtimes/.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/../.."
skip() { echo "test-acl: skipped: $*"; exit 0; }

work=bin/.agent-arm64/acl
CXX=${CXX:-aarch64-linux-gnu-g++}
emulator=${QEMU:-qemu-aarch64-static}
sysroot=/usr/aarch64-linux-gnu
command -v "$CXX" >/dev/null || skip "no $CXX; run: apt-get install -y g++-aarch64-linux-gnu"
command -v "$emulator" >/dev/null || skip "no $emulator; run: apt-get install -y qemu-user-static"
version=$(sed -n 's/^ORT_VERSION=//p' agent/build.sh)
ort=${ORT:-${CHEXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chexp}/downloads/onnxruntime-$version-linux-arm64/libonnxruntime.so.1}
[ -f "$ort" ] || skip "no arm64 ONNX Runtime in the cache; run: agent/build.sh arm64"
status=0
agent/acl/build.sh "$work" || status=$?
[ $status != 3 ] || skip "the plugin cannot be built here"
[ $status = 0 ] || exit $status

# From 1.28 on, ONNX Runtime reads /proc/cpuinfo when it is loaded and dies of an
# x86's under qemu's user mode. So the emulated processor has that of its board,
# which it believes: an A76's would let it use what an A72 has not.
mkdir -p "$work/check"
if command -v bwrap >/dev/null && bwrap --dev-bind / / true 2>/dev/null; then
  pi() {
    cat > "$2" <<END
#!/bin/sh
info=a76
case "\$*" in *cortex-a72*) info=a72 ;; esac
exec bwrap --dev-bind / / --ro-bind "$PWD/agent/acl/check/cpuinfo-\$info" /proc/cpuinfo "$1" "\$@"
END
    chmod +x "$2"
  }
else
  pi() { printf '#!/bin/sh\nexec "%s" "$@"\n' "$1" > "$2"; chmod +x "$2"; }
fi
pi "$(command -v "$emulator")" "$work/check/emulator"
emulator=$PWD/$work/check/emulator

headers=$(go list -m -f '{{.Dir}}' github.com/yalue/onnxruntime_go)
programs="operators testdata steps models halve inference"
common="agent/acl/check/harness.cc agent/acl/check/generate.cc"
stamp=$(cat agent/acl/check/* | sha256sum)
if [ "$stamp" != "$(cat "$work/check/stamp" 2>/dev/null)" ]; then
  echo "building the checks ..."
  mkdir -p "$work/check"
  for p in $programs; do
    # shellcheck disable=SC2086
    nice -n 5 "$CXX" -std=c++17 -O1 -Wall -Wextra -Werror -isystem "$headers" $common "agent/acl/check/$p.cc" -o "$work/check/$p" -ldl
  done
  echo "$stamp" > "$work/check/stamp"
fi
plugin=$PWD/$work/libchexp_acl.so
failed=0
run() {
  p=$1
  shift
  # ONNX Runtime's word about the emulated processor's name says nothing.
  nice -n 5 "$emulator" -cpu "${cpu:-cortex-a76}" -L $sysroot "$work/check/$p" "$ort" "$plugin" "$@" 2>"$work/check/stderr" || {
    failed=$((failed + 1))
    tail -n 5 "$work/check/stderr"
    echo "FAILED: $p $*"
  }
}

# more FULL SHORT: how much of a check to run
more() { if [ -n "${FULL:-}" ]; then echo "$1"; else echo "$2"; fi; }
echo "== provider acl through the agent's package ort"
if command -v aarch64-linux-gnu-gcc >/dev/null; then
  mkdir -p "$work/check/runtime"
  ln -sf "$ort" "$plugin" "$work/check/runtime/"
  CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc nice -n 5 go test -c -o "$work/check/ort.test" ./agent/internal/ort
  CHEXP_ORT_LIBRARY=$PWD/$work/check/runtime/libonnxruntime.so.1 nice -n 5 "$emulator" -cpu cortex-a76 -L $sysroot "$work/check/ort.test" \
    -test.run 'TestACLPlugin|TestAssignment' -test.v >"$work/check/ort.out" 2>&1 || failed=$((failed + 1))
  grep -E '^( *---|PASS|FAIL| +acl)' "$work/check/ort.out"
  ! grep -q -- '--- SKIP' "$work/check/ort.out" || failed=$((failed + 1))
else
  echo "skipped: no aarch64-linux-gnu-gcc; run: apt-get install -y gcc-aarch64-linux-gnu"
fi

echo "== random operators, against the CPU provider, 1 to 4 threads"
run operators "$(more 300 24)" 1
echo "== the same with attributes, shapes and scales that make no sense"
run operators "$(more 300 24)" 1 wild

echo "== on a Cortex-A72, which has no float16 arithmetic: none of it may be claimed"
(
  cpu=cortex-a72
  export EXPLAIN=1
  run operators 4 1 no Conv.f16 || true
  run operators 4 1 no MatMul.f16 || true
  exit $failed
) > "$work/check/stdout" || failed=$((failed + 1))
cat "$work/check/stdout"
! grep -q '^operators: .*, [1-9][0-9]* claimed' "$work/check/stdout" || failed=$((failed + 1))
grep 'not claimed: .*float16' "$work/check/stderr" | sort -u || failed=$((failed + 1))

echo "== the same two with the plugin and the check built for AddressSanitizer and UBSan"
echo "   (the library itself is as Debian built it; leaks are not looked for)"
san="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
if echo 'int main() { return 0; }' | "$CXX" -x c++ -fsanitize=address,undefined -o "$work/check/probe" - 2>/dev/null &&
  ASAN_OPTIONS=detect_leaks=0 "$emulator" -cpu cortex-a76 -L $sysroot "$work/check/probe" 2>/dev/null; then
  CXXFLAGS=$san agent/acl/build.sh "$work/sanitized"
  if [ "$stamp" != "$(cat "$work/sanitized/check" 2>/dev/null)" ]; then
    # shellcheck disable=SC2086
    nice -n 5 "$CXX" -std=c++17 $san -isystem "$headers" $common agent/acl/check/operators.cc -o "$work/sanitized/operators" -ldl
    echo "$stamp" > "$work/sanitized/check"
  fi
  # A model that wants 64 GiB must be refused, not end the check.
  export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
  for wild in no wild; do
    nice -n 5 "$emulator" -cpu cortex-a76 -L $sysroot "$work/sanitized/operators" "$ort" "$PWD/$work/sanitized/libchexp_acl.so" "$(more 60 6)" 1 $wild \
      >"$work/check/stdout" 2>"$work/check/stderr" || failed=$((failed + 1))
    tail -n 1 "$work/check/stdout" | sed 's/^/sanitized: /'
    grep -A 3 -E 'ERROR: AddressSanitizer|runtime error' "$work/check/stderr" || true
  done
else
  echo "unavailable: the sanitizer's library for arm64 does not run here"
fi

echo "== ONNX's single-operator models, against the outputs that the standard expects"
data=/usr/share/libonnx-testdata/data
if [ -d $data ]; then
  run testdata $data/node $data/simple $data/pytorch-converted $data/pytorch-operator
else
  echo "skipped: no $data; run: apt-get install -y libonnx-testdata"
fi

models=${MODELS:-${CHEXP_MODEL_PATH:-}}
models=${models%%:*}
if [ ! -f "$models/food11_fp32_rebuilt.onnx" ]; then
  echo "skipped: neither MODELS nor CHEXP_MODEL_PATH names a folder with the tutorial's models"
else
  float=$models/food11_fp32_rebuilt.onnx static=$models/food11_quantized_aggressive.onnx
  echo "== every quantized node of the static INT8 model by itself"
  run steps "$static"
  # whole MODEL INPUTS NODES HEAVY DIFFERENCE: nodes and heavy nodes claimed at least,
  # and the largest difference allowed, relative to the largest output; the class
  # must be the same for every input
  whole() {
    m=$1 inputs=$2
    shift 2
    echo "== $(basename "$m"), whole, against the CPU provider"
    run models "$m" "$inputs" 1 1 "$@"
    for t in 2 3 4; do run models "$m" "$(more 4 1)" 1 $t "$@"; done
    run models "$m" "$(more 32 4)" "$(more 32 4)" 2 "$@"
  }
  whole "$float" "$(more 200 4)" 53 53 1e-4
  # Against the float32 model: the CPU provider's own float16 is no reference. In
  # float16 53 layers leave two digits. It takes five seconds an input here.
  if "$emulator" -L $sysroot "$work/check/halve" "$float" "$work/check/half.onnx"; then
    export REFERENCE="$float"
    whole "$work/check/half.onnx" "$(more 200 4)" 100 53 0.03
    unset REFERENCE
  else
    failed=$((failed + 1))
  fi
  whole "$static" 200 52 52 0
fi

echo "== instructions that the emulated processor executes for one inference, batch 1, 1 thread"
echo "   (a proxy: it says nothing about caches, stalls or clock, so it is no latency)"
counting=${QEMU_PLUGINS:-qemu-aarch64}
if [ -z "$models" ]; then
  echo "skipped: no models"
elif ! command -v "$counting" >/dev/null || ! "$counting" --help | grep -q -- -plugin; then
  echo "unavailable: no qemu-aarch64 with plugins (qemu-user-static has none); run: apt-get install -y qemu-user"
else
  cc -O2 -shared -fPIC -fvisibility=hidden agent/acl/check/count.c -o "$work/check/count.so"
  pi "$(command -v "$counting")" "$work/check/counting"
  counting=$PWD/$work/check/counting
  for m in "$float" "$work/check/half.onnx" "$static" "$models/food11_quantized_dynamic.onnx"; do
    for p in cpu acl; do
      n=$(nice -n 5 "$counting" -cpu cortex-a76 -L $sysroot -plugin "$work/check/count.so" "$work/check/inference" "$ort" "$plugin" "$m" $p 2>&1 |
        sed -n 's/^instructions //p')
      [ -n "$n" ] || { failed=$((failed + 1)) n=FAILED; }
      echo "$(basename "$m") $p $n"
    done
  done
fi

[ $failed = 0 ] || { echo "test-acl: $failed check(s) failed"; exit 1; }
echo "test-acl: passed"
