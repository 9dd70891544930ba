package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/models"
	"chexp/models/catalog"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// initVerb writes an experiment from five answers.
type initVerb struct{ *app }

// question is one of the five; its flag answers it, too.
type question struct{ flag, ask, usual string }

var questions = []question{
	{"models", "Which models? Files (.onnx) or names of `chexp model list`, with blanks between",
		"tiny-cnn mobilenetv2-11"},
	{"machine", "On which type of device?", "raspberrypi5"},
	{"providers", "With which execution providers of ONNX Runtime, with blanks between?", "cpu"},
	{"budgets", "What must a model keep to, with commas between? Such as size < 5 MB, p50 < 15 ms; or none",
		"p50 < 15 ms"},
	{"duration", "For how long may the device be held at most?", "30m"},
}

func (a initVerb) initCommand() *cli.Command {
	c := &cli.Command{
		Name: "init", Usage: "ask five questions, and write the experiment", ArgsUsage: "FILE",
		Description: "A flag answers a question beforehand; Enter, or --yes, takes what stands in brackets.\n" +
			"Nothing is written unless `chexp experiment check` would accept it. `chexp experiment init FILE`\n" +
			"writes an example of everything.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "yes", Aliases: []string{"y"},
			Usage: "ask nothing: what no flag answers is as in the brackets"}},
		Action: a.init,
	}
	for _, q := range questions {
		f := &cli.StringFlag{Name: q.flag, Usage: strings.ReplaceAll(q.ask, "`", "'")}
		if q.flag == "machine" {
			f.Action = aName(longName)
		}
		c.Flags = append(c.Flags, f)
	}
	return c
}

func (a initVerb) init(c *cli.Context) error {
	file, err := argument(c, "the file to write")
	if err != nil {
		return err
	}
	if exists(file) {
		return failure.Usage.Errorf("%s exists already; it is left as it is", file).Advise("give another name")
	}
	if dir := filepath.Dir(file); !exists(dir) {
		return failure.Usage.Errorf("there is no directory %s", dir).
			Advise("make it: `mkdir -p %s`; nothing was created", dir)
	}
	answers, err := a.ask(c)
	if err != nil {
		return err
	}
	text, err := written(file, answers)
	if err != nil {
		return err
	}
	if _, err := spec.Parse(file, text); err != nil {
		return asUsage(err)
	}
	if err := create(file, text); err != nil {
		return err
	}
	lines := a.commands(c)
	fmt.Fprintf(a.err, "wrote %s; next:\n  %s\n  %s\n", file, lines.Line("experiment", "check", file),
		lines.Line("rehearse", file))
	return nil
}

func create(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return failure.Usage.Errorf("%s exists already; it is left as it is", file).Advise("give another name")
	}
	if err != nil {
		return store.Explain(err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return store.Explain(err)
	}
	return nil
}

// ask gets the answers from flags, or else from standard input, a line each.
func (a initVerb) ask(c *cli.Context) (map[string]string, error) {
	answers := map[string]string{}
	in := bufio.NewReader(io.LimitReader(c.App.Reader, 1<<16))
	for _, q := range questions {
		answers[q.flag] = q.usual
		if c.IsSet(q.flag) {
			answers[q.flag] = c.String(q.flag)
			continue
		}
		if c.Bool("yes") {
			continue
		}
		fmt.Fprintf(a.err, "%s [%s]\n> ", q.ask, q.usual)
		line, err := readLine(c.Context, in)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if line = strings.TrimSpace(line); line != "" {
			answers[q.flag] = line
		} else if err != nil {
			fmt.Fprintln(a.err)
		}
	}
	return answers, nil
}

// readLine reads a line, unless the command is interrupted before there is one.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() { // it may wait for ever, and the process ends meanwhile
		line, err := in.ReadString('\n')
		read <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got := <-read:
		return got.line, got.err
	}
}

// written is the experiment's text.
func written(file string, answers map[string]string) ([]byte, error) {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by chexp init. `chexp experiment init FILE` writes an example of all that can stand here.")
	line("apiVersion: chexp/v1")
	line("name: %q", plainWord(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), "experiment"))
	line("site: CHI@Edge\n\nlease:")
	line("  machine_name: %q", answers["machine"])
	line("  duration: %s                   # a limit: the device is given back when the run ends", answers["duration"])
	line("\ncontainer:\n  image: debian:bookworm-slim\n\nmodels:")
	names := map[string]bool{}
	for _, model := range strings.Fields(answers["models"]) {
		source, err := modelLine(file, model)
		if err != nil {
			return nil, err
		}
		base := plainWord(strings.TrimSuffix(filepath.Base(model), ".onnx"), "model")
		name := base
		for n := 2; names[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		names[name] = true
		line("  - name: %q", name)
		line("    %s", source)
	}
	line("\nproviders:")
	for _, p := range strings.Fields(answers["providers"]) {
		line("  - %q", p)
	}
	if budgets := strings.TrimSpace(answers["budgets"]); budgets != "" && budgets != "none" {
		line("\nbudgets:")
		for budget := range strings.SplitSeq(budgets, ",") {
			line("  - %q", strings.TrimSpace(budget))
		}
	}
	return []byte(b.String()), nil
}

// modelLine says where a model comes from: a file, seen from the experiment's, or the
// catalogue.
func modelLine(experiment, model string) (string, error) {
	if exists(model) {
		path, err := filepath.Abs(model)
		if err != nil {
			return "", err
		}
		dir, err := filepath.Abs(filepath.Dir(experiment))
		if err != nil {
			return "", err
		}
		if near, err := filepath.Rel(dir, path); err == nil {
			path = near
		}
		return fmt.Sprintf("path: %q", filepath.ToSlash(path)), nil
	}
	e, ok := catalog.FindEntry(model)
	switch {
	case !ok:
		return "", failure.Usage.Errorf("there is no file and no model %s", model).
			Advise("%s`chexp model list` shows the models", models.Perhaps(model))
	case e.URL == "":
		return fmt.Sprintf("builtin: %q", e.Name), nil
	}
	return fmt.Sprintf("url: %q\n    sha256: %s", e.URL, e.SHA256), nil
}

var unplain = regexp.MustCompile(`[^a-z0-9]+`)

// plainWord makes a name of what may be any text.
func plainWord(text, other string) string {
	word := strings.Trim(unplain.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if word == "" {
		return other
	}
	return word[:min(len(word), 40)]
}
