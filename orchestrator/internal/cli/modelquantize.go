package cli

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/models/infer"
	"chexp/models/onnx"
	"chexp/models/quant"
	"chexp/models/samples"

	"github.com/urfave/cli/v2"
)

func (a modelVerbs) modelQuantizeCommand() *cli.Command {
	return &cli.Command{
		Name: "quantize", Usage: "make the INT8 or float16 version of a float model", ArgsUsage: "FILE|NAME",
		Description: "" +
			"Static models need pictures or .npy arrays like those that the model will see: two thirds calibrate,\n" +
			"one third is held back to choose how ranges are taken, and to judge. With --eval another folder\n" +
			"judges. A folder that holds folders gives labels: each is a class. The model runs in the agent of\n" +
			"this machine. Of a float16 model all samples judge; nodes whose values would leave float16 on them\n" +
			"stay in float32.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "mode", Value: string(quant.Static), Usage: "`static`, dynamic or float16",
				Action: oneOf(string(quant.Static), string(quant.Dynamic), string(quant.Half))},
			&cli.StringFlag{Name: "operators", Value: string(quant.QOperator),
				Usage:  "`qoperator` (partly ONNX Runtime's own: smaller, loads faster) or qdq (for any runtime)",
				Action: oneOf(string(quant.QOperator), string(quant.QDQ))},
			&cli.BoolFlag{Name: "per-tensor",
				Usage: "one scale for a whole weight tensor, as the Arm Compute Library provider needs"},
			&cli.Int64Flag{Name: "fix-batch",
				Usage:  "fix the free first dimension to `N`, as the Arm Compute Library provider needs",
				Action: positive},
			&cli.IntFlag{Name: "weights", Usage: "7 or 8 `bits`, instead of the target's default", Action: between(7, 8)},
			&cli.StringFlag{Name: "ranges", Value: string(quant.Auto), Usage: "`METHOD`: auto, " + methodNames(),
				Action: text(func(s string) error { _, err := quant.ParseMethod(s); return err })},
			&cli.StringSliceFlag{Name: "exclude", Usage: "node or operator that stays in float; may be repeated"},
			&cli.StringFlag{Name: "max-drop",
				Usage:  "back off node by node until no more than this is lost, such as `1pt`",
				Action: text(func(s string) error { _, err := points(s); return err })},
			&cli.StringFlag{Name: "data", Usage: "`DIR` of pictures, .npy arrays, or .npz archives of all inputs"},
			&cli.StringFlag{Name: "eval", Usage: "`DIR` to judge on, instead of what is held back of --data"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` to write"},
			targetFlag(),
		}, sampleFlags()...),
		Action: a.modelQuantize,
	}
}

// targetFlag belongs to the commands that judge a model as another CPU would
// compute it.
func targetFlag() cli.Flag {
	return &cli.StringFlag{Name: "target", Value: "arm64",
		Usage:  "`CPU` that will run it: arm64, amd64, amd64-vnni; decides about 7- or 8-bit weights",
		Action: oneOf("arm64", "amd64", "amd64-vnni")}
}

// sampleFlags say how files become inputs.
func sampleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "samples", Value: 96, Usage: "use at most `N` files of each folder; 0: all",
			Action: between(0, 100_000)},
		&cli.StringFlag{Name: "mean", Usage: "`R,G,B` subtracted from colours from 0 to 1 (default: ImageNet's)",
			Action: text(func(s string) error { _, err := colours(s); return err })},
		&cli.StringFlag{Name: "std", Usage: "`R,G,B` divided by (default: ImageNet's)", Action: text(deviations)},
		&cli.IntFlag{Name: "resize", Usage: "scale the shorter side to `N` pixels before the middle is cut out",
			Action: between(1, 10_000)},
		&cli.StringFlag{Name: "shape", Usage: "`1,C,H,W` of a sample, where the model leaves sizes open",
			Action: text(aShape)},
		&cli.StringFlag{Name: "layout", Value: "NCHW", Usage: "order of the input's dimensions: `NCHW` or NHWC",
			Action: oneOf("NCHW", "NHWC")},
		&cli.StringFlag{Name: "classes",
			Usage: "`NAMES` of all classes in the order of the outputs, with commas between them, or a file with one a " +
				"line (default: the folders, by number where all are numbers, else by name)"},
		&cli.BoolFlag{Name: "exif", Usage: "turn pictures upright as their EXIF data says"},
		inputFlag(), formats("table", "json", "yaml"),
	}
}

func methodNames() string {
	var names []string
	for _, m := range quant.Methods {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}

func badFlag(format string, args ...any) error {
	return failure.Usage.Errorf(format, args...).Advise("`chexp model quantize --help`")
}

func (a modelVerbs) modelQuantize(c *cli.Context) error {
	name, err := argument(c, "a model file or the name of a model")
	if err != nil {
		return err
	}
	q, err := quantizeFlags(c)
	if err != nil {
		return err
	}
	w, err := a.loadModel(c.Context, name)
	if err != nil {
		return err
	}
	fixBatch(w.ONNX, c.Int64("fix-batch"))
	q.Float, err = quant.Prepare(w.ONNX)
	if err == nil && q.Options.Mode == quant.Dynamic {
		quant.PrepareBodies(q.Float)
	}
	var f *fed
	if err == nil {
		f, err = feeding(c, q.Float)
	}
	if err != nil {
		return refused("cannot quantize "+name, err)
	}
	if c.String("data") == "" && !f.real() && (q.Options.Mode == quant.Static || q.MaxDrop >= 0) {
		return badFlag("--data DIR is missing: static quantization needs inputs like those that the model will see")
	}
	out := c.String("output")
	if out == "" {
		kind := "int8-" + string(q.Options.Mode)
		if q.Options.Mode == quant.Half {
			kind = string(quant.Half)
		}
		out = strings.TrimSuffix(filepath.Base(w.Path), filepath.Ext(w.Path)) + "-" + kind + ".onnx"
	}
	var res *quant.Result
	switch {
	case c.String("data") != "" || f.real():
		res, err = a.quantizeWithData(c, q, f)
	case q.Options.Mode == quant.Half:
		res, err = quant.PlainHalf(q.Float, q.Options)
	default:
		res, err = plainDynamic(q)
	}
	if err != nil {
		return refused("cannot quantize "+name, err)
	}
	b, err := res.Model.Marshal()
	if err != nil {
		return err
	}
	if err := putFile(out, b); err != nil {
		return failure.Storage.Errorf("cannot write %s", out).Advise("choose another place with -o").Because(err)
	}
	return a.printQuantized(c, q, res, out, w.Bytes, b)
}

// quantizeFlags reads the flags that can be judged without the model.
func quantizeFlags(c *cli.Context) (q quant.Request, err error) {
	q.Options = quant.Options{Mode: quant.Mode(c.String("mode")), Format: quant.Format(c.String("operators")),
		PerTensor: c.Bool("per-tensor"), WeightBits: c.Int("weights"), Exclude: c.StringSlice("exclude")}
	if q.Options.Mode == quant.Half {
		for _, f := range []string{"operators", "per-tensor", "weights", "ranges", "max-drop"} {
			if c.IsSet(f) {
				return q, badFlag("--%s is about integers; a float16 model has none", f)
			}
		}
	}
	exact, bits := target(c)
	q.Session.Config = exact
	if q.Options.WeightBits == 0 {
		q.Options.WeightBits = bits(q.Options.Mode)
	}
	if q.Method, err = quant.ParseMethod(c.String("ranges")); err != nil {
		return q, badFlag("%v", err)
	}
	q.MaxDrop = -1
	if s := c.String("max-drop"); s != "" {
		if q.MaxDrop, err = points(s); err != nil {
			return q, badFlag("--max-drop %v", err)
		}
	}
	return q, nil
}

// target reads --target: how this machine must compute to get that CPU's answers,
// and how many bits its weights should have.
func target(c *cli.Context) (exact map[string]string, bits func(quant.Mode) int) {
	name := c.String("target")
	arch, vnni := strings.CutSuffix(name, "-vnni")
	if infer.Saturates() && name != "amd64" {
		exact = infer.Exact()
	}
	return exact, func(m quant.Mode) int { return quant.WeightBits(arch, vnni, m) }
}

func preprocess(c *cli.Context) (samples.Preprocess, error) {
	p := samples.ImageNet()
	p.Resize, p.Layout, p.EXIF = c.Int("resize"), c.String("layout"), c.Bool("exif")
	for flag, to := range map[string]*[3]float32{"mean": &p.Mean, "std": &p.Std} {
		if c.String(flag) == "" {
			continue
		}
		v, err := colours(c.String(flag))
		if err != nil {
			return p, badFlag("--%s %v", flag, err)
		}
		*to = v
	}
	return p, nil
}

// fixBatch gives every free first dimension the size of --fix-batch.
func fixBatch(m *onnx.Model, n int64) {
	if n < 1 {
		return
	}
	for _, v := range slices.Concat(m.Graph.RealInputs(), m.Graph.Outputs) {
		if len(v.Shape) > 0 && !v.Shape[0].Known() {
			v.Shape[0] = onnx.Dim{Size: n}
		}
	}
}

// plainDynamic quantizes without samples.
func plainDynamic(q quant.Request) (*quant.Result, error) {
	if err := quant.Nothing(q.Float, q.Options); err != nil {
		return nil, err
	}
	begin := time.Now()
	m, err := quant.DynamicModel(q.Float, q.Options)
	return &quant.Result{Model: m, Options: q.Options, Emit: time.Since(begin)}, err
}

// readSamples reads a folder as inputs of a model, and says what of it is not
// used and which class is which.
func (a modelVerbs) readSamples(c *cli.Context, ports []*onnx.Value, dir string) (list []quant.Sample, set *samples.Set,
	err error) {
	from := samples.From{Dir: dir, Limit: c.Int("samples")}
	if from.Preprocess, err = preprocess(c); err != nil {
		return nil, nil, err
	}
	if from.Classes, err = classNames(c.String("classes")); err != nil {
		return nil, nil, err
	}
	sets, set, err := from.Sets(ports)
	if err != nil {
		return nil, nil, err
	}
	if text := set.Listing.Said(); text != "" {
		fmt.Fprintf(a.err, "  %s: %s\n", dir, words.Printable(text))
	}
	for _, text := range dataNotes(set.Listing.LeftOut, set.Turned, from.EXIF, "--exif") {
		fmt.Fprintf(a.err, "! %s: %s\n", dir, words.Printable(text))
	}
	for _, tensors := range sets {
		list = append(list, quant.Sample(tensors))
	}
	return list, set, nil
}

// quantizeWithData calibrates and judges on samples, in the agent of this machine.
func (a modelVerbs) quantizeWithData(c *cli.Context, q quant.Request, f *fed) (*quant.Result, error) {
	var err error
	var set *samples.Set
	if q.Samples, set, err = a.sampled(c, c.String("data"), f); err != nil {
		return nil, err
	}
	q.Labels = set.Labels
	if dir := c.String("eval"); dir != "" {
		if q.Evaluation, set, err = a.sampled(c, dir, f); err != nil {
			return nil, err
		}
		q.EvalLabels = set.Labels
	}
	q.Progress = func(format string, args ...any) { fmt.Fprintf(a.err, "  "+format+"\n", args...) }
	r, err := startRunner()
	if err != nil {
		return nil, err
	}
	q.Runner = r
	res, err := q.Run(c.Context)
	if closing := r.Close(); err == nil {
		err = closing
	}
	return res, err
}

// startRunner starts the agent of this machine as a runner of models.
func startRunner() (*infer.Process, error) {
	agent, err := agentFile(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	return infer.Start(agent, "infer")
}

func megabytes(n int64) string { return spec.FormatBytes(n) }
