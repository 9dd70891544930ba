package keystone

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chexp/orchestrator/internal/emulator/pyrepr"
)

// schema is the part of JSON Schema that Keystone uses for a sign-in.
type schema struct {
	types      []string // the kinds of value that are right
	names      []string // of properties, in the order in which they are checked
	properties map[string]*schema
	items      *schema
	required   []string
}

func text() *schema { return &schema{types: []string{"string"}} }

// object makes a schema of an object from names and schemas in turn.
func object(required []string, pairs ...any) *schema {
	s := &schema{types: []string{"object"}, properties: map[string]*schema{}, required: required}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		s.names = append(s.names, name)
		s.properties[name] = pairs[i+1].(*schema)
	}
	return s
}

// authSchema is what auth must be [KEYSTONE:keystone/auth/schema.py token_issue].
func authSchema() *schema {
	domain := func() *schema { return object(nil, "id", text(), "name", text()) }
	user := object(nil, "id", text(), "name", text(), "password", text(), "domain", domain())
	scope := object(nil, "project", object(nil, "name", text(), "id", text(), "domain", domain()),
		"domain", domain(), "OS-TRUST:trust", object(nil, "id", text()))
	scope.types = []string{"object", "string"}
	return object([]string{"identity"}, "identity", object([]string{"methods"},
		"methods", &schema{types: []string{"array"}, items: text()},
		"password", object(nil, "user", user), "token", object([]string{"id"}, "id", text())), "scope", scope)
}

// python is the schema as Python has it, to be printed.
func (s *schema) python() map[string]any {
	out := map[string]any{"type": s.types[0]}
	if len(s.types) > 1 {
		out["type"] = anyList(s.types)
	}
	if s.properties != nil {
		properties := map[string]any{}
		for name, p := range s.properties {
			properties[name] = p.python()
		}
		out["properties"] = properties
	}
	if s.items != nil {
		out["items"] = s.items.python()
	}
	if s.required != nil {
		out["required"] = anyList(s.required)
	}
	return out
}

func anyList(texts []string) []any {
	var list []any
	for _, t := range texts {
		list = append(list, t)
	}
	return list
}

// checkAuth returns Keystone's sentence about the first thing in auth that the schema
// forbids, or "".
func checkAuth(auth json.RawMessage) string {
	var v any
	if json.Unmarshal(auth, &v) != nil {
		return malformed("valid JSON", "request body")
	}
	return authSchema().check(v, nil, nil)
}

// check walks in the order of Python's jsonschema: type, properties, required. path leads
// to the value, where to its schema.
func (s *schema) check(v any, path, where []string) string {
	if !slices.ContainsFunc(s.types, func(t string) bool { return kindOf(v) == t }) {
		var want []string
		for _, t := range s.types {
			want = append(want, "'"+t+"'")
		}
		return s.problem(v, path, where, "type", printed(v)+" is not of type "+strings.Join(want, ", "))
	}
	if list, ok := v.([]any); ok && s.items != nil {
		for i, e := range list {
			if p := s.items.check(e, append(path, fmt.Sprint(i)), append(where, "items")); p != "" {
				return p
			}
		}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return ""
	}
	for _, name := range s.names {
		if e, ok := object[name]; ok {
			if p := s.properties[name].check(e, append(path, name), append(where, "properties", name)); p != "" {
				return p
			}
		}
	}
	for _, name := range s.required {
		if _, ok := object[name]; !ok {
			return s.problem(v, path, where, "required", "'"+name+"' is a required property")
		}
	}
	return ""
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return ""
}

// problem is the text of jsonschema's ValidationError, with Keystone's words before it
// [KEYSTONE:keystone/common/validation/validators.py].
func (s *schema) problem(v any, path, where []string, keyword, message string) string {
	text := message + "\n\nFailed validating '" + keyword + "' in schema" + index(where) + ":\n" +
		indent(pretty(s.python(), 0, 0)) +
		"\n\nOn instance" + index(path) + ":\n" + indent(pretty(v, 0, 0))
	if len(path) > 0 {
		return "Invalid input for field '" + strings.Join(path, "/") + "': " + text
	}
	return text
}

func index(path []string) string {
	var b strings.Builder
	for _, p := range path {
		if p != "" && strings.Trim(p, "0123456789") == "" {
			b.WriteString("[" + p + "]")
		} else {
			b.WriteString("['" + p + "']")
		}
	}
	return b.String()
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

// pretty prints as Python's pprint with a width of 72: what fits stays on one line. at is
// the column, after the number of characters that must follow on the last line.
func pretty(v any, at, after int) string {
	const width = 72
	if one := printed(v); len(one) <= width-at-after {
		return one
	}
	var open, end string
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		open, end = "{", "}"
		keys := slices.Sorted(maps.Keys(v))
		for i, k := range keys {
			key := pyrepr.Repr(k) + ": "
			parts = append(parts, key+pretty(v[k], at+1+len(key), follows(i, len(keys), after)))
		}
	case []any:
		open, end = "[", "]"
		for i, e := range v {
			parts = append(parts, pretty(e, at+1, follows(i, len(v), after)))
		}
	default:
		return printed(v)
	}
	return open + strings.Join(parts, ",\n"+strings.Repeat(" ", at+1)) + end
}

func follows(i, n, after int) int {
	if i < n-1 {
		return 1
	}
	return after + 1
}

// printed is Python's repr with sorted keys.
func printed(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, pyrepr.Repr(k)+": "+printed(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, printed(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return pyrepr.Repr(v)
}
