package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"chexp/experiments/schema"
)

const schemaFile = "experiment.schema.json"

func experimentSchema(t *testing.T) (map[string]any, *jsonschema.Schema) {
	t.Helper()
	data, err := schema.FS.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaFile, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any), s
}

func asJSON(t *testing.T, file []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(file, &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// What an editor says of a file is never harder than what chexp says.
func TestGoodFilesAreValid(t *testing.T) {
	_, s := experimentSchema(t)
	shipped, _ := filepath.Glob("../*.yaml")
	good, _ := filepath.Glob("testdata/valid-*.yaml")
	if len(shipped) < 4 || len(good) < 5 {
		t.Fatalf("%d and %d files", len(shipped), len(good))
	}
	for _, file := range slices.Concat(shipped, good) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(t, data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestWrongFilesAreInvalid(t *testing.T) {
	_, s := experimentSchema(t)
	for _, file := range []string{"missing", "missing-inner", "units"} {
		data, err := os.ReadFile("testdata/invalid-" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(asJSON(t, data)) == nil {
			t.Errorf("invalid-%s.yaml is valid", file)
		}
	}
}

// The schema has the keys that the loader reads: each of its keys is one, and each that
// the table of the package's comment names is there.
func TestSchemaHasTheKeys(t *testing.T) {
	root, _ := experimentSchema(t)
	keys := map[string]bool{}
	defs := root["$defs"].(map[string]any)
	var walk func(at string, s map[string]any)
	walk = func(at string, s map[string]any) {
		for ref, ok := s["$ref"].(string); ok; ref, ok = s["$ref"].(string) {
			among, name := defs, strings.TrimPrefix(ref, "#/$defs/")
			if own, of := strings.CutPrefix(ref, "#/properties/"); of { // what a system has of the file's
				among, name = object(root["properties"]), own
			}
			s = among[name].(map[string]any)
		}
		for key, sub := range object(s["properties"]) {
			keys[strings.TrimPrefix(at+"."+key, ".")] = true
			walk(at+"."+key, object(sub))
		}
		if items := object(s["items"]); items != nil {
			walk(at+"[]", items)
		}
		alternatives, _ := s["anyOf"].([]any)
		for _, a := range alternatives {
			walk(at, object(a))
		}
	}
	walk("", root)
	for key := range keys {
		if said := loadedWith(t, key); strings.Contains(said, "is not a key of") {
			t.Errorf("the schema has %s, and the loader says %s", key, said)
		}
	}
	if said := loadedWith(t, "trials.zeal"); !strings.Contains(said, "is not a key of") {
		t.Errorf("this test cannot fail: an unknown key is %q", said)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^//\t([a-z][A-Za-z_]*(?:\[\])?(?:\.[a-z][a-z_0-9]*)*) {2,}`)
	rows := row.FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 50 {
		t.Fatalf("only %d keys in the table", len(rows))
	}
	for _, m := range rows {
		if key := m[1]; key != "key" && !keys[key] {
			t.Errorf("the schema lacks %s", key)
		}
	}
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// loadedWith is what the loader says of a file with nothing but this key.
func loadedWith(t *testing.T, key string) string {
	t.Helper()
	site := "CHI@Edge"
	switch {
	case key == "lease.node_type" || strings.HasPrefix(key, "server"):
		site = "CHI@TACC"
	case key == "host" || key == "port" || key == "key":
		site = "ssh"
	}
	parts := strings.Split(key, ".")
	var value any = "1"
	for i := len(parts) - 1; i >= 0; i-- {
		name, isList := strings.CutSuffix(parts[i], "[]")
		if isList {
			value = []any{value}
		}
		value = map[string]any{name: value}
	}
	file := value.(map[string]any)
	if file["site"] == nil {
		file["site"] = site
	}
	data, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(path)
	return fmt.Sprint(err)
}
