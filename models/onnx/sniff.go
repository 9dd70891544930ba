package onnx

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxFields bounds how many top-level fields Sniff looks at. A ModelProto has
// a handful, and one more for each metadata entry and local function.
const maxFields = 100000

// others are how files begin that are met in a model's place.
var others = []struct{ is, begins string }{
	{"a Git LFS pointer: `git lfs pull` gets the model", "version https://git-lfs"},
	{"a web page", "<!DOCTYPE"}, {"a web page", "<!doctype"}, {"a web page", "<html"},
	{"a zip archive, as PyTorch's .pt and .pth are: export the model with torch.onnx.export", "PK\x03\x04"},
	{"gzip-compressed: `gunzip` it", "\x1f\x8b"}, {"zstd-compressed: `unzstd` it", "\x28\xb5\x2f\xfd"},
	{"HDF5, as Keras's .h5 is: convert the model with tf2onnx", "\x89HDF"},
	{"a picture", "\x89PNG"}, {"a picture", "\xff\xd8\xff"},
	{"Python's pickle: export the model with torch.onnx.export or skl2onnx", "\x80\x02"},
	{"Python's pickle: export the model with torch.onnx.export or skl2onnx", "\x80\x04"},
	{"TensorFlow Lite's: convert the model with tf2onnx", "????TFL3"},
	{"ONNX Runtime's own .ort: give the .onnx that it was made of", "????ORTM"},
	{"safetensors, weights without a graph: export the model with torch.onnx.export", "????????{"},
}

// other says what a file is that begins so, "" where it is nothing that is known.
func other(head []byte) string {
	for _, o := range others {
		same := len(head) >= len(o.begins)
		for i := 0; same && i < len(o.begins); i++ {
			same = o.begins[i] == '?' || o.begins[i] == head[i]
		}
		if same {
			return o.is
		}
	}
	return ""
}

// Sniff says why a file cannot be an ONNX model, nil if it may be one. It
// steps over the top-level fields of a ModelProto without reading what is in
// them, so that a large file costs little: the file must be well-formed to its
// end and hold an IR version and a graph. Whether a runtime accepts the graph
// is for the runtime to say.
func Sniff(f io.ReaderAt, size int64) error {
	var version, graph bool
	header := make([]byte, 20) // the longest tag and length, 10 bytes each
	at := int64(0)
	head := make([]byte, 24)
	n, err := f.ReadAt(head[:min(24, size)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if is := other(head[:n]); is != "" {
		return fmt.Errorf("not an ONNX model: it is %s", is)
	}
	for count := 0; at < size; count++ {
		if count == maxFields {
			return errors.New("not an ONNX model: too many top-level fields")
		}
		n, err := f.ReadAt(header[:min(20, size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		number, kind, length := skim(header[:n])
		if length < 0 || length > size-at {
			return fmt.Errorf("not an ONNX model, or cut short: its bytes make no sense from offset %d of %d", at, size)
		}
		at += length
		version = version || number == modelIRVersion && kind == protowire.VarintType
		graph = graph || number == modelGraph && kind == protowire.BytesType
	}
	switch {
	case !version:
		return errors.New("not an ONNX model: it has no IR version")
	case !graph:
		return errors.New("not an ONNX model: it has no graph")
	}
	return nil
}

// skim reads the tag at the start of b and returns the length of the whole
// field, -1 if it is not well formed.
func skim(b []byte) (number protowire.Number, kind protowire.Type, length int64) {
	number, kind, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return 0, 0, -1
	}
	switch kind {
	case protowire.VarintType:
		_, n := protowire.ConsumeVarint(b[tag:])
		if n < 0 {
			return 0, 0, -1
		}
		return number, kind, int64(tag + n)
	case protowire.Fixed32Type:
		return number, kind, int64(tag + 4)
	case protowire.Fixed64Type:
		return number, kind, int64(tag + 8)
	case protowire.BytesType:
		v, n := protowire.ConsumeVarint(b[tag:])
		if n < 0 || v > 1<<40 {
			return 0, 0, -1
		}
		return number, kind, int64(tag+n) + int64(v)
	}
	return 0, 0, -1 // groups: ONNX has none
}
