package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v4"
)

// said runs a command line here and returns its exit code and what it wrote.
func said(t *testing.T, args ...string) (code int, out, errw string) {
	t.Helper()
	var o, e bytes.Buffer
	was := os.Args
	os.Args = append([]string{"chexp"}, args...) // the library's completion looks there
	defer func() { os.Args = was }()
	code = Main("v1.2.3", append([]string{"chexp"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// Every variable of chexp's own that the code reads stands on the page about them.
func TestEveryVariableIsExplained(t *testing.T) {
	_, page, _ := said(t, "help", "environment")
	own := regexp.MustCompile(`"(CHEXP_[A-Z_]+)"`)
	found := 0
	for _, room := range []string{"../..", "../../../agent/internal/payload", "../../../models", "../../../experiments"} {
		err := filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "test.go") ||
				strings.Contains(path, "emulator") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range own.FindAllSubmatch(text, -1) {
				if found++; !strings.Contains(page, string(m[1])+" ") {
					t.Errorf("%s reads %s, and `chexp help environment` does not say so", path, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 4 {
		t.Errorf("only %d variables found", found)
	}
}

func TestHelpTopics(t *testing.T) {
	_, list, _ := said(t, "help", "topics")
	for _, topic := range topics {
		if !strings.Contains(list, topic.name) {
			t.Errorf("%s is not in the list", topic.name)
		}
		code, page, _ := said(t, "help", topic.name)
		if code != 0 || len(page) < 100 {
			t.Errorf("%s: %d %q", topic.name, code, page)
		}
		for line := range strings.Lines(page) {
			if len([]rune(line)) > 121 {
				t.Errorf("%s has a line of %d columns", topic.name, len(line))
			}
		}
	}
	if code, out, _ := said(t, "help", "lease", "create"); code != 0 || !strings.Contains(out, "--hours") {
		t.Errorf("help lease create: %d %s", code, out)
	}
}

// A misspelt word gets the nearest.
func TestDidYouMean(t *testing.T) {
	for args, want := range map[string]string{
		"rehears":               "perhaps `chexp rehearse`?",
		"lease crate":           "perhaps `chexp lease create`?",
		"help enviroment":       "perhaps environment?",
		"help lease shwo":       "perhaps show?",
		"completion pwhs":       "bash, fish, powershell or zsh",
		"model inspect tiny-cn": "perhaps tiny-cnn?",
	} {
		if code, _, errw := said(t, strings.Fields(args)...); code != 2 || !strings.Contains(errw, want) {
			t.Errorf("%s: %d %s", args, code, errw)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	if code, out, _ := said(t, "--version"); code != 0 || out != "chexp v1.2.3\n" {
		t.Errorf("%d %q", code, out)
	}
}

// Each list as YAML says what it says as JSON, and --output takes the answer.
func TestYAMLAndOutput(t *testing.T) {
	_, asJSON, _ := said(t, "model", "list", "-f", "json")
	file := filepath.Join(t.TempDir(), "models.yaml")
	if code, out, errw := said(t, "model", "list", "-f", "yaml", "-o", file); code != 0 || out != "" {
		t.Fatalf("%d %s %s", code, out, errw)
	}
	asYAML, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal([]byte(asJSON), &a); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(asYAML, &b); err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(a)
	two, _ := json.Marshal(b)
	if string(one) != string(two) || strings.HasPrefix(string(asYAML), "[") {
		t.Errorf("%s\n%s", one, asYAML)
	}
	code, _, errw := said(t, "model", "list", "-o", filepath.Join(t.TempDir(), "none", "x"))
	if code != 2 || !strings.Contains(errw, "--output") {
		t.Errorf("%d %s", code, errw)
	}
}

// A shell that asks gets commands and flags, and each script asks.
func TestCompletion(t *testing.T) {
	for asked, want := range map[string]string{"": "rehearse", "lease": "create", "run -": "--lease"} {
		code, out, errw := said(t, append(strings.Fields(asked), completing)...)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%q: %d %s %s", asked, code, out, errw)
		}
	}
	for _, shell := range shells {
		if code, out, _ := said(t, "completion", shell); code != 0 || !strings.Contains(out, "chexp") {
			t.Errorf("%s: %d %s", shell, code, out)
		}
	}
}

// The man page has every command that is not hidden.
func TestManPage(t *testing.T) {
	code, page, _ := said(t, "man")
	if code != 0 {
		t.Fatal(code)
	}
	commandsOf((&app{}).root().Commands, "", func(verb string, c *cli.Command) {
		name := strings.ReplaceAll(c.Name, "-", `\-`)
		if !c.Hidden && !strings.Contains(page, name) && !strings.Contains(page, c.Name) {
			t.Errorf("%s is not in it", verb)
		}
	})
}

// What init writes is an experiment, whether flags or lines answer.
func TestInitWritesAnExperiment(t *testing.T) {
	t.Setenv("CHEXP_CACHE", t.TempDir())
	t.Chdir(t.TempDir())
	for name, args := range map[string][]string{
		"usual.yaml": {"--yes"},
		"asked.yaml": {},
		"My Own.yaml": {"--models", "tiny-cnn tiny-cnn", "--machine", "raspberrypi4-64", "--providers", "cpu acl",
			"--budgets", "none", "--duration", "1h"},
	} {
		if code, _, errw := said(t, append([]string{"init", name}, args...)...); code != 0 {
			t.Errorf("%s: %d %s", name, code, errw)
			continue
		}
		if code, _, errw := said(t, "experiment", "check", name); code != 0 {
			t.Errorf("%s: %d %s", name, code, errw)
		}
	}
	for want, args := range map[string][]string{
		"exists already":    {"usual.yaml"},
		"perhaps tiny-cnn?": {"x.yaml", "--yes", "--models", "tiny-cn"},
		"budgets":           {"x.yaml", "--yes", "--budgets", "nonsense < 3"},
		"duration":          {"x.yaml", "--yes", "--duration", "long"},
	} {
		code, _, errw := said(t, append([]string{"init"}, args...)...)
		if code != 2 || !strings.Contains(errw, want) || exists("x.yaml") {
			t.Errorf("%v: %d %s", args, code, errw)
		}
	}
}

// Who is asked a question and presses Ctrl-C gets out.
func TestAQuestionIsInterrupted(t *testing.T) {
	silent, w := io.Pipe() // a terminal at which nobody types
	defer w.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(received{os.Interrupt, ""})
	if _, err := readLine(ctx, bufio.NewReader(silent)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
