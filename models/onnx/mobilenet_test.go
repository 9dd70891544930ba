package onnx_test

import (
	"bytes"
	"testing"

	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/modeltest"
	"chexp/models/onnx"
)

// MobileNetV2 1.0 at 224: 300 M multiply-adds in its paper (Sandler et al.
// 2018, table 4), here with 11 classes instead of 1000.
func TestWorkOfMobileNets(t *testing.T) {
	for form, want := range map[modeltest.Form]trial.Work{
		modeltest.Float:   {Float: mobileNetConvolutions() + 11*1280},
		modeltest.Static:  {Integer: mobileNetConvolutions() + 11*1280},
		modeltest.Dynamic: {Integer: mobileNetConvolutions() + 11*1280},
	} {
		t.Run(string(form), func(t *testing.T) {
			modeltest.Each(t, form, builtin.Generate, func(t *testing.T, model []byte) { checkWork(t, model, want) })
		})
	}
}

func checkWork(t *testing.T, model []byte, want trial.Work) {
	m, err := onnx.Parse(model)
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.Work(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	if w.Float != want.Float || w.Integer != want.Integer {
		t.Errorf("%d float and %d integer multiply-adds, want %d and %d", w.Float, w.Integer, want.Float, want.Integer)
	}
	if w.ActivationBytes != 4*(3*224*224+11) || w.WeightBytes < 2_200_000 {
		t.Errorf("%+v", w)
	}
	three, err := onnx.Work(m, 3)
	if err != nil || three.Float != 3*w.Float || three.Integer != 3*w.Integer || three.WeightBytes != w.WeightBytes {
		t.Errorf("batch 3: %+v, %v", three, err)
	}
}

// What chexp writes itself, and the tutorial's exporters did, is read and written
// without a loss.
func TestMobileNetsRoundTrip(t *testing.T) {
	for _, form := range []modeltest.Form{modeltest.Float, modeltest.Static, modeltest.Dynamic} {
		modeltest.Each(t, form, builtin.Generate, func(t *testing.T, model []byte) {
			m, err := onnx.Parse(model)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Check(); err != nil {
				t.Error(err)
			}
			first, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if m, err = onnx.Parse(first); err != nil {
				t.Fatal(err)
			}
			if second, err := m.Marshal(); err != nil || !bytes.Equal(second, first) {
				t.Errorf("%s: not stable on the second pass (%d and %d bytes, %v)", form, len(first), len(second), err)
			}
		})
	}
}

// mobileNetConvolutions walks table 2 of the paper.
func mobileNetConvolutions() (sum int64) {
	side, channels := int64(112), int64(32)
	sum = side * side * 32 * 3 * 9
	for _, stage := range [][4]int64{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		stride := stage[3]
		for range stage[2] {
			wide := channels * stage[0]
			if stage[0] > 1 {
				sum += side * side * channels * wide
			}
			side /= stride
			sum += side*side*wide*9 + side*side*wide*stage[1]
			channels, stride = stage[1], 1
		}
	}
	return sum + side*side*320*1280
}
