package secret

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	Hide(`pass"wo<rd \1`, "gAAAAABtoken", "", "short", "gAAAAABtoken-longer", "12345678")
	for in, want := range map[string]string{
		"": "", "a short word": "a short word",
		`it is pass"wo<rd \1.`:                   "it is [secret].",
		"gAAAAABtoken, gAAAAABtoken-longer":      "[secret], [secret]",
		"?p=pass%22wo%3Crd+%5C1&x":               "?p=[secret]&x",
		"/pass%22wo%3Crd%20%5C1/":                "/[secret]/",
		"<b>pass&#34;wo&lt;rd \\1</b>":           "<b>[secret]</b>",
		`{"password": "pass\"wo\u003crd \\1"}`:   `{"password": "[secret]"}`,
		`{"password": "pass\"wo<rd \\1", "n":1}`: `{"password": "[secret]", "n":1}`,
	} {
		if got := Redact(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	if got := RedactJSON([]byte(`{"a":12345678}`)); string(got) != "null" {
		t.Errorf("a number becomes %s", got)
	}
	raw, _ := json.Marshal(map[string]string{"a": `pass"wo<rd \1`})
	if got := RedactJSON(raw); string(got) != `{"a":"[secret]"}` {
		t.Errorf("%s becomes %s", raw, got)
	}
}

func TestEnviron(t *testing.T) {
	all := []string{"PATH=/bin", "OS_PASSWORD=x", "HOME=/", "JUPYTERHUB_API_TOKEN=x", "OS=y", "CHEXP_CACHE=z"}
	if got := Environ(all); strings.Join(got, " ") != "PATH=/bin HOME=/ OS=y CHEXP_CACHE=z" ||
		!slices.Contains(all, "OS_PASSWORD=x") {
		t.Errorf("%v", got)
	}
}
