package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/urfave/cli/v2"

	"chexp/experiments/compare"
	"chexp/experiments/schema"
	"chexp/experiments/schema/ofstructs"
	"chexp/models/inspect"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

var updateSchemas = flag.Bool("update-schemas", false, "write experiments/schema/answers.schema.json anew")

const answersFile = "answers.schema.json"

// document stands for an answer that has a schema of its own.
type document string

const (
	aReport     document = "urn:chexp:schema:report:v1"
	aComparison document = "urn:chexp:schema:comparison:v1"
)

// alternatives are several values or documents, of which an answer is one.
type alternatives []any

// ofRuns is what a run's commands write: its report, a comparison where it has several
// devices, and the answer over all where it has several systems.
var ofRuns = alternatives{aReport, aComparison, findings.Systems{}}

// answers is what each command with -f json writes: a value of the type, or documents.
var answers = map[string]any{
	"device calendar": calendar{},
	"device list":     []site.Device{},
	"doctor":          []site.Answer{},
	"experiment plan": planAnswer{},
	"gc":              []litter{},
	"lease create":    run.Lease{},
	"lease extend":    site.Lease{},
	"lease list":      []site.Lease{},
	"lease shorten":   site.Lease{},
	"lease show":      site.Lease{},
	"lease wait":      run.Lease{},
	"model compare":   []compared{},
	"model fetch":     fetched{},
	"model inspect":   inspect.Report{},
	"model list":      []listedModel{},
	"model quantize":  quantized{},
	"model verify":    []verified{},
	"rehearse":        ofRuns,
	"replay":          aComparison,
	"results answer":  findings.Systems{},
	"results compare": aComparison,
	"results fetch":   ofRuns,
	"results list":    []runRow{},
	"results show":    ofRuns,
	"results trend":   compare.Trend{},
	"results verify":  verdict{},
	"run":             ofRuns,
	"version":         []versionRow{},
}

// definition is the name of a command's answer in the schema.
func definition(command string) string { return strings.ReplaceAll(command, " ", "-") }

func schemaOf(w ofstructs.Schemas, answer any) map[string]any {
	switch x := answer.(type) {
	case document:
		return map[string]any{"$ref": string(x)}
	case alternatives:
		var all []any
		for _, one := range x {
			all = append(all, schemaOf(w, one))
		}
		return map[string]any{"anyOf": all}
	}
	return w.Of(reflect.TypeOf(answer))
}

func answersSchema(t *testing.T) []byte {
	t.Helper()
	w, commands := ofstructs.New(), map[string]any{}
	for _, command := range slices.Sorted(mapKeys(answers)) {
		commands[definition(command)] = schemaOf(w, answers[command])
	}
	commands["progress"] = w.Of(reflect.TypeFor[moment]()) // of --progress json
	for name, s := range commands {
		if _, taken := w.Defs[name]; taken {
			t.Fatalf("a command and a type are both called %s", name)
		}
		w.Defs[name] = s
	}
	data, err := json.MarshalIndent(map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id": "urn:chexp:schema:answers:v1", "title": "answers of chexp's commands", "$defs": w.Defs,
		"description": "What a command writes with -f json is described by #/$defs/ and its name, such as " +
			"#/$defs/results-list."}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// The published schema is what the commands' structs write.
func TestAnswersSchema(t *testing.T) {
	want := answersSchema(t)
	if *updateSchemas {
		if err := os.WriteFile(filepath.Join("../../../experiments/schema", answersFile), want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := schema.FS.ReadFile(answersFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("experiments/schema/%s is not what the structs write (%v): go test ./orchestrator/internal/cli "+
			"-run TestAnswersSchema -update-schemas", answersFile, err)
	}
}

// Every command that has -f json has its answer described.
func TestEveryAnswerIsDescribed(t *testing.T) {
	var walk func(prefix string, commands []*cli.Command)
	walk = func(prefix string, commands []*cli.Command) {
		for _, c := range commands {
			name := strings.TrimSpace(prefix + " " + c.Name)
			walk(name, c.Subcommands)
			for _, f := range c.Flags {
				if slices.Contains(f.Names(), "format") && answers[name] == nil {
					t.Errorf("`chexp %s -f json` has no schema", name)
				}
			}
		}
	}
	walk("", (&app{}).root().Commands)
}

var answerSchemas = sync.OnceValues(func() (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range []string{answersFile, "report.schema.json", "comparison.schema.json"} {
		data, err := schema.FS.ReadFile(name)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(doc.(map[string]any)["$id"].(string), doc); err != nil {
			return nil, err
		}
	}
	return c, nil
})

var compiling sync.Mutex // a compiler belongs to one goroutine

// ValidAnswer holds what a command printed with -f json against its schema, with a
// validator that is not chexp's.
func ValidAnswer(args []string, stdout string) error {
	at := slices.Index(args, "-f")
	if at < 0 || at+1 >= len(args) || args[at+1] != "json" || strings.TrimSpace(stdout) == "" {
		return nil
	}
	command := ""
	for i, word := range args {
		if i+1 < len(args) && answers[word+" "+args[i+1]] != nil {
			command = word + " " + args[i+1]
			break
		}
		if answers[word] != nil {
			command = word
			break
		}
	}
	return describedBy(definition(command), stdout)
}

// describedBy holds a document against a definition of the schema.
func describedBy(name, text string) error {
	compiling.Lock()
	defer compiling.Unlock()
	c, err := answerSchemas()
	if err != nil {
		return err
	}
	s, err := c.Compile("urn:chexp:schema:answers:v1#/$defs/" + name)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// A second validator refuses what no command writes.
func TestSpoiltAnswersAreInvalid(t *testing.T) {
	for answer, ok := range map[string]bool{
		`[{"Program": "chexp", "Version": "1", "Runtime": ""}]`:             true,
		`[{"Program": "chexp", "Version": "1"}]`:                            false,
		`[{"Program": "chexp", "Version": 1, "Runtime": ""}]`:               false,
		`[{"Program": "chexp", "Version": "1", "Runtime": "", "extra": 1}]`: false,
		`{}`: false,
	} {
		if err := ValidAnswer([]string{"chexp", "version", "-f", "json"}, answer); (err == nil) != ok {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
