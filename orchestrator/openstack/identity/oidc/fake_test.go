package oidc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const (
	password = "alices-passw0rd&=é"
	unscoped = "unscoped-t0ken"
)

// fake is an identity provider and a Keystone with one service in its catalog,
// all on one port: what they ask of a client, as keystoneauth's side of the
// exchanges has it, and Keystone's answers as recorded.
type fake struct {
	t   *testing.T
	srv *httptest.Server

	mu     sync.Mutex
	grants []string // nil: the discovery document has no list
	basic  bool     // the client must name itself by HTTP Basic
	scope  string   // the OpenID scope that must be asked for
	field  string   // of the token answer
	live   string   // the access token that Keystone takes
	count  int
	tokens map[string]bool // Keystone's
	asked  []string
	// before may answer instead; true: it did.
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, grants: []string{"refresh_token", "password"}, scope: "openid profile", field: "access_token",
		tokens: map[string]bool{}}
	f.srv = httptest.NewServer(f)
	t.Cleanup(f.srv.Close)
	return f
}

func (f *fake) discovery() string { return f.srv.URL + "/realms/r/.well-known/openid-configuration" }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	if f.before != nil && f.before(w, r) {
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /realms/r/.well-known/openid-configuration":
		d := map[string]any{"issuer": f.srv.URL + "/realms/r", "token_endpoint": f.srv.URL + "/realms/r/token"}
		if f.grants != nil {
			d["grant_types_supported"] = f.grants
		}
		reply(w, 200, d)
	case "POST /realms/r/token":
		f.grant(w, r)
	case "POST /v3/OS-FEDERATION/identity_providers/chameleon/protocols/openid/auth":
		f.federate(w, r)
	case "POST /v3/auth/tokens":
		f.rescope(w, r)
	case "GET /service/things":
		if !f.tokens[r.Header.Get("X-Auth-Token")] {
			keystoneError(w, 401, "The request you have made requires authentication.")
			return
		}
		reply(w, 200, map[string]any{})
	default:
		f.t.Errorf("unexpected %s %s", r.Method, r.URL)
		w.WriteHeader(404)
	}
}

func (f *fake) grant(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		f.t.Errorf("no form: %v", err)
	}
	id, secret, basic := r.BasicAuth()
	if basic != f.basic || basic && (r.PostForm.Has("client_id") || secret != url.QueryEscape("n@ne")) {
		f.t.Errorf("Basic %t %q, client_id in the form: %t", basic, secret, r.PostForm.Has("client_id"))
	}
	if !basic {
		id = r.PostForm.Get("client_id")
	}
	switch {
	case id != "keystone-edge":
		reply(w, 401, map[string]any{"error": "invalid_client",
			"error_description": "Invalid client or Invalid client credentials"})
	case r.PostForm.Get("grant_type") != "password" || r.PostForm.Get("scope") != f.scope:
		f.t.Errorf("form %v", r.PostForm)
		reply(w, 400, map[string]any{"error": "invalid_request"})
	case r.PostForm.Get("username") != "alice" || r.PostForm.Get("password") != password:
		reply(w, 401, map[string]any{"error": "invalid_grant", "error_description": "Invalid user credentials"})
	default:
		f.count++
		f.live = fmt.Sprintf("access-t0ken-%d", f.count)
		reply(w, 200, map[string]any{f.field: f.live, "expires_in": 300, "token_type": "Bearer"})
	}
}

func (f *fake) federate(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Auth-Token") != "" || r.ContentLength != 0 {
		f.t.Errorf("a token or a body of %d bytes at the federation address", r.ContentLength)
	}
	if r.Header.Get("Authorization") != "Bearer "+f.live {
		keystoneError(w, 401, "The request you have made requires authentication.")
		return
	}
	w.Header().Set("X-Subject-Token", unscoped)
	reply(w, 201, map[string]any{"token": map[string]any{"methods": []any{"openid"},
		"expires_at": "2036-11-23T08:43:41.000000Z",
		"user":       map[string]any{"id": "u1", "name": "alice"}}})
}

func (f *fake) rescope(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			Identity struct {
				Methods []string
				Token   struct{ ID string }
			}
			Scope struct {
				Project struct {
					ID, Name string
					Domain   struct{ Name string }
				}
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		f.t.Error(err)
	}
	p := body.Auth.Scope.Project
	if strings.Join(body.Auth.Identity.Methods, " ") != "token" || body.Auth.Identity.Token.ID != unscoped {
		f.t.Errorf("rescope with %+v", body.Auth.Identity)
	}
	if p.ID != "p1" && (p.Name != "CHI-1" || p.Domain.Name != "chameleon") {
		keystoneError(w, 401, "The request you have made requires authentication.")
		return
	}
	id := fmt.Sprintf("scoped-t0ken-%d", f.count)
	f.tokens[id] = true
	w.Header().Set("X-Subject-Token", id)
	reply(w, 201, map[string]any{"token": map[string]any{"methods": []any{"openid", "token"},
		"expires_at": "2036-11-23T08:43:41.000000Z",
		"project":    map[string]any{"id": "p1", "name": "CHI-1"}, "catalog": []any{
			map[string]any{"type": "reservation", "endpoints": []any{
				map[string]any{"interface": "public", "region": "CHI@Edge", "region_id": "CHI@Edge",
					"url": f.srv.URL + "/service"}}}}}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func keystoneError(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"error": map[string]any{"code": status, "message": message,
		"title": http.StatusText(status)}})
}
