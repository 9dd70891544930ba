// Package front is what stands in front of every emulated service: request ids,
// the token check of keystonemiddleware with its cache, the load balancer's own error
// pages, and JSON answers.
package front

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// Caller is who a token speaks for.
type Caller struct {
	UserID, UserName       string
	ProjectID, ProjectName string
	Roles                  []string
	Delegated              bool // through an application credential
	Restricted             bool // through a restricted one
}

// Admin tells whether the caller may do operators' things.
func (c Caller) Admin() bool { return slices.Contains(c.Roles, "admin") }

// Which application credentials may make leases, when that was ordered: all, or none.
var (
	AllTrust  = world.Word("keystone.trusts", "all")
	NoneTrust = world.Word("keystone.trusts", "none")
)

// MayTrust tells whether Keystone lets the caller make trusts, and so leases. A token of an
// application credential may not, unless the site allows it
// (security_compliance.allow_insecure_application_credential_trust_escalation, which Chameleon
// sets) and the credential is unrestricted: that is what users of production see (contract,
// section 8). The Keystone of the recordings took restricted ones too with the option on, and
// refused all with its own default; [AllTrust] and [NoneTrust] order these.
func (c Caller) MayTrust(o *world.Orders) bool {
	switch {
	case !c.Delegated || o.Holds(AllTrust):
		return true
	case o.Holds(NoneTrust):
		return false
	}
	return !c.Restricted
}

// Validator checks a token, as the services ask Keystone to.
type Validator interface {
	Validate(token string) (c Caller, expires time.Time, ok bool)
}

// MaxBody bounds a request body; RabbitMQ's message limit is 128 MiB and archives
// travel as base64 in one message.
const MaxBody = 192 << 20

// cacheTime is keystonemiddleware's token_cache_time: a revoked token keeps working
// this long at a service that saw it before.
const cacheTime = 300 * time.Second

// Gate checks tokens for one service.
type Gate struct {
	Keystone string // root URL, shown in the WWW-Authenticate header
	Tokens   Validator
	Now      func() time.Time
	// Refuse answers a request without a valid token, in a service's own form; nil: in
	// keystonemiddleware's.
	Refuse func(http.ResponseWriter)

	mu   sync.Mutex
	seen map[string]cached
}

type cached struct {
	caller  Caller
	expires time.Time // of the cache entry or the token, whichever is first
}

// Handler is a service's handler for an authenticated request.
type Handler func(w http.ResponseWriter, r *http.Request, c Caller)

// Wrap lets only requests with a valid token through.
func (g *Gate) Wrap(h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller, ok := g.check(r.Header.Get("X-Auth-Token"))
		if !ok {
			w.Header().Set("WWW-Authenticate", `Keystone uri="`+g.Keystone+`"`)
			if g.Refuse != nil {
				g.Refuse(w)
				return
			}
			JSON(w, 401, map[string]any{"error": map[string]any{
				"code": 401, "title": "Unauthorized",
				"message": "The request you have made requires authentication.",
			}})
			return
		}
		h(w, r, caller)
	}
}

func (g *Gate) check(token string) (Caller, bool) {
	if token == "" {
		return Caller{}, false
	}
	now := g.Now()
	g.mu.Lock()
	hit, ok := g.seen[token]
	g.mu.Unlock()
	if ok && now.Before(hit.expires) {
		return hit.caller, true
	}
	caller, expires, ok := g.Tokens.Validate(token)
	// The services need a project; an unscoped token has none.
	if !ok || caller.ProjectID == "" {
		return Caller{}, false
	}
	if limit := now.Add(cacheTime); limit.Before(expires) {
		expires = limit
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen == nil || len(g.seen) > 10000 {
		g.seen = map[string]cached{}
	}
	g.seen[token] = cached{caller, expires}
	return caller, true
}

// JSON answers with a document.
func JSON(w http.ResponseWriter, status int, body any) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // Python does not
	if enc.Encode(body) != nil {
		status, text = 500, *bytes.NewBufferString("{}")
	}
	data := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	w.Write(data)
}

// NotFoundPage is werkzeug's, which Keystone and doni show for an unknown path.
func NotFoundPage(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(404)
	io.WriteString(w, "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"+
		"<p>The requested URL was not found on the server. "+
		"If you entered the URL manually please check your spelling and try again.</p>\n")
}

// RequestID is the header with the request's id. Not every answer of every service has it.
const RequestID = "X-Openstack-Request-Id"

// Drop ends the connection without an answer, as when a proxy restarts.
func Drop() { panic(http.ErrAbortHandler) }
