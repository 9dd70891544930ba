package page

import (
	"fmt"
	"math"

	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

// lane is one signal of the device, block by block, under the latencies of the same
// blocks: what was hot, slow or busy stands below what took longer.
type lane struct {
	Name, Range string
	Plot        drawing
}

// signals are drawn where at least two blocks have them.
var signals = []struct {
	name   string
	of     func(*trial.Conditions) trial.Reading[float64]
	format func(low, high float64) string
}{
	{"temperature", func(c *trial.Conditions) trial.Reading[float64] { return highest(c.Temperature) },
		func(low, high float64) string { return fmt.Sprintf("%.3g to %.3g °C", low, high) }},
	{"clock", func(c *trial.Conditions) trial.Reading[float64] {
		if c.ProbeHz.Value != nil {
			return highest(c.ProbeHz)
		}
		return highest(c.ClockHz)
	}, func(low, high float64) string { return fmt.Sprintf("%.3g to %.3g GHz", low/1e9, high/1e9) }},
	{"waiting for a core", func(c *trial.Conditions) trial.Reading[float64] {
		ns, ok := c.Pressure.Get()
		if !ok || c.DurationNS <= 0 {
			return trial.Unread[float64](c.Pressure.Unavailable)
		}
		return trial.Read(min(1, float64(ns)/float64(c.DurationNS)))
	}, func(low, high float64) string {
		return words.Percent(low) + " to " + words.Percent(high) + " of the time"
	}},
	{"other load", func(c *trial.Conditions) trial.Reading[float64] { return c.Outside },
		func(low, high float64) string { return fmt.Sprintf("%.2g to %.2g cores", low, high) }},
}

func highest(r trial.Reading[trial.Range]) trial.Reading[float64] {
	if v, ok := r.Get(); ok {
		return trial.Read(v.High)
	}
	return trial.Unread[float64](r.Unavailable)
}

// maxLaneBlocks bounds the blocks that are drawn.
const maxLaneBlocks = 240

// lanes draws a trial's signals over the places of its blocks: from is where its first
// inference stands in the picture above.
func lanes(r *findings.Row, from float64) (out []lane) {
	blocks := r.Result.Blocks
	if len(blocks) < 2 || len(blocks) > maxLaneBlocks || r.N == 0 {
		return nil
	}
	at := func(i int) float64 { return from + (1-from)*float64(i)/float64(r.N) }
	for _, s := range signals {
		values, low, high, n := make([]float64, len(blocks)), math.Inf(1), math.Inf(-1), 0
		for i, b := range blocks {
			values[i] = math.NaN()
			if b.Conditions == nil {
				continue
			}
			if v, ok := s.of(b.Conditions).Get(); ok && !math.IsNaN(v) && !math.IsInf(v, 0) && v >= 0 {
				values[i], low, high, n = v, min(low, v), max(high, v), n+1
			}
		}
		if n < 2 {
			continue
		}
		out = append(out, lane{s.name, s.format(low, high), laneOf(r, s.name, values, low, high, at)})
	}
	return out
}

// laneOf draws a step for each block, between the lowest and the highest of all.
func laneOf(r *findings.Row, name string, values []float64, low, high float64, at func(int) float64) drawing {
	const height = 22.0
	d := drawing{Height: int(height), Label: fmt.Sprintf("%s in %d blocks", name, len(values))}
	// Noise of a few per cent does not fill the height.
	if room := max(0.05*high, 1e-9); high-low < room {
		low, high = (low+high-room)/2, (low+high+room)/2
	}
	d.line(0, height, 1, height, "grid")
	last := math.NaN()
	for i, b := range r.Result.Blocks {
		v := values[i]
		if math.IsNaN(v) {
			last = v
			continue
		}
		y := 3 + (height-6)*(1-(v-low)/(high-low))
		if !math.IsNaN(last) {
			d.line(at(b.First), last, at(b.First), y, "signal")
		}
		d.line(at(b.First), y, at(b.First+b.N), y, "signal")
		last = y
	}
	return d
}
