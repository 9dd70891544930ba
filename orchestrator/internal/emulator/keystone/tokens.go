package keystone

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

type token struct {
	id              string
	audit           []string // the token's own, and that of the first in its line
	methods         []string
	user            *world.User
	scoped          bool // to the user's one project
	issued, expires time.Time
	cred            *appCred // nil: not through an application credential
	revoked         bool
}

const timeFormat = "2006-01-02T15:04:05.000000Z"

// Domain and role ids are the same in every emulator.
func domainID() string { return "0d8954dbb75541e395b30170e71b0247" }

func roles(u *world.User) []any {
	ids := map[string]string{
		"reader": "21e1c122c84847e19e5159b11239f14e",
		"member": "3001603ebc2c4271879490ea5427a2b4",
		"admin":  "5c6e2bd1a0f54d0f8d3c9a3a7a0e6f11",
	}
	var out []any
	for _, r := range u.Roles {
		out = append(out, map[string]any{"id": ids[r], "name": r})
	}
	return out
}

// authRequest is the body of POST /v3/auth/tokens.
type authRequest struct {
	Auth *struct {
		Identity *struct {
			Methods  []string `json:"methods"`
			Password *struct {
				User userRef `json:"user"`
			} `json:"password"`
			Token *struct {
				ID string `json:"id"`
			} `json:"token"`
			AppCred *struct {
				ID     string   `json:"id"`
				Name   string   `json:"name"`
				Secret string   `json:"secret"`
				User   *userRef `json:"user"`
			} `json:"application_credential"`
		} `json:"identity"`
		Scope json.RawMessage `json:"scope"`
	} `json:"auth"`
}

type domainRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (d *domainRef) ours() bool {
	return d != nil && (d.ID == domainID() || d.Name == world.DomainName)
}

type userRef struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Domain   *domainRef `json:"domain"`
	Password string     `json:"password"`
}

func (s *Service) find(ref userRef) *world.User {
	if ref.ID != "" {
		return s.World.UserByID(ref.ID)
	}
	if !ref.Domain.ours() {
		return nil
	}
	for _, u := range s.World.Users {
		if u.Name == ref.Name {
			return u
		}
	}
	return nil
}

// malformed is Keystone's sentence about a part of a request that is not what it wants
// [KEYSTONE:keystone/exception.py ValidationError].
func malformed(attribute, target string) string {
	return "Expecting to find " + attribute + " in " + target +
		". The server could not comply with the request since it is " +
		"either malformed or otherwise incorrect. The client is assumed to be in error."
}

// readAuth reads the body of a sign-in, or says what is wrong with it. Keystone checks in
// this order: JSON, an object, its key auth, and then the schema of that.
func readAuth(body io.Reader) (req authRequest, problem string) {
	data, err := io.ReadAll(body)
	if err != nil {
		return req, malformed("valid JSON", "request body")
	}
	var object map[string]json.RawMessage
	if len(data) > 0 && (json.Unmarshal(data, &object) != nil || object == nil) {
		return req, malformed("valid JSON", "request body")
	}
	if auth := string(object["auth"]); auth == "" || auth == "null" {
		return req, malformed("auth", "request body")
	}
	if problem := checkAuth(object["auth"]); problem != "" {
		return req, problem
	}
	if json.Unmarshal(data, &req) != nil {
		return req, malformed("valid JSON", "request body")
	}
	return req, ""
}

func (s tokenCalls) issue(w http.ResponseWriter, r *http.Request) {
	req, problem := readAuth(r.Body)
	if problem != "" {
		s.fail(w, 400, problem)
		return
	}
	id := req.Auth.Identity
	switch {
	case len(id.Methods) == 0:
		s.unauthorized(w)
	case id.Methods[0] == "password" && id.Password != nil:
		s.byPassword(w, r, req, id.Password.User)
	case id.Methods[0] == "token" && id.Token != nil:
		s.byToken(w, r, req, id.Token.ID)
	case id.Methods[0] == "application_credential" && id.AppCred != nil:
		ac := id.AppCred
		s.byAppCred(w, r, req, ac.ID, ac.Name, ac.Secret, ac.User)
	case slices.Contains([]string{"password", "token", "application_credential"}, id.Methods[0]):
		s.fail(w, 400, malformed(id.Methods[0], "identity"))
	default:
		s.unsupportedMethod(w)
	}
}

