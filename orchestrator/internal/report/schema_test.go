package report

import (
	"bytes"
	"encoding"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chexp/experiments/schema"
	"chexp/orchestrator/internal/report/findings"
)

const schemaFile = "report.schema.json"

// writer makes the JSON Schema of what encoding/json writes of a type.
type writer struct{ defs map[string]any }

func (w writer) of(t reflect.Type) map[string]any {
	for t.Kind() == reflect.Pointer && !t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{"type": "string"}
	case strings.HasPrefix(t.Name(), "Reading["):
		return map[string]any{"description": "a value, or why there is none", "oneOf": []any{
			closed(map[string]any{"value": w.of(t.Field(0).Type)}, "value"),
			closed(map[string]any{"unavailable": map[string]any{"type": "string"}}),
		}}
	}
	switch t.Kind() {
	case reflect.Struct:
		name := strings.ToLower(t.Name()[:1]) + t.Name()[1:]
		if _, ok := w.defs[name]; !ok {
			w.defs[name] = nil // while it is made
			properties, required := map[string]any{}, []string{}
			w.fields(t, properties, &required)
			w.defs[name] = closed(properties, required...)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": w.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": w.of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "integer"}
}

func closed(properties map[string]any, required ...string) map[string]any {
	slices.Sort(required)
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties,
		"required": append([]string{}, required...)}
}

// fields adds a struct's fields, those of embedded structs among them.
func (w writer) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			e := f.Type
			if e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			w.fields(e, properties, required)
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		s := w.of(f.Type)
		if options == "" {
			*required = append(*required, name)
			if f.Type.Kind() == reflect.Slice {
				s["type"] = []string{"array", "null"}
			}
		}
		properties[name] = s
	}
}

func reportSchema(t *testing.T) []byte {
	t.Helper()
	w := writer{map[string]any{}}
	ref := w.of(reflect.TypeFor[findings.Table]())
	root := w.defs[strings.TrimPrefix(ref["$ref"].(string), "#/$defs/")].(map[string]any)
	root = maps.Clone(root)
	delete(w.defs, "table")
	maps.Copy(root, map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id": "urn:chexp:schema:report:v1", "title": "chexp report", "$defs": w.defs,
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
