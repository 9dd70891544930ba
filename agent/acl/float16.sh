#!/bin/sh
# Compiles the part of the Arm Compute Library that Debian's build leaves out,
# its float16 kernels, from Debian's own sources:
#
#   CXX=… agent/acl/float16.sh SOURCES.tar.xz OUT.o
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
# whether there is float16, but for the ones that refuse it without (Winograd, Mul,
# Concatenate). One too few here is a kernel that is chosen and absent: the answers
# are wrong, or it crashes, and `make test-acl` says so.
cpu=src/cpu/kernels neon=src/core/NEON/kernels
choose="src/cpu/operators/CpuGemm.cpp src/cpu/operators/internal/CpuGemmAssemblyDispatch.cpp
  $cpu/activation/heuristics/CpuActivationKernelHeuristics.cpp $cpu/internal/CpuDepthwiseConv2dAssemblyWrapperKernel.cpp
  $cpu/internal/CpuPool2dAssemblyWrapperKernel.cpp $neon/arm_gemm/transform.cpp $neon/arm_gemm/interleave_indirect.cpp"
for k in Activation Add Col2Im DepthwiseConv2dNative DirectConv2d DirectConv2dOutputStage GemmInterleave4x4 GemmMatrixAddition GemmMatrixMultiply \
  GemmTranspose1xW Im2Col Pool2d Reshape Transpose WeightsReshape; do
  choose="$choose $cpu/Cpu${k}Kernel.cpp"
done
for k in activation add depthwiseconv2d directconv2d_output_stage gemm_matrix_add gemm_matrix_mul; do
  kernels="${kernels:-} $cpu/$k/generic/neon/fp16.cpp"
done
kernels="$kernels $cpu/pool2d/neon/fp16.cpp $cpu/directconv2d/nchw/fp16.cpp $cpu/directconv2d/nhwc/neon/fp16.cpp
  $neon/arm_gemm/gemm_fp16.cpp $neon/arm_gemm/mergeresults-fp16.cpp $neon/arm_gemm/kernels/a64_hgemm_*/*.cpp $neon/arm_gemm/kernels/a64_hybrid_fp16_*/*.cpp
  $neon/arm_conv/*/*_fp16.cpp $neon/arm_conv/*/kernels/a64_fp16_*/*.cpp"
flags="-std=c++14 -w -fPIC -fno-gnu-unique -ffunction-sections -fdata-sections -ffile-prefix-map=$tmp=. -DARCH_ARM -DARM_COMPUTE_CPP_SCHEDULER=1
  -DARM_COMPUTE_CPU_ENABLED -DENABLE_NEON -DARM_COMPUTE_ENABLE_NEON -DENABLE_FP16_KERNELS -DARM_COMPUTE_ENABLE_FP16 -DENABLE_FP32_KERNELS
  -DENABLE_QASYMM8_KERNELS -DENABLE_QASYMM8_SIGNED_KERNELS -DENABLE_QSYMM16_KERNELS -DENABLE_INTEGER_KERNELS -DENABLE_NHWC_KERNELS
  -DENABLE_NCHW_KERNELS -I. -Iinclude -I$neon/assembly -I$cpu/assembly -I$neon/arm_gemm -I$neon/arm_conv -I$neon/convolution/common"

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
mv all.o "$out"
