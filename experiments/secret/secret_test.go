package secret

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	if got := RedactJSON([]byte(`{"a":0.912345678,"b":"12345678"}`)); string(got) != `{"a":0.912345678,"b":"[secret]"}` {
		t.Errorf("a number that holds it becomes %s", got)
	}
	raw, _ := json.Marshal(map[string]string{"a": `pass"wo<rd \1`})
	if got := RedactJSON(raw); string(got) != `{"a":"[secret]"}` {
		t.Errorf("%s becomes %s", raw, got)
	}
}

// A value is hidden in base64 wherever it begins there, in JSON within JSON, and with every byte quoted for a URL.
func TestRedactWhatAServiceEncodes(t *testing.T) {
	const password = `Pass/w0rd? of "mine"`
	Hide(password)
	for _, user := range []string{"", "a:", "ad:", "ada:", "ada lovelace:"} {
		for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
			whole := alphabet.EncodeToString([]byte(user + password + "\n"))
			got := Redact("Authorization: Basic " + whole)
			before, after, found := strings.Cut(strings.TrimPrefix(got, "Authorization: Basic "), mask)
			// One character on each side is shared with what stands beside the password.
			if !found || len(before) > (len(user)*8+5)/6 || len(after) > 4 {
				t.Errorf("%s%s in base64 becomes %s", user, password, got)
			}
		}
	}
	inner, _ := json.Marshal(map[string]string{"p": password})
	outer, _ := json.Marshal(map[string]string{"message": string(inner)})
	if got := Redact(string(outer)); got != `{"message":"{\"p\":\"[secret]\"}"}` {
		t.Errorf("%s becomes %s", outer, got)
	}
	for _, form := range []string{"%%%02X", "%%%02x"} {
		var all strings.Builder
		for _, b := range []byte(password) {
			fmt.Fprintf(&all, form, b)
		}
		if got := Redact("p=" + all.String()); got != "p=[secret]" {
			t.Errorf("%s becomes %s", &all, got)
		}
	}
}

func TestEnviron(t *testing.T) {
	all := []string{"PATH=/bin", "OS_PASSWORD=x", "HOME=/", "JUPYTERHUB_API_TOKEN=x", "OS=y", "CHEXP_CACHE=z",
		"AWS_SECRET_ACCESS_KEY=x", "AWS_ACCESS_KEY_ID=x", "EC2_SECRET_KEY=x", "HF_TOKEN=x", "db_password=x", "NPM_TOKEN=x"}
	if got := Environ(all); strings.Join(got, " ") != "PATH=/bin HOME=/ OS=y CHEXP_CACHE=z NPM_TOKEN=x" ||
		!slices.Contains(all, "OS_PASSWORD=x") {
		t.Errorf("%v", got)
	}
}
