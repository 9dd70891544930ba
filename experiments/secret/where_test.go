package secret

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// A value of under 6 bytes is taken out right behind a word that says what it is,
// and is left in ordinary text, where it is a word like others.
func TestRedactShortValues(t *testing.T) {
	Hide("test", `a"4c`, "7")
	for in, want := range map[string]string{
		"the test says 7 of 9, latest":         "the test says 7 of 9, latest",
		"password=testing":                     "password=testing",
		`{"password": "test", "n": 7}`:         `{"password": "[secret]", "n": 7}`,
		`{"password":"a\"4c"}`:                 `{"password":"[secret]"}`,
		`"{\"secret\":\"test\"}"`:              `"{\"secret\":\"[secret]\"}"`,
		`{'password': u'test', 'user': 'ada'}`: `{'password': u'[secret]', 'user': 'ada'}`,
		"?user=ada&password=test&x=7":          "?user=ada&password=[secret]&x=7",
		"%22password%22%3A%22test%22":          "%22password%22%3A%22[secret]%22",
		"<adminPass>test</adminPass>":          "<adminPass>[secret]</adminPass>",
		"&quot;Token&quot;: &quot;test&quot;":  "&quot;Token&quot;: &quot;[secret]&quot;",
		"map[X-Auth-Token:[test] Accept:[*]]":  "map[X-Auth-Token:[[secret]] Accept:[*]]",
		"client_secret = 7.":                   "client_secret = [secret].",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	inner := base64.StdEncoding.EncodeToString([]byte(`{"name":"ada","password":"test"}`))
	if got := Redact("body " + inner); got != "body [secret]" {
		t.Errorf("in base64: %s", got)
	}
}

// A value is hidden where an answer's lines break it, and one of several lines
// wherever one of them stands.
func TestRedactOverSeveralLines(t *testing.T) {
	const token = "gAAAAABbroken-over_lines-0123456789"
	const pem = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEAx1\nZy8kPq0000c3RhdGlj\n-----END KEY-----\n"
	Hide(token, pem, "a pass phrase", `{"kind": "account", "private_key": "0123abcd0123abcd"}`)
	for _, ends := range []string{"\n", "\r\n", "\n    ", `\n`, `\r\n`, `\\n`, "<br>", "=\n", "%0A", " \n\t"} {
		for _, at := range []int{1, 10, len(token) - 1} {
			in := "one\n<" + token[:at] + ends + token[at:] + ">, and\nmore"
			if got := Redact(in); got != "one\n<[secret]>, and\nmore" {
				t.Errorf("%q becomes %q", in, got)
			}
		}
		in := "key " + strings.ReplaceAll(pem, "\n", ends) + "."
		if got := Redact(in); strings.Contains(got, "MIIE") || strings.Contains(got, "Zy8k") {
			t.Errorf("%q becomes %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"x a pass\n  phrase y": "x a pass\n  phrase y", // its blank is gone: two words
		"x a pass phr\nase y":  "x [secret] y",
		"the key is\n  \"private_key\":\n  \"0123abcd0123\n  abcd\"": "the key is\n  \"private_key\":\n  \"[secret]\"",
		"line MIIEowIBAAKCAQEAx1 alone":                              "line [secret] alone",
		"no\nsecret\nhere":                                           "no\nsecret\nhere",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	whole := base64.StdEncoding.EncodeToString([]byte("X-Auth-Token: " + token))
	if got := Redact(whole[:20] + "\n" + whole[20:]); strings.Contains(got, whole[20:30]) {
		t.Errorf("base64 in lines: %s", got)
	}
}

// Whatever was encoded in what: each character is known in each of its spellings.
func TestRedactWhatWasEncodedTwice(t *testing.T) {
	Hide(`pé"ss <w\rd`)
	for _, in := range []string{`p\u00e9\"ss <w\\rd`, `p\\u00e9\\\"ss \\u003cw\\\\rd`, "p%C3%A9%22ss+%3Cw%5Crd",
		"p%25C3%25A9%2522ss%2520%253Cw%255Crd", "p&#233;&quot;ss &amp;lt;w\\rd", `p\xe9\'"ss <w\rd`,
		"p%C3%A9%5C%22ss%20%5Cu003Cw%5C%5Crd"} {
		if got := Redact("<" + in + ">"); got != "<[secret]>" && !strings.Contains(in, `\'`) {
			t.Errorf("%s becomes %s", in, got)
		}
	}
}

func TestInURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://a.example/m.onnx?download=true&v=2":                                   "",
		"https://ada:pa55@a.example/m.onnx":                                            "pa55",
		"https://ada:p@ss@a.example:x/m.onnx":                                          "p@ss",
		"https://ghp_0123@a.example/m.onnx":                                            "ghp_0123",
		"https://s3.example/m?X-Amz-Credential=AK%2F1&X-Amz-Signature=ff0&X-Amz-Date=": "AK%2F1 ff0",
		"https://b.example/m?sv=2024&se=x&sig=abc%3D#access_token=t0k":                 "abc%3D t0k",
		"https://c.example/m?temp_url_sig=12;temp_url_expires=3":                       "12",
		"https://d.example/m?x=" + strings.Repeat("0", 32):                             strings.Repeat("0", 32),
		"https://d.example/m?sig=" + Removed:                                           "",
	} {
		if got := strings.Join(InURL(in), " "); got != want {
			t.Errorf("%s holds %s, want %s", in, got, want)
		}
	}
	HideURL("https://e.example/m?sig=abcd%2Fefgh")
	if got := Redact("abcd%2Fefgh and abcd/efgh"); got != "[secret] and [secret]" {
		t.Error(got)
	}
}

func BenchmarkRedact(b *testing.B) {
	Hide("gAAAAABbenchmark-of-a-token-0123456789", `pass"word of <many>`)
	text := strings.Repeat("nyu-rpi5-03  cpu  0.02861 ms\n", 1000)
	b.SetBytes(int64(len(text)))
	for range b.N {
		if Redact(text) != text {
			b.Fatal("changed")
		}
	}
}

func ExampleRedact() {
	Hide("an example's password")
	fmt.Println(Redact("the service says: no user with an example's password"))
	// Output: the service says: no user with [secret]
}
