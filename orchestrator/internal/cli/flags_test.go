package cli

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/urfave/cli/v2"
)

// badValues are values that each flag must refuse, by its command and name. "*"
// stands for every command that has the flag and no line of its own.
var badValues = map[string][]string{
	"* --format":                {"xml", "JSON", ""},
	"* --progress":              {"xml", "JSON", ""},
	"* --machine":               {"", "a\nb", " raspberrypi5", strings.Repeat("x", 256)},
	"* --device":                {"a\tb", ""},
	"* --uid":                   {"a\x00b", ""},
	"* --pull-grace":            {"-5s", "0s", "5h", "30m", "x"},
	"* --fetch-time":            {"-5m", "0s", "5h", "30m", "x"},
	"* --arch":                  {"riscv64", ""},
	"* --fault":                 {"nonsense"},
	"* --target":                {"arm64-vnni", "z80"},
	"* --samples":               {"-1", "x"},
	"* --mean":                  {"a", "1,2", "NaN"},
	"* --std":                   {"0", "1,2", "-1"},
	"* --resize":                {"0", "-5"},
	"* --shape":                 {"1,x", "0,3", ""},
	"* --layout":                {"CHW"},
	"* --input":                 {"x", "x=-1,3", "x=[batch, batch]", "x=none.npy"},
	"run --lease":               {"", "a\tb"},
	"run --at":                  {"yesterday", "25", "2026-12-01T14:00", ""},
	"run --wait":                {"-5s", "0s", "x"},
	"run --until":               {"lunch", "release", ""},
	"rehearse --until":          {"lunch"},
	"* --site":                  {"CHI@Moon", "local", ""},
	"run --site":                {"CHI@Moon", ""},
	"replay --site":             {"CHI@Moon", ""},
	"replay --lease":            {"", "a\tb"},
	"replay --at":               {"yesterday", "25", "2026-12-01T14:00", ""},
	"replay --pull-grace":       {"-5s", "0s", "x"}, // what leaves nothing of the lease, the run tells
	"replay --fetch-time":       {"-5m", "0s", "x"},
	"results pack --license":    {"mine", "ftp://x", ""},
	"results pack --author":     {"<x>", "Ada <mine>"},
	"results export --to":       {"excel", ""},
	"emulator --site":           {"CHI@Moon", "CHI@Edge"},
	"emulator --listen":         {"0.0.0.0:0", "nonsense", ":8080", "192.0.2.1:1"},
	"emulator --tick":           {"0s", "-1s"},
	"emulator --pull":           {"-1s"},
	"emulator --deploy":         {"-1s"},
	"emulator --clock":          {"x"},
	"emulator --region":         {"a\nb"},
	"lease create --hours":      {"0", "-1", "169", "NaN", "Inf", "x", "0.01"},
	"lease create --at":         {"yesterday", "25", "2026-12-01T14:00"},
	"lease create --name":       {strings.Repeat("x", 256), "a\nb", ""},
	"lease create --experiment": {"nosuch.yaml"},
	"lease extend --hours":      {"0", "-1", "1e10", "NaN"},
	"lease extend --until":      {"yesterday", "now"},
	"lease shorten --until":     {"tomorrow", "now"},
	"device calendar --days":    {"0", "-1", "57", "x"},
	"results compare --group":   {"nolabel"},
	"results compare --budget":  {"p50 < fast"},
	"model fetch --sha256":      {"abc", strings.Repeat("A", 64)},
	"model fetch --swhid": {"swh:1:cnt:abc", "swh:1:dir:" + strings.Repeat("a", 40), strings.Repeat("a", 40),
		""},
	"model inspect --runtime":    {"new"},
	"model quantize --mode":      {"int4"},
	"model quantize --operators": {"none"},
	"model quantize --fix-batch": {"0", "-3"},
	"model quantize --weights":   {"4", "9"},
	"model quantize --ranges":    {"nonsense"},
	"model quantize --max-drop":  {"-1pt", "much", "NaN"},
	"model compare --rounds":     {"-1"},
	"model compare --runs":       {"0"},
	"model compare --outputs":    {"boxes", ""},
	"doctor --experiment":        {"nosuch.yaml"},
	"* --system":                 {"phone", ""},
}

// anyValue are the flags that are names of files, runs and such, which are
// looked up, and those without a value.
var anyValue = []string{"keep", "release", "resume", "detach", "full", "verbose", "dir", "exact", "wait", "no-wait",
	"now", "html", "from", "image", "data", "eval", "output", "exclude", "per-tensor", "help",
	"no-try", "try", "trials", "classes", "exif", "yes", "elsewhere", "here", "quiet",
	"models", "providers", "budgets", "duration",
	"sign", "signed-by", "files", "rehearse"}

