package page

import (
	"embed"
	"fmt"
	"html/template"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/options"
)

//go:embed *.tmpl *.css
var files embed.FS

// css goes into the page unescaped, as this package brings it along. Nothing else may.
var css = func() template.CSS {
	b, err := files.ReadFile("report.css")
	if err != nil {
		panic(err)
	}
	return template.CSS(b)
}()

var pageTemplate = template.Must(template.New("report.html.tmpl").Funcs(template.FuncMap{
	"plural": words.Plural, "percent": words.Percent, "verdict": content.CheckVerdict, "value": content.CheckValue,
	"limit": content.CheckLimit, "size": findings.Size, "tie": words.Tie,
	"bar": shareBar, "series": seriesOf,
}).ParseFS(files, "report.html.tmpl"))

// shareBar is a bar of the time that each provider had of a model.
func shareBar(shares []options.Share) drawing {
	d := drawing{Height: 12, Label: "Share of the time per provider"}
	at := 0.0
	for i, s := range shares {
		width := min(max(s.Time, 0), 1-at)
		d.rect(at, 0, width, 12, "fill "+seriesOf(i))
		at += width
		d.Label += fmt.Sprintf(", %s %s", s.Name, words.Percent(s.Time))
	}
	return d
}

// seriesOf is the colour of the i-th of a few.
func seriesOf(i int) string { return fmt.Sprintf("s%d", i%6) }

// cell knows its column: a phone writes the head before the text.
type cell struct {
	content.Column
	content.Cell
}

// cells returns the cells of a row, each with its column.
func cells(t content.Table, row int) (out []cell) {
	for i, c := range t.Rows[row] {
		out = append(out, cell{t.Columns[i], c})
	}
	return out
}
