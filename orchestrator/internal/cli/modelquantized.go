package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/words"
	"chexp/models/quant"

	"github.com/urfave/cli/v2"
)

// quantized is the JSON form of what `model quantize` did.
type quantized struct {
	File       string        `json:"file"`
	SHA256     string        `json:"sha256"`
	Bytes      int64         `json:"bytes"`
	FloatBytes int64         `json:"float_bytes"`
	Mode       quant.Mode    `json:"mode"`
	Operators  quant.Format  `json:"operators,omitempty"`
	WeightBits int           `json:"weight_bits"`
	PerTensor  bool          `json:"per_tensor"`
	EmitNS     time.Duration `json:"emit_ns"`
	Nodes      int           `json:"quantized_products"`
	// Quantized counts the nodes whose weights are in 8 bits, by operator; InFloat are
	// those whose weights are not, with the reason.
	Quantized map[string]int   `json:"quantized"`
	InFloat   []quant.Refusal  `json:"in_float,omitempty"`
	Result    *quant.Result    `json:"choice,omitempty"` // nil: no data was given
	Limit     *float64         `json:"max_drop,omitempty"`
	Opsets    map[string]int64 `json:"opsets"`
	Halves    *quant.Halves    `json:"float16,omitempty"`
}

func (a modelVerbs) printQuantized(c *cli.Context, q quant.Request, res *quant.Result,
	out string, from int64, b []byte) error {
	x := quantized{File: out, FloatBytes: from, SHA256: files.Sum(b), Bytes: int64(len(b)), Mode: q.Options.Mode,
		WeightBits: q.Options.WeightBits, PerTensor: q.Options.PerTensor, EmitNS: res.Emit, Opsets: map[string]int64{}}
	if x.Mode == quant.Static {
		x.Operators = q.Options.Format
	}
	for _, o := range res.Model.Opsets {
		x.Opsets[o.Domain] = o.Version
	}
	if x.Mode == quant.Half {
		x.Halves, x.WeightBits = res.Halves, 16
	} else {
		o := q.Options
		o.Exclude = slices.Concat(o.Exclude, res.Excluded)
		x.Quantized, x.InFloat = map[string]int{}, quant.Refusals(q.Float, o)
		for _, n := range quant.Products(q.Float, o) {
			x.Quantized[n.Op]++
			x.Nodes++
		}
	}
	if res.Float.Inputs > 0 {
		x.Result = res
	}
	if q.MaxDrop >= 0 {
		x.Limit = &q.MaxDrop
	}
	switch c.String("format") {
	case "json", "yaml":
		return writeData(a.out, c.String("format"), x)
	case "table":
		return quantizedText(a.out, x)
	}
	return badFormat(c.String("format"))
}

