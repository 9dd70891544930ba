package blazar

import (
	"fmt"
	"maps"
	"sort"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// requirement is one comparison of resource_properties.
type requirement struct{ key, op, value string }

// requirements reads resource_properties: JSON inside a string, one triple or "and"
// followed by triples; "" and [] mean any device. There is no "or", and of an "and"
// inside an "and" only the first term counts [BLZ:blazar/utils/plugins.py].
func requirements(props any) ([]requirement, *problem) {
	if text, ok := props.(string); ok {
		if text == "" {
			return nil, nil
		}
		v, err := pyrepr.Decode([]byte(text))
		if err != nil {
			return nil, malformed(text)
		}
		props = v
	}
	list, ok := props.([]any)
	if !ok {
		if _, isText := props.(string); isText {
			return nil, malformed(props)
		}
		return nil, internal // the real code indexes what is no list
	}
	if len(list) == 0 {
		return nil, nil
	}
	if t, ok := triple(list); ok {
		return []requirement{t}, nil
	}
	if len(list) < 2 || list[0] != "and" {
		return nil, malformed(list)
	}
	var all []requirement
	for _, term := range list[1:] {
		inner, p := requirements(term)
		if p != nil {
			return nil, p
		}
		if len(inner) == 0 {
			return nil, malformed(list)
		}
		all = append(all, inner[0])
	}
	return all, nil
}

func malformed(v any) *problem {
	return &problem{400, "Malformed requirements " + pyrepr.Str(v)}
}

func triple(list []any) (requirement, bool) {
	if len(list) != 3 {
		return requirement{}, false
	}
	var s [3]string
	for i := range s {
		text, ok := list[i].(string)
		if !ok {
			return requirement{}, false
		}
		s[i] = text
	}
	if s[0] == "=" {
		s[0] = "=="
	}
	if compare[s[0]] == nil || len(s[1]) < 2 || s[1][0] != '$' || s[2] == "" {
		return requirement{}, false
	}
	return requirement{key: s[1][1:], op: s[0], value: s[2]}, true
}

// Everything is compared as text.
var compare = map[string]func(have, want string) bool{
	"==": func(a, b string) bool { return a == b },
	"!=": func(a, b string) bool { return a != b },
	"<":  func(a, b string) bool { return a < b },
	"<=": func(a, b string) bool { return a <= b },
	">":  func(a, b string) bool { return a > b },
	">=": func(a, b string) bool { return a >= b },
}

// matching returns the boards that satisfy all terms, whether reservable or not.
// A board without the property never matches, not even "!=". A host's columns that are numbers
// are compared as numbers, by the database; everything else is text.
func (s *boards) matching(reqs []requirement) ([]*world.Device, *problem) {
	found := s.devices
	for _, q := range reqs {
		if !s.anyHas(q.key) {
			return nil, &problem{500, fmt.Sprintf("%s %s was not found", q.key, s.kind.capability)}
		}
		var left []*world.Device
		for _, d := range found {
			if have, number, ok := s.property(d, q.key); ok && q.holds(have, number) {
				left = append(left, d)
			}
		}
		found = left
	}
	return found, nil
}

func (q requirement) holds(have string, number bool) bool {
	want := q.value
	if a, err := strconv.Atoi(have); err == nil && number {
		if b, err := strconv.Atoi(want); err == nil {
			have, want = fmt.Sprintf("%020d", a), fmt.Sprintf("%020d", b)
		}
	}
	return compare[q.op](have, want)
}

func (s *boards) anyHas(key string) bool {
	for _, d := range s.devices {
		if _, _, ok := s.property(d, key); ok {
			return true
		}
	}
	return false
}

// extras are the extra capabilities, which doni wrote there
// [DONI:doni/driver/worker/blazar/device.py expected_state].
func extras(d *world.Device) map[string]string {
	m := map[string]string{"uid": d.UID, "machine_name": d.MachineName, "device_name": d.DeviceName,
		"vendor": d.Vendor, "model": d.Model, "platform_version": "2"}
	for _, p := range d.Profiles {
		m[p] = "True"
	}
	if len(d.Profiles) > 0 {
		m["supported_device_profiles"] = strings.Join(d.Profiles, ",")
	}
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	for i, p := range d.Authorized {
		if i > 0 {
			m["authorized_projects"] += ","
		}
		m["authorized_projects"] += p
	}
	return m
}

// propertyNames lists the extra capabilities that any board has, sorted.
func (s *boards) propertyNames() []string {
	set := map[string]bool{}
	for _, d := range s.devices {
		for k := range s.kind.capabilities(d) {
			set[k] = true
		}
	}
	var names []string
	for k := range set {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}
