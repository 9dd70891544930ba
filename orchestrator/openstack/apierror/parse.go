package apierror

import (
	"bytes"
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"

	"chexp/orchestrator/openstack/internal/foreign"
)

// maxBody bounds what is looked at of an answer's body. The longest real one
// is a Python traceback of some kilobytes in Zun's title.
const maxBody = 64 << 10

// maxMessage bounds Message, in runes.
const maxMessage = 400

// envelope is the union of all shapes. "error" is an object or a number.
type envelope struct {
	Error        json.RawMessage `json:"error"`
	ErrorCode    *int            `json:"error_code"`
	ErrorMessage any             `json:"error_message"`
	ErrorName    any             `json:"error_name"`
	Message      string          `json:"message"` // Keystone's 405; with a title Glance's, and Nova's of its routes
	Title        string          `json:"title"`
	Errors       []struct {
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	} `json:"errors"`
	NeutronError *struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	} `json:"NeutronError"`
}

// parse fills Message, Code and, where only one service has the shape,
// Service.
func parse(e *Error, body []byte) {
	body = bytes.TrimSpace(body)
	if len(body) > maxBody {
		body = body[:maxBody]
	}
	var env envelope
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, &env) != nil {
		e.Message = plainText(body)
		return
	}
	switch {
	case env.NeutronError != nil:
		e.Service, e.Code, e.Message = "network", env.NeutronError.Type, env.NeutronError.Message
	case len(env.Errors) > 0:
		first := env.Errors[0]
		e.Service, e.Code, e.Message = "container", first.Code, first.Detail
		if e.Message == "" {
			e.Message = first.Title
		}
	case env.ErrorMessage != nil:
		e.Service, e.Message = "reservation", text(env.ErrorMessage)
		if env.ErrorCode == nil {
			e.Code = codeFramework
		} else if name, ok := env.ErrorName.(string); ok {
			e.Code = name
		}
	case len(env.Error) > 0:
		var inner struct {
			Message string `json:"message"`
			Title   string `json:"title"`
		}
		if json.Unmarshal(env.Error, &inner) == nil {
			e.Code, e.Message = inner.Title, inner.Message
		}
	case env.Title != "":
		e.Code = env.Title
		e.Message, _, _ = strings.Cut(env.Message, "<br")
	case env.Message == "":
		novaFault(e, body)
	default:
		e.Message = env.Message
	}
	e.Code = oneLine(e.Code, 80)
	e.Message = oneLine(e.Message, maxMessage)
}

// novaFault reads Nova's: one key, which names the kind of fault, such as itemNotFound.
func novaFault(e *Error, body []byte) {
	var fault map[string]struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &fault) != nil || len(fault) != 1 {
		return
	}
	for name, f := range fault {
		if f.Code != 0 || f.Message != "" {
			e.Service, e.Code, e.Message = "compute", name, f.Message
		}
	}
}

// codeFramework marks what Blazar's web framework said before Blazar itself
// saw the request.
const codeFramework = "framework"

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

var (
	titleTag = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	headTag  = regexp.MustCompile(`(?is)<h1[^>]*>(.*?)</h1>`)
	anyTag   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// plainText makes a line of a body that is not JSON. HAProxy's pages have
// their words in an h1, Apache's and Werkzeug's in the title.
func plainText(body []byte) string {
	s := string(body)
	if !strings.HasPrefix(s, "<") {
		return oneLine(s, maxMessage)
	}
	for _, tag := range []*regexp.Regexp{titleTag, headTag} {
		if m := tag.FindStringSubmatch(s); m != nil {
			return oneLine(html.UnescapeString(anyTag.ReplaceAllString(m[1], " ")), maxMessage)
		}
	}
	return oneLine(html.UnescapeString(anyTag.ReplaceAllString(s, " ")), maxMessage)
}

// oneLine keeps the first line that has something in it, without control
// characters (a service may repeat what somebody named something) and at most
// limit runes long. Zun appends a Python traceback to the title of some
// errors, hence only one line.
func oneLine(s string, limit int) string {
	for line := range strings.Lines(s) {
		if line = foreign.Line(line, limit); line != "" {
			return line
		}
	}
	return ""
}

// Line makes one printable, bounded line of a text of somebody else's: its
// first that is not empty. For what services pass on in success answers.
func Line(s string) string { return oneLine(s, maxMessage) }