// arguments are what each command needs besides flags.
var arguments = map[string][]string{
	"completion": {"bash"}, "init": {"new.yaml", "--yes"}, "run": {"exp.yaml"}, "rehearse": {"exp.yaml"},
	"experiment plan": {"exp.yaml"}, "experiment check": {"exp.yaml"},
	"lease create": {"--machine", "raspberrypi5"}, "lease extend": {"mine"}, "lease shorten": {"mine"},
	"lease show": {"mine"}, "lease delete": {"mine"},
	"lease wait": {"mine"}, "results show": {"latest"}, "results fetch": {"latest"},
	"results compare": {"a", "b"}, "model fetch": {"tiny-cnn"}, "model inspect": {"tiny-cnn"},
	"model quantize": {"tiny-cnn", "--mode", "dynamic"}, "model compare": {"tiny-cnn", "tiny-cnn", "--data", "."},
}

const anExperiment = `apiVersion: chexp/v1
name: flags
site: CHI@Edge
lease: {machine_name: raspberrypi5, duration: 30m}
container: {image: "debian:bookworm-slim"}
models: [{name: tiny, builtin: tiny-cnn}]
providers: [cpu]
`

// commandsOf calls do with every command that does something.
func commandsOf(commands []*cli.Command, above string, do func(verb string, c *cli.Command)) {
	for _, c := range commands {
		verb := strings.TrimSpace(above + " " + c.Name)
		commandsOf(c.Subcommands, verb, do)
		if len(c.Subcommands) == 0 {
			do(verb, c)
		}
	}
}

// nothingToAsk makes an empty directory the working one, and signs commands in to a service
// that counts what it is asked.
func nothingToAsk(t *testing.T) (asked *atomic.Int32, dir string) {
	t.Helper()
	asked = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(srv.Close)
	for name, value := range map[string]string{
		"OS_CLOUD": "", "OS_CLIENT_CONFIG_FILE": "", "OS_AUTH_URL": srv.URL, "OS_AUTH_TYPE": "v3applicationcredential",
		"OS_APPLICATION_CREDENTIAL_ID": "x", "OS_APPLICATION_CREDENTIAL_SECRET": "y", "CHEXP_RUNS": "",
	} {
		t.Setenv(name, value)
	}
	t.Setenv("CHEXP_CACHE", t.TempDir())
	dir = t.TempDir()
	t.Chdir(dir)
	return asked, dir
}

// TestFlagsAreJudgedBeforeAnythingHappens gives every flag of every command
// values that it must refuse: exit code 2, the flag's name, and the words that
// nothing was created, which is true: no service was asked, and no file was
// written. A flag that stands in neither list fails the test.
func TestFlagsAreJudgedBeforeAnythingHappens(t *testing.T) {
	asked, dir := nothingToAsk(t)
	if err := os.WriteFile("exp.yaml", []byte(anExperiment), 0o600); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	commandsOf((&app{}).root().Commands, "", func(verb string, c *cli.Command) {
		for _, f := range c.Flags {
			name := f.Names()[0]
			key := verb + " --" + name
			values, ok := badValues[key]
			if !ok {
				key = "* --" + name
				values, ok = badValues[key]
			}
			used[key] = true
			if !ok {
				if !slices.Contains(anyValue, name) {
					t.Errorf("`%s --%s` is in neither list", verb, name)
				}
				continue
			}
			for _, value := range values {
				refuse(t, verb, name, value)
			}
		}
	})
	for key := range badValues {
		if !used[key] {
			t.Errorf("no command has %q", key)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("a service was asked %d times", n)
	}
	left, err := fs.Glob(os.DirFS(dir), "*")
	if err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
}

// refuse runs one command with one bad value.
func refuse(t *testing.T, verb, flag, value string) {
	t.Helper()
	args := slices.Concat([]string{"chexp"}, strings.Fields(verb), arguments[verb], []string{"--" + flag + "=" + value})
	if verb == "results compare" && flag == "group" {
		args = slices.DeleteFunc(args, func(s string) bool { return s == "a" || s == "b" })
	}
	var out, errs bytes.Buffer
	code := Main("test", args, strings.NewReader(""), &out, &errs)
	if code != 2 || !strings.Contains(errs.String(), flag) || !strings.Contains(errs.String(), "nothing was") ||
		out.Len() > 0 {
		if flag != "experiment" || code != 2 {
			t.Errorf("%s: exit code %d, and it says %s%s", strings.Join(args, " "), code, out.String(), errs.String())
		}
	}
}

// Every problem of a command line is told at once.
func TestAllBadFlagsAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("exp.yaml", []byte(anExperiment), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := Main("test", []string{"chexp", "run", "exp.yaml", "-f", "xml", "--until", "lunch", "--pull-grace", "-5s"},
		strings.NewReader(""), &out, &errs)
	for _, want := range []string{`--format is "xml"; it takes table, json, yaml or csv`, `--until is "lunch"`,
		"--pull-grace is -5s", "nothing was created"} {
		if code != 2 || !strings.Contains(errs.String(), want) {
			t.Errorf("exit code %d; %q is not in: %s", code, want, errs.String())
		}
	}
	if _, err := os.Stat(filepath.Join("runs")); err == nil {
		t.Error("there is a run")
	}
}

// A run goes on where it was begun: another site is refused, not ignored.
func TestResumeAtAnotherSite(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	code := Main("test", []string{"chexp", "run", "--resume", "latest", "--site", "local"}, strings.NewReader(""), &out,
		&errs)
	if code != 2 || !strings.Contains(errs.String(), "contradict") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
