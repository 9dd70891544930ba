package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chexp/experiments/schema"
	"chexp/experiments/schema/ofstructs"
	"chexp/orchestrator/internal/report/findings"
)

const schemaFile = "report.schema.json"

func reportSchema(t *testing.T) []byte {
	t.Helper()
	w := ofstructs.New()
	ref := w.Of(reflect.TypeFor[findings.Table]())
	root := w.Defs[strings.TrimPrefix(ref["$ref"].(string), "#/$defs/")].(map[string]any)
	root = maps.Clone(root)
	delete(w.Defs, "table")
	maps.Copy(root, map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id": "urn:chexp:schema:report:v1", "title": "chexp report", "$defs": w.Defs,
		"description": "A run's report, report.json. Times are nanoseconds, sizes bytes, shares from 0 to 1."})
	root["properties"].(map[string]any)["schema"] = map[string]any{"const": findings.Schema}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// The published schema is what the structs write.
func TestReportSchema(t *testing.T) {
	want := reportSchema(t)
	if *update {
		if err := os.WriteFile(filepath.Join("../../../experiments/schema", schemaFile), want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := schema.FS.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, want) && !*update {
		t.Errorf("experiments/schema/%s is not what the structs write (%v): go test ./orchestrator/internal/report -update",
			schemaFile, err)
	}
}

// A second validator takes every report, and no spoilt one.
func TestReportsAreValid(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(reportSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(schemaFile, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	reports, _ := filepath.Glob("testdata/*.json")
	if len(reports) < 4 {
		t.Fatalf("only %d reports", len(reports))
	}
	for _, file := range reports {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		good, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(good); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for name, spoil := range map[string]func(map[string]any){
			"another schema":   func(m map[string]any) { m["schema"] = "chexp.report/v2" },
			"an unknown field": func(m map[string]any) { m["extra"] = 1 },
			"no rows":          func(m map[string]any) { delete(m, "rows") },
			"a bad time":       func(m map[string]any) { m["run"].(map[string]any)["started"] = "yesterday" },
		} {
			bad, _ := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			spoil(bad.(map[string]any))
			if s.Validate(bad) == nil {
				t.Errorf("%s with %s is valid", file, name)
			}
		}
	}
}
