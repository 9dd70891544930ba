// Package ofstructs makes the JSON Schema (2020-12) of what encoding/json writes of a
// type, for the tests that hold the published schemas and the structs together.
package ofstructs

import (
	"encoding"
	"encoding/json"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Schemas are those of types, with what they have in common in Defs, which are to be
// published as the document's "$defs".
type Schemas struct {
	Defs  map[string]any
	names map[reflect.Type]string
}

// New has no types yet.
func New() Schemas { return Schemas{map[string]any{}, map[reflect.Type]string{}} }

var text = reflect.TypeFor[encoding.TextMarshaler]()

// Of is the schema of a type. A struct's is a reference to a definition.
func (w Schemas) Of(t reflect.Type) map[string]any {
	for t.Kind() == reflect.Pointer && !t.Implements(text) {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return map[string]any{}
	case t.Implements(text):
		return map[string]any{"type": "string"}
	case strings.HasPrefix(t.Name(), "Reading["):
		return map[string]any{"description": "a value, or why there is none", "oneOf": []any{
			closed(map[string]any{"value": w.Of(t.Field(0).Type)}, "value"),
			closed(map[string]any{"unavailable": map[string]any{"type": "string"}}),
		}}
	}
	switch t.Kind() {
	case reflect.Struct:
		return map[string]any{"$ref": "#/$defs/" + w.define(t)}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": w.Of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": w.Of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "integer"}
}

// define adds a struct's definition, and returns its name: the type's, with the
// package before it where another package has a type of that name.
func (w Schemas) define(t reflect.Type) string {
	if name, ok := w.names[t]; ok {
		return name
	}
	name := strings.ToLower(t.Name()[:1]) + t.Name()[1:]
	if _, taken := w.Defs[name]; taken {
		name = path.Base(t.PkgPath()) + t.Name()
	}
	w.names[t], w.Defs[name] = name, nil // while it is made
	properties, required := map[string]any{}, []string{}
	w.fields(t, properties, &required)
	w.Defs[name] = closed(properties, required...)
	return name
}

func closed(properties map[string]any, required ...string) map[string]any {
	slices.Sort(required)
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties,
		"required": append([]string{}, required...)}
}

// fields adds a struct's fields, those of embedded structs among them.
func (w Schemas) fields(t reflect.Type, properties map[string]any, required *[]string) {
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
		if name == "" {
			name = f.Name
		}
		s := w.Of(f.Type)
		if options == "" {
			*required = append(*required, name)
			if k := f.Type.Kind(); k == reflect.Slice || k == reflect.Map {
				s["type"] = []string{s["type"].(string), "null"}
			}
		}
		properties[name] = s
	}
}
