package zun

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"chexp/orchestrator/internal/emulator/pyrepr"
)

// rule is the part of a JSON schema that Zun uses for one value
// [ZUN:zun/api/controllers/v1/schemas/parameter_types.py].
type rule struct {
	types    []string
	min, max int // length of a text; 0: no bound
	pattern  string
	enum     []any
	low, top float64 // of a number, or of a text that is one; 0: no bound
	each     *rule   // every value of an object
}

var (
	boolean = rule{types: []string{"boolean", "string"},
		enum: []any{true, "True", "true", false, "False", "false"}}
	booleanExtended = rule{types: []string{"boolean", "string"},
		enum: []any{true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
			false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"}}
	textOrNull   = rule{types: []string{"string", "null"}}
	objectOrNull = rule{types: []string{"object", "null"}}
	arrayOrNull  = rule{types: []string{"array", "null"}}
	digits       = rule{types: []string{"string", "integer", "null"}, pattern: "^[0-9]+$"}
	execCommand  = rule{types: []string{"string"}, min: 1}
	stopTimeout  = rule{types: []string{"integer", "string"}, pattern: "^[0-9]*$"}
	psArgs       = rule{types: []string{"string"}, pattern: "[a-zA-Z- ,+]*"}
	positive     = rule{types: []string{"integer", "string"}, pattern: "^[0-9]*$"}
	execID       = rule{types: []string{"string"}, min: 64, max: 64, pattern: "^[a-f0-9]*$"}
	logsSince    = rule{types: []string{"string", "integer", "null"},
		pattern: "(^[0-9]*$)|([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{1,3})"}
	logsTail = rule{types: []string{"string", "integer", "null"}}
)

// bounded adds the bounds of Zun's configuration [ZUN:zun/conf/container_driver.py].
func bounded(r rule, low, top float64) rule {
	r.low, r.top = low, top
	return r
}

// bodyRules are the keys of a creation, with the version that brought them.
var bodyRules = map[string]struct {
	rule
	since version
}{
	"name": {rule{types: []string{"string", "null"}, min: 2, max: 255,
		pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]+$"}, 1},
	"image":   {rule{types: []string{"string"}, min: 2, max: 255, pattern: "[a-zA-Z0-9][a-zA-Z0-9_.-]"}, 1},
	"command": {arrayOrNull, 1}, // a string below 1.20
	"cpu": {rule{types: []string{"number", "string", "null"}, min: 1, pattern: `^[0-9]*(\.([0-9]+))?$`,
		low: 0.1, top: 16}, 1},
	"cpu_policy":  {rule{types: []string{"string"}, enum: []any{"dedicated", "shared"}}, 1},
	"memory":      {bounded(digits, 4, 8192), 1},
	"disk":        {bounded(digits, 1, 160), 1},
	"workdir":     {textOrNull, 1},
	"auto_remove": {rule{types: []string{"boolean", "null"}}, 1},
	"image_pull_policy": {rule{types: []string{"string", "null"},
		enum: []any{"never", "always", "ifnotpresent", "Never", "Always", "IfNotPresent", nil}}, 1},
	"labels":            {objectOrNull, 1},
	"environment":       {rule{types: []string{"object", "null"}, each: &rule{types: []string{"string"}}}, 1},
	"restart_policy":    {objectOrNull, 1},
	"interactive":       {boolean, 1},
	"tty":               {boolean, 1},
	"image_driver":      {rule{types: []string{"string", "null"}, enum: []any{"glance", "docker", nil, "None"}}, 1},
	"security_groups":   {arrayOrNull, 1},
	"hints":             {objectOrNull, 1},
	"mounts":            {arrayOrNull, 1},
	"nets":              {arrayOrNull, 1},
	"runtime":           {textOrNull, 1},
	"hostname":          {rule{types: []string{"string"}, min: 1, max: 255, pattern: "^[a-zA-Z0-9-._]*$"}, 1},
	"availability_zone": {rule{types: []string{"string", "null"}, min: 1, max: 255}, 1},
	"auto_heal":         {boolean, 1},
	"privileged":        {boolean, 1},
	"healthcheck":       {objectOrNull, 1},
	"exposed_ports":     {objectOrNull, 1},
	"registry":          {rule{types: []string{"string", "null"}}, 1},
	"host":              {rule{types: []string{"string"}, min: 1, max: 255, pattern: "^[a-zA-Z0-9-._]*$"}, 39},
	"entrypoint":        {arrayOrNull, 40},
	"device_profiles":   {arrayOrNull, 41},
}

func schemaError(text string) *problem { return &problem{400, "schema-validation-error", text} }

func unexpected(keys []string) *problem {
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = pyrepr.Repr(k)
	}
	verb := "was"
	if len(keys) > 1 {
		verb = "were"
	}
	return schemaError("Additional properties are not allowed (" + strings.Join(quoted, ", ") + " " + verb +
		" unexpected)")
}

// checkBody is the schema of a creation. Errors about the object as a whole win over
// errors about one key, as jsonschema's best match has it.
func checkBody(body *pyrepr.Dict, v version) *problem {
	var extra []string
	for _, k := range body.Keys() {
		if r, ok := bodyRules[k]; !ok || v < r.since {
			extra = append(extra, k)
		}
	}
	if extra != nil {
		return unexpected(extra)
	}
	if _, ok := body.Get("image"); !ok {
		return schemaError("'image' is a required property")
	}
	_, groups := body.Get("security_groups")
	_, ports := body.Get("exposed_ports")
	if groups && ports && v >= 20 {
		// The keys' presence counts, not their value.
		return schemaError(pyrepr.Repr(body) + " should not be valid under {'required': ['security_groups', " +
			"'exposed_ports']}")
	}
	return checkValues(body, v)
}

func checkValues(body *pyrepr.Dict, v version) *problem {
	for _, k := range body.Keys() {
		r := bodyRules[k].rule
		if k == "command" && v < 20 {
			r = textOrNull
		}
		val, _ := body.Get(k)
		if text := r.check(val, "['properties']['"+k+"']", ""); text != "" {
			return schemaError("Invalid input for field '" + k + "'.Value: '" + pyrepr.Str(val) + "'. " + text)
		}
		d, ok := val.(*pyrepr.Dict)
		if r.each == nil || !ok {
			continue
		}
		for _, inner := range d.Keys() {
			iv, _ := d.Get(inner)
			if text := r.each.check(iv, "['properties']['"+k+"']['patternProperties']['.+']", "['"+k+"']"); text != "" {
				return schemaError("Invalid input for field '" + inner + "'.Value: '" + pyrepr.Str(iv) + "'. " + text)
			}
		}
	}
	return nil
}

// checkPatch is the schema of an update.
func checkPatch(body *pyrepr.Dict) *problem {
	var extra []string
	for _, k := range body.Keys() {
		if k != "cpu" && k != "memory" && k != "name" && k != "auto_heal" {
			extra = append(extra, k)
		}
	}
	if extra != nil {
		return unexpected(extra)
	}
	return checkValues(body, maxVersion)
}

// checkArguments is the schema of a query string.
func checkArguments(args map[string]any, rules map[string]rule) *problem {
	var extra []string
	for k := range args {
		if _, ok := rules[k]; !ok {
			extra = append(extra, k)
		}
	}
	if extra != nil {
		slices.Sort(extra)
		return unexpected(extra)
	}
	for k, v := range args {
		if text := rules[k].check(v, "['properties']['"+k+"']", ""); text != "" {
			return schemaError("Invalid input for query parameters '" + k + "'. Value: '" + pyrepr.Str(v) + "'. " +
				text)
		}
	}
	return nil
}

// check returns jsonschema's words for the first thing wrong, "" if nothing is.
func (r rule) check(v any, schemaPath, instancePath string) string {
	said := func(what, keyword string) string {
		return fmt.Sprintf("%s\n\nFailed validating '%s' in schema%s:\n    %s\n\nOn instance%s:\n    %s",
			what, keyword, schemaPath, r.print(), instancePath, pyrepr.Repr(v))
	}
	if !slices.ContainsFunc(r.types, func(t string) bool { return isType(v, t) }) {
		names := make([]string, len(r.types))
		for i, t := range r.types {
			names[i] = pyrepr.Repr(t)
		}
		return said(pyrepr.Repr(v)+" is not of type "+strings.Join(names, ", "), "type")
	}
	if r.enum != nil && !slices.Contains(r.enum, v) {
		return said(pyrepr.Repr(v)+" is not one of "+pyrepr.Repr(r.enum), "enum")
	}
	if n, err := strconv.ParseFloat(pyrepr.Str(v), 64); err == nil && r.top > 0 {
		if n < r.low {
			return said(pyrepr.Str(v)+" is less than the minimum of "+strconv.FormatFloat(r.low, 'g', -1, 64),
				"minimum")
		}
		if n > r.top {
			return said(pyrepr.Str(v)+" is greater than the maximum of "+strconv.FormatFloat(r.top, 'g', -1, 64),
				"maximum")
		}
	}
	text, ok := v.(string)
	if !ok {
		return ""
	}
	n := utf8.RuneCountInString(text)
	switch {
	case r.min > 0 && n < r.min:
		return said(pyrepr.Repr(v)+" is too short", "minLength")
	case r.max > 0 && n > r.max:
		return said(pyrepr.Repr(v)+" is too long", "maxLength")
	case r.pattern != "" && !regexp.MustCompile(r.pattern).MatchString(text):
		return said(pyrepr.Repr(v)+" does not match "+pyrepr.Repr(r.pattern), "pattern")
	}
	return ""
}

func isType(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case json.Number:
		return name == "number" || name == "integer" && !strings.ContainsAny(v.String(), ".eE")
	case float64: // from a plain decoder
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	case *pyrepr.Dict, map[string]any:
		return name == "object"
	}
	return false
}

// print shows the rule as Python's pretty printer does.
func (r rule) print() string {
	var parts []string
	if r.enum != nil {
		parts = append(parts, "'enum': "+pyrepr.Repr(r.enum))
	}
	if r.max > 0 {
		parts = append(parts, fmt.Sprintf("'maxLength': %d", r.max))
	}
	if r.top > 0 {
		parts = append(parts, "'maximum': "+strconv.FormatFloat(r.top, 'g', -1, 64))
	}
	if r.min > 0 {
		parts = append(parts, fmt.Sprintf("'minLength': %d", r.min))
	}
	if r.top > 0 {
		parts = append(parts, "'minimum': "+strconv.FormatFloat(r.low, 'g', -1, 64))
	}
	if r.pattern != "" {
		parts = append(parts, "'pattern': "+pyrepr.Repr(r.pattern))
	}
	types := make([]any, len(r.types))
	for i, t := range r.types {
		types[i] = t
	}
	parts = append(parts, "'type': "+pyrepr.Repr(types))
	line := "{" + strings.Join(parts, ", ") + "}"
	if len(line) > 72 {
		line = "{" + strings.Join(parts, ",\n     ") + "}"
	}
	return line
}
