package front

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"chexp/orchestrator/internal/emulator/world"
)

// echo refuses a request and repeats all of it, headers and body, as services
// with debugging on do: at the place, or in the spelling, that was ordered.
func echo(place string, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		Drop()
	}
	var head strings.Builder
	_ = r.Header.Write(&head) // into memory
	said := r.Method + " " + r.RequestURI + "\r\n" + head.String() + "\r\n" + string(body)
	status := http.StatusBadRequest
	switch place {
	case world.EchoHeader:
		line := strings.NewReplacer("\r", "", "\n", "; ").Replace(said)
		w.Header().Set(RequestID, "req-"+line)
		w.Header().Set("Warning", line)
	case world.EchoLocation:
		status = http.StatusFound
		w.Header().Set("Location", "https://elsewhere.example/login?request="+url.QueryEscape(said))
	case world.EchoHTML:
		HTML(w, status, "<pre>"+strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&#34;").Replace(said)+"</pre>")
		return
	case world.EchoBase64:
		said = base64.StdEncoding.EncodeToString([]byte(said))
	case world.EchoURL:
		said = url.QueryEscape(said)
	case world.EchoJSON:
		inner, _ := json.Marshal(map[string]string{"request": said}) // text can always be encoded
		said = string(inner)
	case world.EchoLines:
		said = lines(said)
	}
	JSON(w, status, map[string]any{"error": map[string]any{"code": status, "title": http.StatusText(status),
		"message": "cannot make sense of " + said}})
}

// lineLength is how long the lines of an answer are that breaks what it repeats.
const lineLength = 16

// lines breaks a text as one that fits a narrow page.
func lines(text string) string {
	var b strings.Builder
	for len(text) > lineLength {
		b.WriteString(text[:lineLength] + "\n    ")
		text = text[lineLength:]
	}
	return b.String() + text
}
