package builtin

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"chexp/models/mobilenet"
	"chexp/models/onnx"
	"chexp/models/plates"
	"chexp/models/quant"
)

// The files from which the plates11 models are made; MODEL.md says how they
// were.
const (
	WeightsFile = "plates11.f16"
	RangesFile  = "plates11-ranges.json"
)

//go:embed plates11.f16
var plates11Weights []byte

//go:embed plates11-ranges.json
var plates11Ranges []byte

func plates11Static() ([]byte, error) {
	float, err := Plates11(plates11Weights)
	if err != nil {
		return nil, err
	}
	var ranges map[string]quant.Range
	if err := json.Unmarshal(plates11Ranges, &ranges); err != nil {
		return nil, fmt.Errorf("%s: %w", RangesFile, err)
	}
	return StaticINT8(float, ranges)
}

// Plates11 makes the float model of weights in 16 bits.
func Plates11(weights []byte) ([]byte, error) {
	net := mobilenet.V2(plates.Classes)
	w, err := net.FromHalf(weights)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", WeightsFile, err)
	}
	doc := "MobileNetV2 1.0, 3x224x224 to 11 classes, trained on plates: DRAWN pictures of dishes. " +
		"Not photographs, and not Food-11: it knows no real food."
	m, err := mobilenet.Build(net, w, mobilenet.Info{Name: "plates11", Doc: doc, Metadata: []onnx.Property{
		{Key: "chexp.trained", Value: "true"},
		{Key: "chexp.data", Value: "plates: drawn pictures, not photographs; not Food-11"},
		{Key: "chexp.weights", Value: "trained by chexp-train, kept in 16 bits"},
	}})
	if err != nil {
		return nil, err
	}
	return m.Marshal()
}

// StaticINT8 is the static version: per-channel 8-bit weights, ONNX Runtime's
// quantized operators. The 8 bits are for processors that add products in 32
// bits, as Arm's do; x86-64 without VNNI needs session.x64quantprecision=1.
func StaticINT8(float []byte, ranges map[string]quant.Range) ([]byte, error) {
	m, err := prepared(float)
	if err != nil {
		return nil, err
	}
	if m, err = quant.StaticModel(m, ranges, quant.Options{Mode: quant.Static, Format: quant.QOperator}); err != nil {
		return nil, err
	}
	return m.Marshal()
}

// DynamicINT8 is the dynamic version, whose activations get their scales while
// it runs.
func DynamicINT8(float []byte) ([]byte, error) {
	m, err := prepared(float)
	if err != nil {
		return nil, err
	}
	if m, err = quant.DynamicModel(m, quant.Options{Mode: quant.Dynamic}); err != nil {
		return nil, err
	}
	return m.Marshal()
}

func prepared(float []byte) (*onnx.Model, error) {
	m, err := onnx.Parse(float)
	if err != nil {
		return nil, err
	}
	return quant.Prepare(m)
}