func (s tokenCalls) unsupportedMethod(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Keystone uri="`+s.URL+`/v3"`)
	front.JSON(w, 401, map[string]any{"error": map[string]any{
		"code": 401, "title": "Unauthorized", "message": "Attempted to authenticate with an unsupported method.",
		"identity": map[string]any{"methods": []string{"external", "password", "token", "oauth1", "mapped",
			"application_credential", "totp"}},
	}})
}

// scope reads the scope part: want=false when there is none, ok=false for a
// project that the user has no role on.
func scope(raw json.RawMessage, u *world.User) (want, ok bool) {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == `"unscoped"` {
		return false, true
	}
	var sc struct {
		Project *struct {
			ID     string     `json:"id"`
			Name   string     `json:"name"`
			Domain *domainRef `json:"domain"`
		} `json:"project"`
		Unscoped map[string]any `json:"unscoped"`
	}
	if json.Unmarshal(raw, &sc) != nil {
		return true, false
	}
	if sc.Project == nil {
		return sc.Unscoped == nil, sc.Unscoped != nil
	}
	byID := sc.Project.ID != "" && sc.Project.ID == u.Project.ID
	byName := sc.Project.Name == u.Project.Name && sc.Project.Domain.ours()
	return true, byID || byName
}

func (s tokenCalls) byPassword(w http.ResponseWriter, r *http.Request, req authRequest, ref userRef) {
	u := s.find(ref)
	if u == nil || ref.Password != u.Password {
		s.unauthorized(w)
		return
	}
	want, ok := scope(req.Auth.Scope, u)
	if want && s.World.Orders.Take(noProject) {
		ok = false // its allocation has ended, and with it the role
	}
	if !ok {
		s.unauthorized(w)
		return
	}
	s.grant(w, r, &token{methods: []string{"password"}, user: u, scoped: want}, s.World.Now().Add(s.lives.token()))
}

// byToken exchanges a token for another scope. A token that came from an
// application credential may not; one that is unknown or expired is 404, not 401.
func (s tokenCalls) byToken(w http.ResponseWriter, r *http.Request, req authRequest, id string) {
	s.mu.Lock()
	old := s.tokens[id]
	live := old != nil && !old.revoked && s.World.Now().Before(old.expires)
	s.mu.Unlock()
	if !live {
		s.fail(w, 404, "Failed to validate token")
		return
	}
	if old.cred != nil {
		s.deny(w, "Using a delegated token to create another token is not allowed.")
		return
	}
	want, ok := scope(req.Auth.Scope, old.user)
	if !ok {
		s.unauthorized(w)
		return
	}
	methods := slices.Clone(old.methods)
	if !slices.Contains(methods, "token") {
		methods = append(methods, "token")
	}
	s.grant(w, r, &token{methods: methods, user: old.user, scoped: want, audit: old.audit[len(old.audit)-1:]},
		old.expires)
}

func (s tokenCalls) byAppCred(w http.ResponseWriter, r *http.Request, req authRequest, id, name, secret string,
	ref *userRef) {
	if raw := req.Auth.Scope; len(raw) > 0 && string(raw) != "null" {
		w.Header().Set("WWW-Authenticate", `Keystone uri="`+s.URL+`/v3"`)
		front.JSON(w, 401, map[string]any{"error": map[string]any{
			"code": 401, "identity": map[string]any{}, "title": "Unauthorized",
			"message": "Error authenticating with application credential: Application credentials cannot request a " +
				"scope.",
		}})
		return
	}
	s.mu.Lock()
	cred := s.creds[id]
	if id == "" && ref != nil {
		if u := s.find(*ref); u != nil {
			for _, c := range s.creds {
				if c.user == u && c.name == name {
					cred = c
				}
			}
		}
	}
	s.mu.Unlock()
	if cred == nil {
		if id == "" {
			id = name
		}
		s.fail(w, 404, "Could not find Application Credential: "+id+".")
		return
	}
	now := s.World.Now()
	if secret != cred.secret || s.World.Orders.Take(credentialExpired) || !cred.expires.IsZero() &&
		!now.Before(cred.expires) {
		s.unauthorized(w)
		return
	}
	until := now.Add(s.lives.token())
	if !cred.expires.IsZero() && cred.expires.Before(until) {
		until = cred.expires // its tokens die with it
	}
	s.grant(w, r, &token{methods: []string{"application_credential"}, user: cred.user, scoped: true, cred: cred}, until)
}

// grant stores the token and answers 201. A real Fernet token is 180 to 270 bytes.
func (s tokenCalls) grant(w http.ResponseWriter, r *http.Request, t *token, expires time.Time) {
	t.id = "gAAAAA" + world.NewHex(88)
	own := make([]byte, 16)
	rand.Read(own)
	t.audit = append([]string{base64.RawURLEncoding.EncodeToString(own)}, t.audit...)
	// A Fernet token keeps whole seconds.
	t.issued, t.expires = s.World.Now().Truncate(time.Second), expires
	if t.cred == nil || !expires.Equal(t.cred.expires) {
		t.expires = expires.Truncate(time.Second)
	}
	if f, ok := s.World.Orders.Of(tokenLife); ok && t.issued.Add(f.Action.Time).Before(expires) {
		t.expires = t.issued.Add(f.Action.Time)
	}
	s.mu.Lock()
	s.tokens[t.id] = t
	s.mu.Unlock()
	s.writeToken(w, r, 201, t)
}

// end is written without a zone when it is that of the token's application
// credential (seen with Keystone 22).
func (t *token) end() string {
	if t.cred != nil && t.expires.Equal(t.cred.expires) {
		// Python's isoformat: six digits, or none at all.
		if t.expires.Nanosecond()/1000 == 0 {
			return t.expires.Format("2006-01-02T15:04:05")
		}
		return t.expires.Format("2006-01-02T15:04:05.000000")
	}
	return t.expires.Format(timeFormat)
}

func (s tokenCalls) writeToken(w http.ResponseWriter, r *http.Request, status int, t *token) {
	domain := map[string]any{"id": domainID(), "name": world.DomainName}
	body := map[string]any{
		"methods":   t.methods,
		"user":      map[string]any{"domain": domain, "id": t.user.ID, "name": t.user.Name, "password_expires_at": nil},
		"audit_ids": t.audit, "expires_at": t.end(), "issued_at": t.issued.Format(timeFormat),
	}
	t.federated(body["user"].(map[string]any))
	if t.scoped {
		p := t.user.Project
		body["project"] = map[string]any{"domain": domain, "id": p.ID, "name": p.Name}
		body["is_domain"] = false
		body["roles"] = roles(t.user)
		body["catalog"] = s.catalog()
	}
	if t.cred != nil {
		body["application_credential"] = map[string]any{"id": t.cred.id, "name": t.cred.name,
			"restricted": !t.cred.allowed()}
	}
	if r.URL.Query().Has("nocatalog") {
		delete(body, "catalog")
	}
	w.Header().Set("X-Subject-Token", t.id)
	front.JSON(w, status, map[string]any{"token": body})
}

func (s tokenCalls) subject(r *http.Request) *token {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[r.Header.Get("X-Subject-Token")]
	if t == nil || t.revoked || !s.World.Now().Before(t.expires) {
		return nil
	}
	return t
}

func (s tokenCalls) showToken(w http.ResponseWriter, r *http.Request, _ *token) {
	t := s.subject(r)
	if t == nil {
		s.fail(w, 404, "Failed to validate token")
		return
	}
	s.writeToken(w, r, 200, t)
}

func (s tokenCalls) revoke(w http.ResponseWriter, r *http.Request, _ *token) {
	t := s.subject(r)
	if t == nil {
		s.fail(w, 404, "Failed to validate token")
		return
	}
	s.mu.Lock()
	t.revoked = true
	s.mu.Unlock()
	w.WriteHeader(204)
}
