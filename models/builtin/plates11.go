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
	weightsFile = "plates11.f16"
	rangesFile  = "plates11-ranges.json"
)

//go:embed plates11.f16
var plates11Weights []byte

//go:embed plates11-ranges.json
var plates11Ranges []byte

func plates11() ([]byte, error) {
	net := mobilenet.V2(plates.Classes)
	w, err := net.FromHalf(plates11Weights)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", weightsFile, err)
	}
	doc := "MobileNetV2 1.0, 3x224x224 to 11 classes, trained on plates: DRAWN pictures of dishes. " +
		"Not photographs, and not Food-11: it knows no real food."
	m, err := mobilenet.Build(net, w, mobilenet.Info{Name: "plates11", Doc: doc, Metadata: []onnx.Property{
		{Key: "chexp.trained", Value: "true"},
		{Key: "chexp.data", Value: "plates: drawn pictures, not photographs; not Food-11"},
		// The trainer's name then; the file's SHA-256 is pinned, so it stays.
		{Key: "chexp.weights", Value: "trained by chexp-train, kept in 16 bits"},
	}})
	if err != nil {
		return nil, err
	}
	return m.Marshal()
}

// staticOptions: per-channel 8-bit weights and ONNX Runtime's quantized
// operators. The 8 bits are for processors that add products in 32 bits, as
// Arm's do; x86-64 without VNNI needs session.x64quantprecision=1.
var staticOptions = quant.Options{Mode: quant.Static, Format: quant.QOperator}

func plates11Static() ([]byte, error) {
	m, err := plates11Prepared()
	if err != nil {
		return nil, err
	}
	var ranges map[string]quant.Range
	if err := json.Unmarshal(plates11Ranges, &ranges); err != nil {
		return nil, fmt.Errorf("%s: %w", rangesFile, err)
	}
	if m, err = quant.StaticModel(m, ranges, staticOptions); err != nil {
		return nil, err
	}
	return m.Marshal()
}

// plates11Dynamic is the version whose activations get their scales while it
// runs.
func plates11Dynamic() ([]byte, error) {
	m, err := plates11Prepared()
	if err != nil {
		return nil, err
	}
	if m, err = quant.DynamicModel(m, quant.Options{Mode: quant.Dynamic}); err != nil {
		return nil, err
	}
	return m.Marshal()
}

// plates11Prepared is the float model as the quantizer wants it.
func plates11Prepared() (*onnx.Model, error) {
	float, err := plates11()
	if err != nil {
		return nil, err
	}
	m, err := onnx.Parse(float)
	if err != nil {
		return nil, err
	}
	return quant.Prepare(m)
}
