// Package catalog is the list of the models that chexp can make itself: their
// names, what they are, and the size and SHA-256 that generating them must
// give. It is data only, so that the experiment file's reader can know the
// names without knowing how the models are made (package models/builtin) or
// fetched (package models).
package catalog

// Builtin is one model that needs no file and no network.
type Builtin struct {
	Name        string // as written in `builtin:`
	Description string // one line for people
	SHA256      string // of the generated .onnx file, the same on every platform
	Bytes       int64
	Trained     bool
}

// builtins in the order in which they are listed to people.
var builtins = []Builtin{
	{
		Name: "plates11-fp32",
		Description: "MobileNetV2 1.0, 3x224x224 -> 11 classes, FP32, dynamic batch; trained on drawn pictures, not " +
			"photographs; not Food-11",
		SHA256:  "1c9a04b02268c65d5e98de2f8eeb8208e80e3af93136f8f950b8adfc7576f2d7",
		Bytes:   8902542,
		Trained: true,
	},
	{
		Name: "plates11-int8-static",
		Description: "plates11-fp32 in static INT8 (8-bit weights per channel, quantized operators); trained on " +
			"drawn pictures, not photographs",
		SHA256:  "2c21af5f0241b957f69aa113a8d14d2999c9c1d4475178abb3a6b6ea7ad723e6",
		Bytes:   2373057,
		Trained: true,
	},
	{
		Name: "plates11-int8-dynamic",
		Description: "plates11-fp32 in dynamic INT8 (8-bit weights per channel, scales computed in every run); " +
			"trained on drawn pictures, not photographs",
		SHA256:  "6a39ce8c6d1e2883f024f3347c27debd8aa6b3b49813378568cd4016dcf3c583",
		Bytes:   2368173,
		Trained: true,
	},
	{
		Name: "mobilenetv2-11",
		Description: "MobileNetV2 1.0, 3x224x224 -> 11 classes, FP32, dynamic batch; UNTRAINED (seeded random " +
			"weights): for time and memory only",
		SHA256: "a7e66d7964ea3725ad2108c3340afcf0166fc1ad995a16de46432b2aa7f3e846",
		Bytes:  8902496,
	},
	{
		Name: "tiny-cnn",
		Description: "three convolutions, 3x32x32 -> 11 classes, FP32, dynamic batch; UNTRAINED (seeded random " +
			"weights): for trying things out",
		SHA256: "068cce77d3fd551d1a38265351c4a4ab744d06b8446c6aee1f5deebbe32e7696",
		Bytes:  98778,
	},
}

// Builtins returns all of them.
func Builtins() []Builtin { return append([]Builtin(nil), builtins...) }

// Names returns the names, in the order of Builtins.
func Names() []string {
	names := make([]string, len(builtins))
	for i, b := range builtins {
		names[i] = b.Name
	}
	return names
}

// Find returns the builtin of that name.
func Find(name string) (Builtin, bool) {
	for _, b := range builtins {
		if b.Name == name {
			return b, true
		}
	}
	return Builtin{}, false
}
