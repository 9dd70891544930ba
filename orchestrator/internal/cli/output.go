package cli

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/texttab"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v4"
)

// formatFlag is on every command that lists or shows, as in the OpenStack
// client.
func formatFlag() cli.Flag { return formats("table", "json", "yaml", "csv") }

// formats is the flag of a command whose answer has these formats, the usual one
// first.
func formats(words ...string) cli.Flag {
	usage := "`" + words[0] + "`" + strings.TrimPrefix(either(words), words[0])
	return &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: words[0], Usage: usage,
		Action: oneOf(words...)}
}

// list is an answer made of rows. JSON gets the values themselves.
type list struct {
	columns []string
	rows    [][]string
	json    any
	key     int // the column that names a row, where a narrow terminal shows rows one below the other
}

func (a *app) print(c *cli.Context, l list) error {
	var answer bytes.Buffer
	if err := write(&answer, c.String("format"), l, columns(a.out)); err != nil {
		return err
	}
	_, err := io.WriteString(a.out, secret.Redact(answer.String()))
	return err
}

// putFile writes an answer into the file that the user named: whole or not at all. What
// is no regular file, as /dev/stdout or a pipe, is written into and never replaced.
func putFile(path string, data []byte) error {
	if irregular(path) {
		return os.WriteFile(path, data, 0o644)
	}
	return files.Write(path, data)
}

// irregular reports whether something is at a path that is no regular file.
func irregular(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.Mode().IsRegular()
}

// columns is how wide the terminal is that w writes to; 0: it is none.
func columns(w io.Writer) int {
	if p := newProgress(w); p.screen {
		return p.width
	}
	return 0
}

// write writes a list in a format. A table that is wider than so many columns has
// its rows one below the other, with nothing left out; 0 columns mean no limit.
func write(w io.Writer, format string, l list, width int) error {
	switch format {
	case "json", "yaml":
		return writeData(w, format, l.json)
	case "csv":
		cw := csv.NewWriter(w)
		if err := cw.Write(l.columns); err != nil {
			return err
		}
		return cw.WriteAll(l.rows)
	case "table":
		var table bytes.Buffer
		if err := l.table(&table); err != nil {
			return err
		}
		if width > 0 && widest(table.String()) > width {
			return texttab.Blocks(w, l.forBlocks(), width, false)
		}
		_, err := table.WriteTo(w)
		return err
	}
	return badFormat(format)
}

// table writes the rows side by side.
func (l list) table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ToUpper(strings.Join(l.columns, "\t")))
	for _, row := range l.rows {
		clean := make([]string, len(row))
		for i, cell := range row {
			clean[i] = oneLine(cell)
		}
		fmt.Fprintln(tw, strings.Join(clean, "\t"))
	}
	return tw.Flush()
}

// forBlocks puts the column that names a row first.
func (l list) forBlocks() (t content.Table) {
	order := []int{l.key}
	for i := range l.columns {
		if i != l.key {
			order = append(order, i)
		}
	}
	for _, i := range order {
		t.Columns = append(t.Columns, content.Column{Head: l.columns[i]})
	}
	for _, row := range l.rows {
		var cells []content.Cell
		for _, i := range order {
			cells = append(cells, content.Cell{Text: cmp.Or(oneLine(row[i]), content.Dash)})
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// oneLine is a cell's text, which may come from anybody.
func oneLine(cell string) string {
	return words.Printable(strings.NewReplacer("\n", " ", "\t", " ").Replace(cell))
}

// widest is the number of columns of the longest line.
func widest(text string) (n int) {
	for line := range strings.Lines(text) {
		n = max(n, utf8.RuneCountInString(strings.TrimRight(line, " \n")))
	}
	return n
}

// writePage writes a page to the file that --html names.
func (a *app) writePage(file string, draw func(io.Writer) error) error {
	f, err := os.Create(file)
	if err == nil {
		err = errors.Join(draw(f), f.Close())
	}
	if err != nil {
		return failure.Storage.Errorf("the page cannot be written").Advise("give another file to --html").Because(err)
	}
	fmt.Fprintf(a.err, "wrote %s\n", file)
	return nil
}

// badFormat is an answer's that lacks a format which its command's flag allows.
func badFormat(format string) error {
	return failure.Unexpected.Errorf("there is no format %q here", format)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeData writes a value as JSON, or as YAML with the same names in the same
// order.
func writeData(w io.Writer, format string, v any) error {
	write := func(w io.Writer) error { return writeJSON(w, v) }
	if format == "yaml" {
		return asYAML(w, write)
	}
	return write(w)
}

// asYAML writes as YAML what write writes as JSON.
func asYAML(w io.Writer, write func(io.Writer) error) error {
	var asJSON bytes.Buffer
	if err := write(&asJSON); err != nil {
		return err
	}
	var doc yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(asJSON.Bytes(), &doc); err != nil {
		return err
	}
	inBlocks(&doc)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	return errors.Join(enc.Encode(&doc), enc.Close())
}

// inBlocks takes JSON's braces and quotes out of a document; the encoder puts quotes
// back where they are needed.
func inBlocks(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Style&yaml.DoubleQuotedStyle != 0 {
		n.Tag = "!!str"
	}
	n.Style = 0
	for _, c := range n.Content {
		inBlocks(c)
	}
}
