package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/stats"
	"chexp/experiments/words"
	"chexp/models/infer"
	"chexp/models/onnx"
	"chexp/models/quant"
	"chexp/models/samples"

	"github.com/urfave/cli/v2"
)

func (a modelVerbs) modelCompareCommand() *cli.Command {
	return &cli.Command{
		Name: "compare", Usage: "judge models against a float one, and race them, on this machine",
		ArgsUsage: "FLOAT MODEL...",
		Description: "" +
			"Agreement, accuracy and error are against the first model's answers. Agreement and accuracy count the\n" +
			"largest number of the first output, where that is a list of classes; of every output there are its\n" +
			"errors. Cosine is a mean over the samples that have one: an answer of zeros has none. SQNR is the\n" +
			"signal's power over that of the difference, 200 dB where there is none. Times are of inferences in turns,\n" +
			"one thread, and ratios against the second model: an order of the models on this machine, no\n" +
			"measurement of a device. A float16 model answers here with what each node makes rounded to float16,\n" +
			"and sums in float32.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "data", Usage: "`DIR` of pictures, .npy arrays, or .npz archives of all inputs"},
			&cli.StringFlag{Name: "outputs", Value: quant.AutoOutputs,
				Usage: "what the first output is: `classes`, values (boxes, sequences, embeddings), or auto, which says " +
					"how it decided",
				Action: oneOf(quant.AutoOutputs, quant.ClassOutputs, quant.ValueOutputs)},
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
	if c.String("data") == "" && !c.IsSet("input") {
		return failure.Usage.Errorf("--data DIR is missing: the models are judged on pictures or arrays, or on inputs " +
			"that --input describes").
			Advise("`chexp model compare --help`")
	}
	exact, _ := target(c)
	var models []*onnx.Model
	var lines []compared
	var first *fed
	for _, name := range c.Args().Slice() {
		w, err := a.loadModel(c.Context, name)
		if err != nil {
			return err
		}
		f, err := feeding(c, w.ONNX)
		if err != nil {
			return err
		}
		if first == nil {
			first = f
		}
		models = append(models, w.ONNX)
		lines = append(lines, compared{Model: name, Bytes: w.Bytes})
	}
	list, set, err := a.sampled(c, c.String("data"), first)
	if err != nil {
		return refused("", err)
	}
	r, err := startRunner()
	if err != nil {
		return err
	}
	ref, err := judgeAndRace(c, r, infer.Options{Config: exact}, models, list, set, lines)
	if closing := r.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return refused("", err)
	}
	return a.printCompared(c, lines, ref, set)
}

func judgeAndRace(
	c *cli.Context, r infer.Runner, o infer.Options, models []*onnx.Model, list []quant.Sample,
	set *samples.Set, lines []compared,
) (*quant.Reference, error) {
	ref, err := quant.NewReferenceOf(c.Context, r, o, models[0], list, set.Labels, c.String("outputs"))
	if err != nil {
		return nil, err
	}
	if n := len(set.Listing.Classes); ref.Labels != nil && n != ref.Classes {
		ref.Forget()
	}
	lines[0].Judgement = ref.Float
	for i, m := range models[1:] {
		if lines[i+1].Judgement, err = ref.Judge(c.Context, m); err != nil {
			return nil, fmt.Errorf("%s: %w", lines[i+1].Model, err)
		}
	}
	if c.Int("rounds") < 1 {
		return ref, nil
	}
	for i, m := range models {
		if lines[i].LoadNS, err = loadTime(c.Context, r, m); err != nil {
			return nil, err
		}
	}
	const seed = 1
	times, err := quant.Race(c.Context, r, infer.Options{}, models, list, c.Int("rounds"), max(1, c.Int("runs")), seed)
	if err != nil {
		return nil, err
	}
	for i := range lines {
		lines[i].MedianNS = stats.NewSample(slices.Concat(times[i]...)).Median()
		if ratio, ok := stats.PairedRatio(times[i], times[1], seed); ok && i != 1 {
			lines[i].Ratio = &ratio
		}
	}
	return ref, nil
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

func (a modelVerbs) printCompared(c *cli.Context, lines []compared, ref *quant.Reference, set *samples.Set) error {
	switch c.String("format") {
	case "json", "yaml":
		return writeData(a.out, c.String("format"), lines)
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
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%.1f\t%s\t%s\t%s\n", words.Printable(filepath.Base(x.Model)),
			megabytes(x.Bytes), agreement(j), accuracy(j), cosine(j), j.SQNR, load, median, ratio)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s; times of this machine, one thread, in turns\n",
		words.Plural(lines[0].Judgement.Inputs, "sample"))
	for _, text := range comparedNotes(ref, set) {
		fmt.Fprintln(a.out, words.Printable(text))
	}
	if len(ref.Float.Outputs) > 1 || !ref.Kind.Classes {
		return outputsText(a.out, lines)
	}
	return nil
}

// comparedNotes says how the first output was taken, and what was not compared.
func comparedNotes(ref *quant.Reference, set *samples.Set) (notes []string) {
	kind := "no list of classes, so there is no agreement and no accuracy"
	if ref.Kind.Classes {
		kind = fmt.Sprintf("taken for %d classes", ref.Classes)
	}
	guess := ""
	if ref.Kind.Guess {
		guess = "; a guess, --outputs classes or values says what it is"
	}
	notes = append(notes, fmt.Sprintf("the first output is %s (%s%s)", kind, ref.Kind.Why, guess))
	if text := set.Listing.Said(); text != "" {
		notes = append(notes, text)
	}
	if n := len(set.Listing.Classes); n > 0 && ref.Kind.Classes && n != ref.Classes {
		notes = append(notes, fmt.Sprintf("no accuracy: the data has %d classes and the model answers with %d; --classes "+
			"names all of them in the order of the outputs", n, ref.Classes))
	}
	if len(ref.Skipped) > 0 {
		notes = append(notes, "not compared: "+strings.Join(ref.Skipped, ", "))
	}
	return notes
}

// outputsText is a table of every output of every model but the first.
func outputsText(w io.Writer, lines []compared) error {
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "OUTPUT\tSHAPE\tMODEL\tCOSINE\tSQNR DB\tMAX ERROR\tLARGEST\tEQUAL\t")
	number := func(format string, v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf(format, *v)
	}
	for i, first := range lines[0].Judgement.Outputs {
		for _, x := range lines[1:] {
			e := x.Judgement.Outputs[i]
			var notes []string
			if e.OtherShape > 0 {
				notes = append(notes, words.Plural(e.OtherShape, "sample")+" with another shape, not compared")
			}
			if e.NotFinite > 0 {
				notes = append(notes, words.Plural(int(e.NotFinite), "value")+" finite in one model only")
			}
			fmt.Fprintf(tw, "%s\t%v\t%s\t%s\t%s\t%s\t%.3g\t%s\t%s\n", words.Printable(first.Name), first.Shape,
				words.Printable(filepath.Base(x.Model)), number("%.4f", e.Cosine), number("%.1f", e.SQNR),
				number("%.3g", e.MaxError), e.Largest, words.Percent(e.Equal), strings.Join(notes, ", "))
		}
	}
	return tw.Flush()
}

func ratioText(r stats.Estimate) string {
	s := fmt.Sprintf("×%.3f", r.Ratio)
	if i, ok := r.Interval.Get(); ok {
		s += fmt.Sprintf(" [%.3f, %.3f]", i.Low, i.High)
	}
	return s
}
