package openstack_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// sameFields checks that a decoded value holds what was recorded, field by field. A field
// is found by its JSON name; a time without one by its Go name (StartDate is start_date).
// What the client has no field for is not compared.
func sameFields(recorded any, got reflect.Value, at string) error {
	if t, ok := got.Interface().(time.Time); ok {
		return sameTime(recorded, t, at)
	}
	switch got.Kind() {
	case reflect.Pointer:
		if got.IsNil() {
			return nil
		}
		return sameFields(recorded, got.Elem(), at)
	case reflect.Struct:
		object, ok := recorded.(map[string]any)
		if !ok {
			return fmt.Errorf("%s was recorded as %v", at, recorded)
		}
		for i := range got.NumField() {
			name := jsonName(got.Type().Field(i))
			if name == "" {
				continue
			}
			// A reservation of a floating IP has other keys than one of devices.
			if _, ok := object[name]; !ok && object["resource_type"] != "virtual:floatingip" {
				return fmt.Errorf("%s.%s was not recorded: the client reads a key that is not there", at, name)
			}
			if err := sameFields(object[name], got.Field(i), at+"."+name); err != nil {
				return err
			}
		}
		return nil
	case reflect.Slice:
		list, _ := recorded.([]any)
		if len(list) != got.Len() {
			return fmt.Errorf("%s has %d elements, recorded %d", at, got.Len(), len(list))
		}
		for i := range list {
			if err := sameFields(list[i], got.Index(i), fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		object, _ := recorded.(map[string]any)
		if len(object) != got.Len() {
			return fmt.Errorf("%s has %d keys, recorded %d", at, got.Len(), len(object))
		}
		for _, k := range got.MapKeys() {
			if err := sameFields(object[k.String()], got.MapIndex(k), at+"."+k.String()); err != nil {
				return err
			}
		}
		return nil
	}
	if recorded == nil && got.IsZero() {
		return nil // null
	}
	if fmt.Sprint(recorded) != fmt.Sprint(got.Interface()) {
		return fmt.Errorf("%s is %v, recorded %v", at, got.Interface(), recorded)
	}
	return nil
}

var nonDigits = regexp.MustCompile(`\D`)

func sameTime(recorded any, got time.Time, at string) error {
	text, _ := recorded.(string)
	if text == "" && got.IsZero() {
		return nil
	}
	want := nonDigits.ReplaceAllString(text, "")
	have := nonDigits.ReplaceAllString(got.UTC().Format("20060102150405.000000"), "")
	if len(want) < 14 || !strings.HasPrefix(have, want) {
		return fmt.Errorf("%s is %v, recorded %q", at, got, text)
	}
	return nil
}

var capital = regexp.MustCompile(`([a-z])([A-Z])`)

// jsonName is the name of a field in the answer, or "" for one that is made of several.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		if f.Type != reflect.TypeFor[time.Time]() {
			return ""
		}
		name = strings.ToLower(capital.ReplaceAllString(f.Name, "${1}_$2"))
	}
	return name
}

// holds checks that v is what was recorded under a key of the answer, or as the whole of it
// if the key is "".
func holds(x exchange, key string, v any) error {
	var body any
	d := json.NewDecoder(strings.NewReader(string(x.Response.Body)))
	d.UseNumber()
	if err := d.Decode(&body); err != nil {
		return err
	}
	if key != "" {
		object, _ := body.(map[string]any)
		body = object[key]
	}
	return sameFields(body, reflect.ValueOf(v), key)
}