func quantizedText(w io.Writer, x quantized) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	how := "per channel"
	if x.PerTensor {
		how = "per tensor"
	}
	fmt.Fprintf(tw, "file\t%s\n", words.Printable(x.File))
	times, than := float64(x.FloatBytes)/float64(x.Bytes), "smaller"
	if times < 1 { // next to no weights, or they are read as floats too
		times, than = 1/times, "larger"
	}
	fmt.Fprintf(tw, "size\t%s, %.1f times %s than %s\n", megabytes(x.Bytes), times, than, megabytes(x.FloatBytes))
	fmt.Fprintf(tw, "sha256\t%s\n", x.SHA256)
	if h := x.Halves; h != nil {
		fmt.Fprintf(tw, "float16\t%d of %d nodes, between %d casts; %d stay in float32\n",
			h.Half, h.Nodes, h.Casts, len(h.Kept))
	} else {
		fmt.Fprintf(tw, "form\t%s, %d-bit weights %s\n",
			strings.TrimSpace(fmt.Sprintf("%s %s", x.Mode, x.Operators)), x.WeightBits, how)
		fmt.Fprintf(tw, "in 8 bits\t%s\n", counted(x.Quantized))
	}
	fmt.Fprintf(tw, "written in\t%v\n", x.EmitNS.Round(time.Millisecond))
	if err := tw.Flush(); err != nil {
		return err
	}
	if x.Halves != nil {
		return halvesText(w, x)
	}
	var left []stays
	for _, r := range x.InFloat {
		left = append(left, stays{r.Op, r.Node, r.Why})
	}
	inFloat(w, "float", left)
	if x.Result == nil {
		return nil
	}
	r := x.Result
	if len(r.Methods) > 0 {
		fmt.Fprintf(w,
			"\nRanges, on the third of the samples that was held back; what was worse on some was dropped:\n")
		tw = judgementHeader(w, "method")
		for _, m := range r.Methods {
			name := string(m.Method)
			if m.Chosen {
				name += " (chosen)"
			}
			judgementRow(tw, name, m.HeldBack)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\nFloat nodes against what is lost, on %d samples:\n", r.Float.Inputs)
	tw = tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "IN FLOAT\tSIZE\tAGREEMENT\tACCURACY\tLOST\tSQNR DB\tINTEGER WORK\tESTIMATED TIME HERE")
	fmt.Fprintf(tw, "all\t%s\t1\t%s\t0\t\t0 %%\t%s\n", megabytes(x.FloatBytes), accuracy(r.Float),
		milliseconds(r.FloatTime))
	for _, s := range r.Frontier {
		fmt.Fprintf(tw, "%d\t%s\t%.3f\t%s\t%.3f\t%.1f\t%s\t%s\n", len(s.Excluded), megabytes(int64(s.Bytes)),
			s.Judgement.Agreement, accuracy(s.Judgement),
			s.Drop, s.Judgement.SQNR, share(s.IntegerShare), milliseconds(s.Estimate))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(r.Excluded) > 0 {
		fmt.Fprintf(w, "\nLeft in float: %s\n", words.Printable(fmt.Sprint(r.Excluded)))
	}
	if x.Limit != nil && r.Frontier[len(r.Frontier)-1].Drop > *x.Limit {
		fmt.Fprintf(w, "\nThe limit of %g points was not reached.\n", 100**x.Limit)
	}
	fmt.Fprint(w, "\nThe time is estimated: the first two were seen on this machine, "+
		"and what lies between follows from the integer work.\n")
	return nil
}

// halvesText says which nodes stay in float32, and what the rounding to float16
// costs.
func halvesText(w io.Writer, x quantized) error {
	var left []stays
	for _, k := range x.Halves.Kept {
		if k.Loss {
			fmt.Fprintf(w, "! %s stays in float32: %s\n", words.Printable(k.Op+" "+k.Node), words.Printable(k.Why))
			continue
		}
		left = append(left, stays{k.Op, k.Node, k.Why})
	}
	inFloat(w, "float32", left)
	if x.Result == nil {
		return nil
	}
	fmt.Fprint(w, "\nAgainst the float model, with what each node makes rounded to float16, "+
		"and sums in float32 (acl's are of float16):\n")
	tw := judgementHeader(w, "model")
	judgementRow(tw, "float32", x.Result.Float)
	judgementRow(tw, "float16", x.Result.Judgement)
	return tw.Flush()
}

// stays is a node that is left as it was.
type stays struct{ op, node, why string }

// inFloat lists nodes by the reason for which they are left in this type, in the
// graph's order.
func inFloat(w io.Writer, kind string, left []stays) {
	reasons, at := []string{}, map[string][]string{}
	for _, k := range left {
		why := k.op + ": " + k.why
		if at[why] == nil {
			reasons = append(reasons, why)
		}
		at[why] = append(at[why], k.node)
	}
	for _, why := range reasons {
		names := at[why]
		text := strings.Join(names[:min(3, len(names))], ", ")
		if n := len(names) - 3; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(w, "  in %s: %s (%s)\n", kind, words.Printable(text), words.Printable(why))
	}
}

// counted is "3 Conv, 1 Gemm".
func counted(n map[string]int) string {
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%d %s", n[op], op))
	}
	return strings.Join(parts, ", ")
}

func judgementHeader(w io.Writer, first string) *tabwriter.Writer {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "%s\tSAMPLES\tAGREEMENT\tACCURACY\tCOSINE\tSQNR DB\tMAX ERROR\n", first)
	return tw
}

func judgementRow(w io.Writer, name string, j quant.Judgement) {
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%.1f\t%.3g\n", name, j.Inputs, agreement(j), accuracy(j), cosine(j),
		j.SQNR, j.MaxError)
}

// agreement is a share of answers, where the answers are classes.
func agreement(j quant.Judgement) string {
	if j.NoClasses {
		return "-"
	}
	return fmt.Sprintf("%.3f", j.Agreement)
}

// cosine is that of the samples that have one.
func cosine(j quant.Judgement) string {
	if j.CosineOf == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4f", j.Cosine)
}

func accuracy(j quant.Judgement) string {
	if v := j.Accuracy(); v >= 0 {
		return fmt.Sprintf("%.3f", v)
	}
	return "-"
}

func share(v float64) string {
	if v < 0 {
		return "unknown"
	}
	return words.Percent(v)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
