// Package builtin makes the models that need no file and no network. The
// plates11 models are trained, on drawn pictures (MODEL.md): their accuracy is
// real, and can be measured anywhere. The others have the topology of real ones
// but seeded random weights: UNTRAINED, right for measuring time and memory and
// for nothing else. Each says in the file itself what it is. The bytes are the
// same on every platform; package catalog pins their SHA-256.
package builtin

import "chexp/models/builtin/untrained"

// Generate makes a builtin model's file.
func Generate(name string) ([]byte, error) {
	switch name {
	case "plates11-fp32":
		return plates11()
	case "plates11-int8-static":
		return plates11Static()
	case "plates11-int8-dynamic":
		return plates11Dynamic()
	}
	return untrained.Generate(name)
}
