package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"chexp/experiments/words"
	"chexp/models/inspect"
	"chexp/models/onnx"

	"github.com/urfave/cli/v2"
)

func (a modelVerbs) modelInspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "what is in a model, and what will go wrong with it", ArgsUsage: "FILE|NAME",
		Action: a.modelInspect,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "runtime", Value: inspect.AgentRuntime,
				Usage: "`VERSION` of ONNX Runtime that will run it", Action: text(aVersion)},
			&cli.StringFlag{Name: "shape",
				Usage:  "`1,C,H,W`: sizes of the input that the model leaves open, to count the work",
				Action: text(aShape)},
			inputFlag(), formats("table", "json", "yaml"),
		},
	}
}

func (a modelVerbs) modelInspect(c *cli.Context) error {
	name, err := argument(c, "a model file or the name of a model")
	if err != nil {
		return err
	}
	w, err := a.findModel(c.Context, name)
	if err != nil {
		return err
	}
	if w.Bytes <= onnx.MaxBytes { // of a larger one the weights are not looked at
		if err := w.ONNX.LoadExternal(filepath.Dir(w.Path)); err != nil {
			return refused("", err)
		}
	}
	o := inspect.Options{Runtime: c.String("runtime"), Outside: w.Outside}
	f, err := feeding(c, w.ONNX)
	if err != nil {
		return err
	}
	o.Shapes = f.sizes
	if f.described {
		f.say(a.app)
	}
	r := inspect.Inspect(w.ONNX, o)
	r.File, r.SHA256, r.Bytes, r.Parts, r.External = w.Path, w.SHA256, w.Bytes, w.Parts, len(w.Parts) > 0
	switch c.String("format") {
	case "json", "yaml":
		return writeData(a.out, c.String("format"), r)
	case "table":
		return inspectionText(a.out, r)
	}
	return badFormat(c.String("format"))
}

func inspectionText(w io.Writer, r *inspect.Report) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(tw, "%s\t%s\n", name, words.Printable(strings.ReplaceAll(fmt.Sprintf(format, args...), "\t", " ")))
	}
	line("file", "%s", r.File)
	line("size", "%s (%d bytes)", megabytes(r.Bytes), r.Bytes)
	for i, p := range r.Parts {
		if i == 0 {
			p.Name = "the .onnx itself"
		}
		line("", "%s, %s", p.Name, megabytes(p.Bytes))
	}
	line("sha256", "%s", r.SHA256)
	line("format", "IR %d, %s, by %s", r.IR, opsets(r.Opsets), orNobody(r.Producer))
	for _, p := range r.Inputs {
		line("input", "%s", portText(p))
	}
	for _, p := range r.Outputs {
		line("output", "%s", portText(p))
	}
	line("operators", "%d nodes: %s", r.Nodes, countsText(r.Operators))
	line("parameters", "%s", parametersText(r))
	if work, ok := r.Work.Get(); ok {
		line("work", "%s multiply-adds in float, %s on 8-bit integers; %s of weights, %s in and out, each inference",
			millions(work.Float), millions(work.Integer),
			megabytes(work.WeightBytes), megabytes(work.ActivationBytes))
	} else {
		line("work", "unavailable: %s", r.Work.Unavailable)
	}
	line("quantization", "%s", quantizationText(r.Quantization))
	for _, p := range r.Providers {
		line(p.Name, "%s", providerText(p))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, x := range r.Warnings {
		fmt.Fprintf(w, "! %s\n", words.Printable(x.Text))
		if x.Next != "" {
			fmt.Fprintf(w, "  what to do: %s\n", words.Printable(x.Next))
		}
	}
	return nil
}

func opsets(m map[string]int64) string {
	var list []string
	for domain, v := range m {
		list = append(list, fmt.Sprintf("%s %d", domain, v))
	}
	slices.Sort(list)
	if len(list) == 0 {
		return "no operator set"
	}
	return "operator set " + strings.Join(list, ", ")
}

func orNobody(s string) string {
	if s == "" {
		return "an unknown producer"
	}
	return s
}

func portText(p inspect.Port) string {
	if p.Shape == nil {
		return fmt.Sprintf("%s, %s of unknown shape", p.Name, p.Type)
	}
	return fmt.Sprintf("%s, %s [%s]", p.Name, p.Type, strings.Join(p.Shape, ", "))
}

func countsText(list []inspect.Count) string {
	var parts []string
	for i, c := range list {
		if i == 16 {
			parts = append(parts, fmt.Sprintf("and %d kinds more", len(list)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", c.Name, c.Count))
	}
	return strings.Join(parts, ", ")
}

func parametersText(r *inspect.Report) string {
	var parts []string
	for _, s := range r.Parameters {
		parts = append(parts, fmt.Sprintf("%s %s", megabytes(s.Bytes), s.Type))
	}
	if len(parts) == 0 {
		return "none in the file's tensors"
	}
	return fmt.Sprintf("%d values: %s", r.ParameterCount, strings.Join(parts, ", "))
}

// millions are of multiply-adds; few are written out.
func millions(n int64) string {
	if n < 100_000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.1f M", float64(n)/1e6)
}

func quantizationText(q inspect.Quantization) string {
	s := q.Scheme
	if q.Form != "" {
		s += ", " + q.Form
	}
	if w := q.Weights; w != nil {
		how := fmt.Sprintf("per tensor (%d)", w.PerTensor)
		switch {
		case w.PerTensor == 0:
			how = fmt.Sprintf("per channel (%d)", w.PerChannel)
		case w.PerChannel > 0:
			how = fmt.Sprintf("per channel (%d) and per tensor (%d)", w.PerChannel, w.PerTensor)
		}
		symmetric := "symmetric"
		if !w.Symmetric {
			symmetric = "asymmetric"
		}
		s += fmt.Sprintf("; weights %s, %s, %s, %d bits", countsText(w.Types), how, symmetric, w.Bits)
	}
	if a := q.Activations; a != nil && q.Integer > 0 {
		s += fmt.Sprintf("; activations %s, %d bits", countsText(a.Types), a.Bits)
		if a.Evidence != "" {
			s += " (" + a.Evidence + ")"
		}
	}
	if q.Integer > 0 {
		s += fmt.Sprintf("; %d of %d convolutions and products on integers", q.Integer, q.Integer+q.Float)
	}
	for _, x := range q.Narrow { // few kinds, whose names end in numbers
		s += fmt.Sprintf("; %s (%d)", x.Name, x.Count)
	}
	if q.Half > 0 {
		s += fmt.Sprintf("; %d of %d convolutions and products in float16", q.Half, q.Integer+q.Float)
	}
	return s
}

func providerText(p inspect.Provider) string {
	s := "takes nothing"
	if len(p.Takes) > 0 {
		s = "takes " + countsText(p.Takes)
	}
	if p.Share >= 0 {
		s += " (" + words.Percent(p.Share) + " of the multiply-adds)"
	}
	var left []string
	for i, l := range p.Leaves {
		if i == 4 {
			left = append(left, fmt.Sprintf("%d kinds more", len(p.Leaves)-i))
			break
		}
		left = append(left, fmt.Sprintf("%s %d (%s)", l.Name, l.Count.Count, l.Why))
	}
	if len(left) > 0 {
		s += "; leaves " + strings.Join(left, ", ")
	}
	return s
}
