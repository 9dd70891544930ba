package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
)

// Markdown writes the report as GitHub-flavoured Markdown, for a lab report or
// an issue.
func Markdown(w io.Writer, t *findings.Table) error {
	b := bufio.NewWriter(w)
	d := content.OfRun(t, false)
	fmt.Fprintf(b, "# %s\n\n", escapeMarkdown(d.Headline[0]))
	if t.Run.Description != "" {
		fmt.Fprintf(b, "%s\n\n", escapeMarkdown(t.Run.Description))
	}
	for _, line := range d.Headline[1:] {
		fmt.Fprintf(b, "%s  \n", escapeMarkdown(line))
	}
	for _, c := range d.Cautions {
		fmt.Fprintf(b, "\n> **Note:** %s\n", escapeMarkdown(c))
	}
	fmt.Fprintf(b, "\n**%s**\n", escapeMarkdown(d.Answer))
	for i, s := range d.Details {
		fmt.Fprintf(b, "%s- %s\n", words.When(i == 0, "\n"), escapeMarkdown(s))
	}
	if d.Next != "" {
		fmt.Fprintf(b, "\nNext: %s\n", escapeMarkdown(d.Next))
	}
	for _, table := range d.Tables {
		markdownTable(b, table)
	}
	if d.Trials != nil {
		fmt.Fprintf(b, "\n## %s\n", d.Trials.Title)
		markdownTable(b, *d.Trials)
	}
	for i, n := range d.Notes {
		fmt.Fprintf(b, "%s%s %s  \n", words.When(i == 0, "\n"), words.Superscript(n.Mark), escapeMarkdown(n.Text))
	}
	fmt.Fprintf(b, "\n%s\n", escapeMarkdown(strings.Join(d.Legend, " ")))
	for _, s := range d.Sections {
		fmt.Fprintf(b, "\n## %s\n\n", escapeMarkdown(s.Head))
		for _, l := range s.Lines {
			fmt.Fprintf(b, "%s- %s\n", words.When(l.Below, "  "), escapeMarkdown(l.Text))
		}
		if s.Foot != "" {
			fmt.Fprintf(b, "\n%s\n", escapeMarkdown(s.Foot))
		}
	}
	markdownChecks(b, t)
	for i, f := range t.Facts {
		if i == 0 {
			b.WriteString("\n| device | |\n|---|---|\n")
		}
		value := f.Value
		if value == "" {
			value = "unavailable: " + f.Unavailable
		}
		fmt.Fprintf(b, "| %s | %s |\n", escapeMarkdown(f.Name), escapeMarkdown(value))
	}
	for i, m := range t.Models {
		if i == 0 {
			b.WriteString("\n| model | bytes | sha256 | origin |\n|---|---:|---|---|\n")
		}
		fmt.Fprintf(b, "| %s | %d | %s | %s |\n", escapeMarkdown(m.Name), m.Bytes, escapeMarkdown(m.SHA256),
			escapeMarkdown(m.Origin))
	}
	return b.Flush()
}

func markdownTable(b *bufio.Writer, t content.Table) {
	b.WriteString("\n|")
	for _, c := range t.Columns {
		b.WriteString(" " + escapeMarkdown(c.Head) + " |")
	}
	b.WriteString("\n|")
	for _, c := range t.Columns {
		b.WriteString("---" + words.When(c.Right, ":") + "|")
	}
	b.WriteString("\n")
	for _, row := range t.Rows {
		b.WriteString("|")
		for _, c := range row {
			text := escapeMarkdown(c.Full())
			if c.Tone == content.Bad {
				text = "**" + text + "**"
			}
			for _, m := range c.Marks {
				text += words.Superscript(m)
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteString("\n")
	}
	for _, c := range t.Columns {
		if c.Note != "" {
			fmt.Fprintf(b, "\n%s\n", escapeMarkdown(c.Note))
		}
	}
	for _, s := range t.Foot {
		fmt.Fprintf(b, "\n%s\n", escapeMarkdown(s))
	}
}

// maxChecked bounds the trials whose checks are written.
const maxChecked = 60

// markdownChecks writes a section per trial; a long run's stand in the page and
// in the JSON document.
func markdownChecks(b *bufio.Writer, t *findings.Table) {
	written := 0
	for _, r := range t.Rows {
		if len(r.Checks) == 0 || written >= maxChecked {
			continue
		}
		if written == 0 {
			b.WriteString("\n## Checks of each trial\n")
		}
		written++
		fmt.Fprintf(b, "\n### %s: %s\n\n| check | verdict | value | limit | what was found | what to do "+
			"|\n|---|---|---:|---:|---|---|\n",
			escapeMarkdown(r.ID), r.Validity)
		for _, c := range r.Checks {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", c.Name, escapeMarkdown(content.CheckVerdict(c)),
				escapeMarkdown(content.CheckValue(c)), escapeMarkdown(content.CheckLimit(c)),
				escapeMarkdown(c.Text), escapeMarkdown(c.Remedy))
		}
	}
}

// escapeMarkdown makes a text mean only itself: no HTML, no link, no image, no
// table cell, no mention of a user.
var escapeMarkdown = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;",
	`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "#", `\#`, "~", `\~`,
	"://", ":&#47;&#47;",
).Replace
