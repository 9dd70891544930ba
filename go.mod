module chexp

go 1.26.0

require github.com/yalue/onnxruntime_go v1.27.0

require github.com/klauspost/compress v1.20.3
