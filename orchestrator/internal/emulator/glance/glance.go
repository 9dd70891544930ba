// Package glance is the image service of a bare-metal site, as far as a user reads it: the
// images that Chameleon's operators offer, listed, filtered and shown. Nothing can be uploaded.
package glance

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Service is one Glance.
type Service struct {
	World *world.World
	URL   string // root, without /v2

	images []image
}

// image is a document as JSON has it.
type image map[string]any

// names are the images that the tutorials and python-chi name [SMC:snippets, PCHI:chi/context.py],
// the newest first.
var names = []string{"CC-Ubuntu24.04-ROCm", "CC-Ubuntu22.04-ARM64", "CC-CentOS9-Stream", "CC-Ubuntu24.04-CUDA",
	"CC-Ubuntu22.04-CUDA", "CC-Ubuntu24.04", "CC-Ubuntu22.04"}

// built says of what an image was made, by its name: "Ubuntu24.04" and "cuda".
func built(name string) (system, variant string) {
	system, variant, _ = strings.Cut(strings.TrimPrefix(name, "CC-"), "-")
	if variant = strings.ToLower(variant); variant != "cuda" && variant != "rocm" {
		variant = "base"
	}
	return system, variant
}

// New makes a Glance with Chameleon's images.
func New(w *world.World) *Service {
	s := &Service{World: w}
	const at = "2026-01-01T00:00:00Z"
	for i, name := range names {
		id := world.FixedUUID("image " + name)
		system, variant := built(name)
		sum, long := md5.Sum([]byte(id)), sha512.Sum512([]byte(id))
		s.images = append(s.images, image{"id": id, "name": name, "status": "active", "visibility": "public",
			"protected": true,
			"os_hidden": false, "tags": []any{}, "container_format": "bare", "disk_format": "qcow2", "min_disk": 0,
			"min_ram": 0,
			"size":    int64(2+i) << 30, "virtual_size": nil, "owner": w.User(world.Root).Project.ID,
			"checksum":     hex.EncodeToString(sum[:]),
			"os_hash_algo": "sha512", "os_hash_value": hex.EncodeToString(long[:]), "created_at": at, "updated_at": at,
			"self": "/v2/images/" + id, "file": "/v2/images/" + id + "/file", "schema": "/v2/schemas/image",
			// python-chi tells Chameleon's own images by this property.
			"build-repo": "https://github.com/ChameleonCloud/cc-images", "build-os": system, "build-variant": variant,
			"build-timestamp": "1761955200.0", "current": "true", "provenance": "chameleon", "stores": "file"})
	}
	return s
}

// Known tells whether there is such an image.
func (s *Service) Known(id string) bool {
	return slices.ContainsFunc(s.images, func(i image) bool { return i["id"] == id })
}

// Handler serves the API.
func (s *Service) Handler(gate *front.Gate) http.Handler {
	gate.Refuse = func(w http.ResponseWriter) {
		w.Header().Del(front.RequestID)
		problem(w, 401, "This server could not verify that you are authorized to access the document you requested. Either "+
			"you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the "+
			"credentials required.")
	}
	mux := http.NewServeMux()
	versions := func(w http.ResponseWriter, status int) {
		list := []any{}
		for i, v := range []string{"v2.16", "v2.15", "v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.7", "v2.6",
			"v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"} {
			state := "SUPPORTED"
			if i == 0 {
				state = "CURRENT"
			}
			list = append(list, map[string]any{"id": v, "status": state,
				"links": []any{map[string]any{"rel": "self", "href": s.URL + "/v2/"}}})
		}
		w.Header().Del(front.RequestID)
		front.JSON(w, status, map[string]any{"versions": list})
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { versions(w, 300) })
	mux.HandleFunc("GET /versions", func(w http.ResponseWriter, _ *http.Request) { versions(w, 200) })
	handle := func(pattern string, h front.Handler) { mux.HandleFunc(pattern, gate.Wrap(h)) }
	handle("GET /v2/images", func(w http.ResponseWriter, r *http.Request, _ front.Caller) { s.list(w, r) })
	handle("GET /v2/images/{id}", func(w http.ResponseWriter, r *http.Request, _ front.Caller) { s.show(w, r) })
	handle("GET /v2/schemas/image", func(w http.ResponseWriter, _ *http.Request,
		_ front.Caller) {
		front.JSON(w, 200, s.schema())
	})
	for _, method := range []string{"POST /v2/images", "PUT /v2/images/{id}/file", "PATCH /v2/images/{id}",
		"DELETE /v2/images/{id}", "POST /v2/images/{id}/actions/deactivate"} {
		handle(method, func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
			if s.Known(r.PathValue("id")) {
				page(w, r, 403, "You do not own this image")
				return
			}
			if publishes(r) {
				page(w, r, 403, "You are not authorized to complete publicize_image action.")
				return
			}
			page(w, r, 403, "This emulator keeps its images as they are.")
		})
	}
	handle("GET /v2/tasks", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		page(w, r, 403, "You are not authorized to complete tasks_api_access action.")
	})
	handle("GET /v2/info/usage", func(w http.ResponseWriter, _ *http.Request, _ front.Caller) {
		front.JSON(w, 200, map[string]any{"usage": map[string]any{}})
	})
	handle("GET /v2/info/stores", func(w http.ResponseWriter, _ *http.Request, _ front.Caller) {
		front.JSON(w, 200, map[string]any{"stores": []any{map[string]any{"id": "file", "default": "true"}}})
	})
	handle("/", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		page(w, r, 404, "The resource could not be found.")
	})
	return mux
}

