package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"chexp/experiments/failure"
	"chexp/experiments/secret"
	"chexp/experiments/words"

	"github.com/urfave/cli/v2"
)

// formatFlag is on every command that lists or shows, as in the OpenStack
// client.
func formatFlag() cli.Flag { return formats("table", "json", "csv") }

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
}

func (a *app) print(c *cli.Context, l list) error {
	var answer bytes.Buffer
	if err := write(&answer, c.String("format"), l); err != nil {
		return err
	}
	_, err := io.WriteString(a.out, secret.Redact(answer.String()))
	return err
}

func write(w io.Writer, format string, l list) error {
	switch format {
	case "json":
		return writeJSON(w, l.json)
	case "csv":
		cw := csv.NewWriter(w)
		if err := cw.Write(l.columns); err != nil {
			return err
		}
		return cw.WriteAll(l.rows)
	case "table":
		tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, strings.ToUpper(strings.Join(l.columns, "\t")))
		for _, row := range l.rows {
			clean := make([]string, len(row))
			for i, cell := range row {
				clean[i] = words.Printable(strings.NewReplacer("\n", " ", "\t", " ").Replace(cell))
			}
			fmt.Fprintln(tw, strings.Join(clean, "\t"))
		}
		return tw.Flush()
	}
	return badFormat(format)
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
