#!/bin/sh
# Compiles the part of the Arm Compute Library that Debian's build leaves out,
# its float16 kernels, from Debian's own sources:
#
#   CXX=… agent/acl/float16.sh SOURCES.tar.xz OUT.o
#
# makes OUT.o and OUT.o.forbidden.
#
# Debian builds for every armv8-a, and so without them. This follows the library's
# own `multi_isa` build: the files that choose a kernel learn that there are float16
# ones, and the kernels, which run only where the CPU says that it has the
# arithmetic, are compiled for armv8.2-a+fp16. Only what the plugin's operators
# reach is built. Linked before Debian's library, the object takes the place of the
# members with the same functions.
set -eu
export LC_ALL=C
[ $# = 2 ] || { echo "usage: CXX=... agent/acl/float16.sh SOURCES.tar.xz OUT.o" >&2; exit 2; }
out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
tar -xJf "$1" -C "$tmp" --strip-components=1
cd "$tmp"
mkdir obj

# Of Debian's members that the plugin links: those whose source asks at compile time
# whether there is float16. A file too few here would be a kernel that is chosen and
# absent: wrong answers, or a crash. So build.sh refuses a plugin into which a member
# was linked that is named in OUT.o.forbidden, which is written below: Debian's copy of
# a file listed here (of kernels those that have no namesakes), and everything else
# that asks, but for the exceptions. A kernel too few is a symbol that nobody defines.
cpu=src/cpu/kernels neon=src/core/NEON/kernels
choose="src/cpu/operators/CpuGemm.cpp src/cpu/operators/internal/CpuGemmAssemblyDispatch.cpp
  $cpu/activation/heuristics/CpuActivationKernelHeuristics.cpp $cpu/internal/CpuDepthwiseConv2dAssemblyWrapperKernel.cpp
  $cpu/internal/CpuPool2dAssemblyWrapperKernel.cpp $neon/arm_gemm/transform.cpp $neon/arm_gemm/interleave_indirect.cpp
  $cpu/CpuActivationKernel.cpp $cpu/CpuAddKernel.cpp $cpu/CpuDepthwiseConv2dNativeKernel.cpp $cpu/CpuIm2ColKernel.cpp"
# Im2Col's kernels are in directconv2d.
kernels="$cpu/activation/generic/neon/fp16.cpp $cpu/add/generic/neon/fp16.cpp $cpu/depthwiseconv2d/generic/neon/fp16.cpp
  $cpu/directconv2d/nchw/fp16.cpp $cpu/directconv2d/nhwc/neon/fp16.cpp
  $neon/arm_gemm/gemm_fp16.cpp $neon/arm_gemm/mergeresults-fp16.cpp $neon/arm_gemm/kernels/a64_hgemm_*/*.cpp $neon/arm_gemm/kernels/a64_hybrid_fp16_*/*.cpp
  $neon/arm_conv/*/*_fp16.cpp $neon/arm_conv/*/kernels/a64_fp16_*/*.cpp"

# Debian's copy of these refuses float16 (which is checked here), and the library then
# does without: Winograd's algorithm and direct convolution are alternatives to a
# product; products and pooling have assembly kernels, which take all that the plugin
# claims; Mul and reductions belong to operators that it does not have.
refuse="src/cpu/operators/CpuWinogradConv2d.cpp $cpu/CpuDirectConv2dKernel.cpp $cpu/CpuDirectConv2dOutputStageKernel.cpp
  $cpu/CpuGemmMatrixMultiplyKernel.cpp $cpu/CpuGemmMatrixAdditionKernel.cpp $cpu/CpuPool2dKernel.cpp $cpu/CpuMulKernel.cpp
  $neon/NEReductionOperationKernel.cpp"
# CpuConv2d.cpp asks only to avoid some of Winograd's cases under fast math, which the
# plugin does not use. The rest is in no library for the plain armv8-a, but has a file
# name that others have too.
except="src/cpu/operators/CpuConv2d.cpp */sve*/* */sme*/* */SVE/* $neon/arm_gemm/kernels/a64_ff*/*"
# Headers that ask: they declare only, or ask for -march=armv8.2-a too, or belong to
# the kernels. What Validate.h and Registrars.h choose has the names looked for below.
headers="arm_gemm/kernels/a64_hgemm_8x24.hpp arm_gemm/merges/a64_merge_fp16_24x8.hpp convolution/common/shims.hpp
  src/core/CPP/Validate.h src/core/common/Registrars.h activation/generic/neon/impl.h crop/generic/neon/crop_helper.h pool2d/neon/list.h"

flags="-std=c++14 -w -fPIC -fno-gnu-unique -ffunction-sections -fdata-sections -ffile-prefix-map=$tmp=. -DARCH_ARM -DARM_COMPUTE_CPP_SCHEDULER=1
  -DARM_COMPUTE_CPU_ENABLED -DENABLE_NEON -DARM_COMPUTE_ENABLE_NEON -DENABLE_FP16_KERNELS -DARM_COMPUTE_ENABLE_FP16 -DENABLE_FP32_KERNELS
  -DENABLE_QASYMM8_KERNELS -DENABLE_QASYMM8_SIGNED_KERNELS -DENABLE_QSYMM16_KERNELS -DENABLE_INTEGER_KERNELS -DENABLE_NHWC_KERNELS
  -DENABLE_NCHW_KERNELS -I. -Iinclude -I$neon/assembly -I$cpu/assembly -I$neon/arm_gemm -I$neon/arm_conv -I$neon/convolution/common"

die() { echo "agent/acl/float16.sh: $*" >&2; exit 1; }
asks='ENABLE_FP16|FP16_KERNELS|FP16_VECTOR_ARITHMETIC|REGISTER_FP16|CPU_F16_UNSUPPORTED|unsupported_cpu_fp16'
# shellcheck disable=SC2086 # lists without blanks inside
{
  ls $choose $kernels > recompiled
  for f in $refuse; do
    sed 's|//.*||' "$f" | grep -q CPU_F16_UNSUPPORTED || die "$f is excepted because it refuses float16, and does not"
  done
  set -f
  grep -rlE 'ENABLE_FP16|[^_]FP16_KERNELS' --include=*.h --include=*.hpp --include=*.inl include arm_compute src support 2>/dev/null |
    grep -vE '/sve|/sme' | while read -r f; do
    for h in $headers; do case $f in *"$h") continue 2 ;; esac; done
    die "the header $f asks for float16; find out what in it depends on that"
  done
  for f in $choose $(grep 'fp16[^/]*$' recompiled); do echo "$(basename "$f" .cpp).o $f"; done > forbidden
  grep -rlE "$asks" --include=*.cpp src | sort | grep -vxFf recompiled | while read -r f; do
    sed 's|//.*||' "$f" | grep -qE "$asks" || continue
    for e in $refuse $except; do case $f in $e) continue 2 ;; esac; done
    echo "$(basename "$f" .cpp).o $f"
  done >> forbidden
  set +f
}

