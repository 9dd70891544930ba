package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/stats"
	"chexp/experiments/words"
	"chexp/models/infer"
	"chexp/models/onnx"
	"chexp/models/quant"

	"github.com/urfave/cli/v2"
)

func (a modelVerbs) modelCompareCommand() *cli.Command {
	return &cli.Command{
		Name: "compare", Usage: "judge models against a float one, and race them, on this machine",
		ArgsUsage: "FLOAT MODEL...",
		Description: "" +
			"Agreement, accuracy and error are against the first model's answers. Times are of inferences in turns,\n" +
			"one thread, and ratios against the second model: an order of the models on this machine, no\n" +
			"measurement of a device. A float16 model answers here with what each node makes rounded to float16,\n" +
			"and sums in float32.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "data", Usage: "`DIR` of pictures, .npy arrays, or .npz archives of all inputs"},
			&cli.IntFlag{Name: "rounds", Value: 12, Usage: "`N` blocks of inferences for each model; 0: no race",
				Action: between(0, 1000)},
			&cli.IntFlag{Name: "runs", Value: 15, Usage: "`N` inferences in a block", Action: between(1, 100_000)},
			targetFlag(),
		}, sampleFlags()...),
		Action: a.modelCompare,
	}
}

// compared is one model's line.
type compared struct {
	Model     string          `json:"model"`
	Bytes     int64           `json:"bytes"`
	Judgement quant.Judgement `json:"judgement"`
	MedianNS  float64         `json:"median_ns,omitempty"`
	LoadNS    time.Duration   `json:"load_ns,omitempty"`
	Ratio     *stats.Estimate `json:"time_ratio,omitempty"` // to the second model's
}

func (a modelVerbs) modelCompare(c *cli.Context) error {
	if c.NArg() < 2 {
		return failure.Usage.
			Errorf("`chexp model compare` takes a float model and at least one other; it got %d", c.NArg()).
			Advise("`chexp model compare --help`")
	}
	if c.String("data") == "" {
		return failure.Usage.Errorf("--data DIR is missing: the models are judged on pictures or arrays").
			Advise("`chexp model compare --help`")
	}
	exact, _ := target(c)
	var models []*onnx.Model
	var lines []compared
	for _, name := range c.Args().Slice() {
		w, err := a.loadModel(c.Context, name)
		if err != nil {
			return err
		}
		if _, err := settle(w.ONNX, c.String("shape")); err != nil {
			return refused("", err)
		}
		models = append(models, w.ONNX)
		lines = append(lines, compared{Model: name, Bytes: w.Bytes})
	}
	list, set, err := a.readSamples(c, models[0], c.String("data"))
	if err != nil {
		return refused("", err)
	}
	r, err := startRunner()
	if err != nil {
		return err
	}
	err = judgeAndRace(c, r, infer.Options{Config: exact}, models, list, set.Labels, lines)
	if closing := r.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return refused("", err)
	}
	return a.printCompared(c, lines, set.Listing.Said())
}

func judgeAndRace(
	c *cli.Context, r infer.Runner, o infer.Options, models []*onnx.Model, list []quant.Sample,
	labels []int, lines []compared,
) error {
	ref, err := quant.NewReference(c.Context, r, o, models[0], list, labels)
	if err != nil {
		return err
	}
	lines[0].Judgement = ref.Float
	for i, m := range models[1:] {
		if lines[i+1].Judgement, err = ref.Judge(c.Context, m); err != nil {
			return fmt.Errorf("%s: %w", lines[i+1].Model, err)
		}
	}
	if c.Int("rounds") < 1 {
		return nil
	}
	for i, m := range models {
		if lines[i].LoadNS, err = loadTime(c.Context, r, m); err != nil {
			return err
		}
	}
	const seed = 1
	times, err := quant.Race(c.Context, r, infer.Options{}, models, list, c.Int("rounds"), max(1, c.Int("runs")), seed)
	if err != nil {
		return err
	}
	for i := range lines {
		lines[i].MedianNS = stats.NewSample(slices.Concat(times[i]...)).Median()
		if ratio, ok := stats.PairedRatio(times[i], times[1], seed); ok && i != 1 {
			lines[i].Ratio = &ratio
		}
	}
	return nil
}

// loadTime loads a model three times and returns the shortest time, which is the
// least disturbed one.
func loadTime(ctx context.Context, r infer.Runner, m *onnx.Model) (least time.Duration, err error) {
	b, err := m.Marshal()
	if err != nil {
		return 0, err
	}
	for range 3 {
		begin := time.Now()
		s, err := r.Open(ctx, b, infer.Options{})
		if err != nil {
			return 0, err
		}
		if took := time.Since(begin); least == 0 || took < least {
			least = took
		}
		s.Close()
	}
	return least, nil
}

func (a modelVerbs) printCompared(c *cli.Context, lines []compared, classes string) error {
	switch c.String("format") {
	case "json":
		return writeJSON(a.out, lines)
	case "table":
	default:
		return badFormat(c.String("format"))
	}
	tw := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "MODEL\tSIZE\tAGREEMENT\tACCURACY\tCOSINE\tSQNR DB\tLOAD\tMEDIAN\tTIME AGAINST "+
		words.Printable(filepath.Base(lines[1].Model)))
	for _, x := range lines {
		j, load, median, ratio := x.Judgement, "-", "-", ""
		if x.MedianNS > 0 {
			load, median = milliseconds(x.LoadNS), milliseconds(time.Duration(x.MedianNS))
		}
		if x.Ratio != nil {
			ratio = ratioText(*x.Ratio)
		}
		fmt.Fprintf(tw, "%s\t%s\t%.3f\t%s\t%.4f\t%.1f\t%s\t%s\t%s\n", words.Printable(filepath.Base(x.Model)),
			megabytes(x.Bytes), j.Agreement, accuracy(j), j.Cosine, j.SQNR,
			load, median, ratio)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%d samples; times of this machine, one thread, in turns\n", lines[0].Judgement.Inputs)
	if classes != "" {
		fmt.Fprintln(a.out, words.Printable(classes))
	}
	return nil
}

func ratioText(r stats.Estimate) string {
	s := fmt.Sprintf("×%.3f", r.Ratio)
	if i, ok := r.Interval.Get(); ok {
		s += fmt.Sprintf(" [%.3f, %.3f]", i.Low, i.High)
	}
	return s
}