// publishes reports whether a request is for a new image that everybody sees.
func publishes(r *http.Request) bool {
	var body struct{ Visibility string }
	return r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&body) == nil && body.Visibility == "public"
}

// page is an error of the web framework, which speaks JSON to a client that asks for it
// and HTML to all others [webob/exc.py].
func page(w http.ResponseWriter, r *http.Request, status int, text string) {
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
		problem(w, status, text)
		return
	}
	code := strconv.Itoa(status) + " " + http.StatusText(status)
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html>\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%[1]s</h1>\n  %s\n </body>\n</html>",
		code, text+"<br /><br />\n\n\n")
}

// problem is the same error as JSON.
func problem(w http.ResponseWriter, status int, text string) {
	title := http.StatusText(status)
	front.JSON(w, status, map[string]any{"message": text + "<br /><br />\n\n\n",
		"code":  strconv.Itoa(status) + " " + title,
		"title": title})
}

func (s *Service) show(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	for _, i := range s.images {
		if i["id"] == id {
			front.JSON(w, 200, i)
			return
		}
	}
	page(w, r, 404, "No image found with ID "+id)
}

// shaping are the parameters that are no filters.
var shaping = []string{"limit", "marker", "sort", "sort_key", "sort_dir", "member_status"}

// list filters by equality, or by "in:" lists; the newest come first, pages of limit.
func (s *Service) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit := 25 // Glance's limit_param_default
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 0 {
			page(w, r, 400, "limit param must be an integer")
			return
		}
		limit = n
	}
	if why := refused(q); why != "" {
		page(w, r, 400, why)
		return
	}
	found, passed := []image{}, !q.Has("marker")
	for _, i := range s.images {
		if passed && matches(i, q) {
			found = append(found, i)
		}
		passed = passed || i["id"] == q.Get("marker")
	}
	if !passed {
		page(w, r, 400, "No image found with ID "+q.Get("marker"))
		return
	}
	q.Del("marker")
	first := "/v2/images" + asSent(r.URL.RawQuery)
	body := map[string]any{"first": first, "schema": "/v2/schemas/images"}
	if len(found) > limit {
		found = found[:limit]
		if limit > 0 {
			q.Set("marker", found[limit-1]["id"].(string))
			body["next"] = "/v2/images?" + q.Encode()
		}
	}
	body["images"] = found
	front.JSON(w, 200, body)
}

// sortKeys are what a list can be sorted by.
var sortKeys = []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}

// refused says what is wrong with a list's parameters; "": nothing that Glance sees.
func refused(q url.Values) string {
	if v := q.Get("visibility"); v != "" &&
		!slices.Contains([]string{"public", "private", "shared", "community", "all"}, v) {
		return "Invalid visibility value: " + v
	}
	if v := q.Get("sort_key"); v != "" && !slices.Contains(sortKeys, v) {
		return "Invalid sort key: " + v + ". It must be one of the following: " + strings.Join(sortKeys, ", ") + "."
	}
	for _, key := range []string{"size_min", "size_max"} {
		if _, err := strconv.Atoi(q.Get(key)); q.Has(key) && err != nil {
			return "Unable to filter on a range with a non-numeric value."
		}
	}
	return ""
}

// asSent is a query in the order in which it was sent, without the marker, as Python
// writes it.
func asSent(raw string) string {
	var parts []string
	for part := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(part, "=")
		if text, err := url.QueryUnescape(value); err == nil && key != "" && key != "marker" {
			parts = append(parts, key+"="+url.QueryEscape(text))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "?" + strings.Join(parts, "&")
}

func matches(i image, q url.Values) bool {
	for k, want := range q {
		if slices.Contains(shaping, k) {
			continue
		}
		have, text := "", want[0]
		switch v := i[k].(type) {
		case string:
			have = v
		case bool:
			have, text = strconv.FormatBool(v), strings.ToLower(text)
		}
		options := []string{text}
		if rest, ok := strings.CutPrefix(text, "in:"); ok {
			options = strings.Split(rest, ",")
		}
		for n := range options {
			options[n] = strings.Trim(options[n], `"`)
		}
		if !slices.Contains(options, have) && !(k == "visibility" && slices.Contains(options, "all")) {
			return false
		}
	}
	return true
}

// schema describes an image's keys; glanceclient builds its objects by it.
func (s *Service) schema() map[string]any {
	properties := map[string]any{}
	for k, v := range s.images[0] {
		kind := "string"
		switch v.(type) {
		case bool:
			kind = "boolean"
		case int, int64:
			kind = "integer"
		case []any:
			properties[k] = map[string]any{"type": "array", "items": map[string]any{"type": "string", "maxLength": 255}}
			continue
		}
		if !strings.HasPrefix(k, "build-") {
			properties[k] = map[string]any{"type": []string{"null", kind}}
		}
	}
	return map[string]any{"name": "image", "properties": properties,
		"additionalProperties": map[string]any{"type": "string"},
		"links": []any{map[string]any{"rel": "self", "href": "{self}"},
			map[string]any{"rel": "enclosure", "href": "{file}"},
			map[string]any{"rel": "describedby", "href": "{schema}"}}}
}
