package report

import (
	"bufio"
	"chexp/experiments/words"
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report as GitHub-flavoured Markdown, for a lab report or
// an issue.
func Markdown(w io.Writer, t *Table) error {
	b := bufio.NewWriter(w)
	head := t.headline()
	fmt.Fprintf(b, "# %s\n\n", escapeMarkdown(head[0]))
	if t.Run.Description != "" {
		fmt.Fprintf(b, "%s\n\n", escapeMarkdown(t.Run.Description))
	}
	for _, line := range head[1:] {
		fmt.Fprintf(b, "%s  \n", escapeMarkdown(line))
	}
	for _, c := range t.Caveats {
		fmt.Fprintf(b, "\n> **Note:** %s\n", escapeMarkdown(c))
	}
	fmt.Fprintf(b, "\n**%s**\n", escapeMarkdown(t.Decision.Text))
	for i, d := range t.Decision.Details {
		fmt.Fprintf(b, "%s- %s\n", words.When(i == 0, "\n"), escapeMarkdown(d))
	}
	if len(t.Rows) > 0 {
		markdownTable(b, t)
	}
	for i, n := range t.Notes {
		fmt.Fprintf(b, "%s%s %s  \n", words.When(i == 0, "\n"), superscript(n.Mark), escapeMarkdown(n.Text))
	}
	fmt.Fprintf(b, "\n%s %s\n", escapeMarkdown(legend), escapeMarkdown(t.harness()))
	for _, s := range t.sections(false) {
		fmt.Fprintf(b, "\n## %s\n\n", escapeMarkdown(s.head))
		for _, line := range s.lines {
			text := strings.TrimLeft(line, " ")
			fmt.Fprintf(b, "%s- %s\n", line[:len(line)-len(text)], escapeMarkdown(text))
		}
		if s.foot != "" {
			fmt.Fprintf(b, "\n%s\n", escapeMarkdown(s.foot))
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
		fmt.Fprintf(b, "| %s | %d | %s | %s |\n", escapeMarkdown(m.Name), m.Bytes, escapeMarkdown(m.SHA256), escapeMarkdown(m.Origin))
	}
	return b.Flush()
}

func markdownTable(b *bufio.Writer, t *Table) {
	cols := t.columns()
	b.WriteString("\n|")
	for _, c := range cols {
		b.WriteString(" " + escapeMarkdown(c.head) + " |")
	}
	b.WriteString("\n|")
	for _, c := range cols {
		b.WriteString("---" + words.When(c.right, ":") + "|")
	}
	b.WriteString("\n")
	for _, r := range t.Rows {
		b.WriteString("|")
		for _, c := range cols {
			v := c.cell(r)
			text := escapeMarkdown(v.text)
			if v.tone == bad {
				text = "**" + text + "**"
			}
			for _, m := range v.marks {
				text += superscript(m)
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteString("\n")
	}
}

// markdownChecks writes a section per trial; a long run's stand in the page and
// in the JSON document.
func markdownChecks(b *bufio.Writer, t *Table) {
	written := 0
	for _, r := range t.Rows {
		if len(r.Checks) == 0 || written >= maxCards {
			continue
		}
		if written == 0 {
			b.WriteString("\n## Checks of each trial\n")
		}
		written++
		fmt.Fprintf(b, "\n### %s: %s\n\n| check | verdict | value | limit | what was found | what to do |\n|---|---|---:|---:|---|---|\n",
			escapeMarkdown(r.ID), r.Validity)
		for _, c := range r.Checks {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", c.Name, escapeMarkdown(verdictWord(c)), escapeMarkdown(valueText(c)), escapeMarkdown(limitText(c)),
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
