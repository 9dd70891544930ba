//go:build cgo

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/ort"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/infer"
	"chexp/models/onnx"
	"chexp/models/plates"
	"chexp/models/quant"
	"chexp/models/train"
)

// finisher turns a finished training into the files of models/builtin and says
// how accurate the models are that are made of them.
type finisher struct {
	trainer  *train.Trainer
	lib      *ort.Library
	threads  int
	pictures int
	dir      string
}

// calibration is how many pictures choose the ranges of the static model: six
// of each kind.
const calibration = 6 * plates.Classes

func (f finisher) finish(ctx context.Context) error {
	folded, err := f.trainer.Finish(10, 32)
	if err != nil {
		return err
	}
	weights, err := f.trainer.Net.Half(folded)
	if err != nil {
		return err
	}
	float, err := builtin.Plates11(weights)
	if err != nil {
		return err
	}
	ranges, err := f.calibrate(ctx, float)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(ranges, "", " ")
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{builtin.WeightsFile: weights, builtin.RangesFile: append(text, '\n')} {
		if err := os.WriteFile(filepath.Join(f.dir, name), data, 0o666); err != nil {
			return err
		}
	}
	steps, drawn, seconds := f.trainer.Progress()
	fmt.Printf("%d steps, %d pictures, %.0f s; %d bytes of weights, %d ranges\n", steps, drawn, seconds, len(weights), len(ranges))
	return f.evaluate(float, ranges)
}

// calibrate runs pictures that are neither trained nor evaluated on through the
// float model and keeps the lowest and highest of every value.
func (f finisher) calibrate(ctx context.Context, float []byte) (map[string]quant.Range, error) {
	m, err := onnx.Parse(float)
	if err != nil {
		return nil, err
	}
	if m, err = quant.Prepare(m); err != nil {
		return nil, err
	}
	size := f.trainer.Net.Size
	var samples []quant.Sample
	for id := range calibration {
		picture, err := plates.Draw(plates.Calibration, id, size)
		if err != nil {
			return nil, err
		}
		values := make([]float32, len(picture))
		plates.Input(values, picture)
		raw := make([]byte, 0, 4*len(values))
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		samples = append(samples, quant.Sample{{Name: "input", Type: onnx.Float32, Dims: []int64{1, 3, int64(size), int64(size)}, Raw: raw}})
	}
	c, err := quant.Calibrate(ctx, ort.Inference{Library: f.lib}, m, quant.Options{Mode: quant.Static, Format: quant.QOperator}, samples)
	if err != nil {
		return nil, err
	}
	return c.Ranges(quant.MinMax), nil
}

// evaluate prints the held-out accuracy of all the models.
func (f finisher) evaluate(float []byte, ranges map[string]quant.Range) error {
	static, err := builtin.StaticINT8(float, ranges)
	if err != nil {
		return err
	}
	dynamic, err := builtin.DynamicINT8(float)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name  string
		data  []byte
		exact bool
	}{
		{"fp32", float, false}, {"int8-static, as the processor multiplies", static, false},
		{"int8-static, exactly (session.x64quantprecision=1)", static, true}, {"int8-dynamic", dynamic, true},
	} {
		path := filepath.Join(f.dir, "evaluated.onnx")
		if err := os.WriteFile(path, m.data, 0o666); err != nil {
			return err
		}
		provider := trial.Provider{Name: "cpu"}
		if m.exact {
			provider.Options = infer.Exact()
		}
		options := ort.Options{Provider: provider, Threads: f.threads, Batch: 1}
		reply := accuracy.Evaluate(accuracy.Request{Pictures: f.pictures}, f.threads, func() (accuracy.Engine, error) { return f.lib.Open(path, options) })
		if err := os.Remove(path); err != nil {
			return err
		}
		if reply.Reason != nil {
			return errors.New(reply.Reason.Text)
		}
		right := reply.Right()
		share := stats.Proportion(right, f.pictures)
		fmt.Printf("%-52s %8d bytes, held out: %d of %d right, %.1f %% (95 %%: %.1f to %.1f)\n",
			m.name, len(m.data), right, f.pictures, 100*float64(right)/float64(f.pictures), 100*share.Low, 100*share.High)
	}
	return nil
}