# What only chooses (src/cpu/operators) need not be fast; -O3 would take half of all the time for it.
# shellcheck disable=SC2086 # lists without blanks inside
{
  printf -- '-march=armv8-a %s\n' $choose
  printf -- '-march=armv8.2-a+fp16 %s\n' $kernels
} | nice -n 5 xargs -P "$(nproc)" -L 1 sh -c '
  case $4 in src/cpu/operators/*) speed=-O1 ;; *) speed=-O3 ;; esac
  $1 $2 $speed $3 -c "$4" -o "obj/$(echo "$4" | tr / _).o"' sh "$CXX" "$(echo $flags)"

# The kernels' copies of inline functions hold instructions that an older CPU lacks.
# So of the kernels only what the choosing files ask for may be seen: else the linker
# might take such a copy for everybody.
tools=$(echo "$CXX" | sed 's/g++.*$//')
objects() { printf 'obj/%s.o ' $(echo "$@" | tr / _); }
# shellcheck disable=SC2046,SC2086
{
  "$CXX" -r -nostdlib -o choose.o $(objects $choose)
  "$CXX" -r -nostdlib -Wl,--force-group-allocation -o kernels.o $(objects $kernels)
}
"${tools}nm" --undefined-only choose.o | awk '{ print $2 }' > wanted
"${tools}objcopy" --keep-global-symbols=wanted kernels.o
"$CXX" -r -nostdlib -o all.o choose.o kernels.o
# The linker takes our copy of an inline function for Debian's members too: of this
# one it must not, or they would not refuse.
! "${tools}nm" all.o | grep -q unsupported_cpu_fp16 || die "error_on_unsupported_cpu_fp16 was not inlined"
mv forbidden "$out.forbidden"
mv all.o "$out"
