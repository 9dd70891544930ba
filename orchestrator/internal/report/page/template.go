package page

import (
	"embed"
	"html/template"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
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
}).ParseFS(files, "report.html.tmpl"))

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
