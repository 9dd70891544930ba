package keystone

import (
	"encoding/json"
	"net/http"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// appCred is an application credential: a password of its own for one project.
type appCred struct {
	id, name, secret string
	description      *string
	user             *world.User
	unrestricted     *bool // as sent: null stays null in answers
	expires          time.Time
}

// allowed tells whether it may do what needs a trust or makes other credentials.
func (c *appCred) allowed() bool { return c.unrestricted != nil && *c.unrestricted }

// AddAppCred makes an application credential for a user, as the dashboard
// would, and returns its id and secret. A zero expires means never.
func (s *Service) AddAppCred(u *world.User, name string, unrestricted bool, expires time.Time) (id, secret string) {
	c := &appCred{id: world.NewHex(16), name: name, secret: world.NewHex(32), user: u, unrestricted: &unrestricted,
		expires: expires}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.creds[c.id] = c
	return c.id, c.secret
}

func (s *Service) render(c *appCred) map[string]any {
	var rs []any
	for _, r := range roles(c.user) {
		m := r.(map[string]any)
		m["domain_id"], m["description"], m["options"] = nil, nil, map[string]any{"immutable": true}
		rs = append(rs, m)
	}
	out := map[string]any{
		"id": c.id, "name": c.name, "description": c.description, "user_id": c.user.ID, "project_id": c.user.Project.ID,
		"system": nil, "expires_at": nil, "unrestricted": c.unrestricted, "roles": rs,
		"links": map[string]any{"self": s.URL + "/v3/application_credentials/" + c.id},
	}
	if !c.expires.IsZero() {
		out["expires_at"] = c.expires.Format("2006-01-02T15:04:05.000000")
	}
	return out
}

// own refuses the credentials of somebody else.
func (s appCredCalls) own(w http.ResponseWriter, r *http.Request, t *token, rule string) bool {
	if r.PathValue("user") == t.user.ID {
		return true
	}
	s.deny(w, rule)
	return false
}

func (s appCredCalls) listCreds(w http.ResponseWriter, r *http.Request, t *token) {
	if !s.own(w, r, t, "identity:list_application_credentials") {
		return
	}
	list := []any{}
	s.mu.Lock()
	for _, c := range s.creds {
		if c.user == t.user && (r.FormValue("name") == "" || r.FormValue("name") == c.name) {
			list = append(list, s.render(c))
		}
	}
	s.mu.Unlock()
	front.JSON(w, 200, map[string]any{"application_credentials": list, "links": s.collection(r.URL.Path)})
}

// mayManage: a token that came from a restricted credential may not manage others.
func (s appCredCalls) mayManage(w http.ResponseWriter, t *token) bool {
	if t.cred == nil || t.cred.allowed() {
		return true
	}
	s.deny(w, "Using method 'application_credential' is not allowed for managing additional application credentials.")
	return false
}

func (s appCredCalls) createCred(w http.ResponseWriter, r *http.Request, t *token) {
	if !s.own(w, r, t, "identity:create_application_credential") || !s.mayManage(w, t) {
		return
	}
	var req struct {
		Cred *struct {
			Name         string  `json:"name"`
			Description  *string `json:"description"`
			Secret       string  `json:"secret"`
			Unrestricted *bool   `json:"unrestricted"`
			ExpiresAt    *string `json:"expires_at"`
		} `json:"application_credential"`
	}
	if json.NewDecoder(r.Body).Decode(&req) != nil || req.Cred == nil || req.Cred.Name == "" {
		s.fail(w, 400, "'name' is a required property\n\nFailed validating 'required' in schema")
		return
	}
	c := &appCred{id: world.NewHex(16), name: req.Cred.Name, secret: req.Cred.Secret, description: req.Cred.Description,
		user: t.user, unrestricted: req.Cred.Unrestricted}
	if c.secret == "" {
		c.secret = world.NewHex(43)
	}
	if req.Cred.ExpiresAt != nil {
		at, ok := parseTime(*req.Cred.ExpiresAt)
		if !ok || !at.After(s.World.Now()) {
			s.fail(w, 400, "Invalid input for field 'expires_at': the time must be in ISO 8601 and in the future.")
			return
		}
		c.expires = at
	}
	s.mu.Lock()
	for _, other := range s.creds {
		if other.user == c.user && other.name == c.name {
			s.mu.Unlock()
			s.fail(w, 409, "Conflict occurred attempting to store application_credential - Duplicate entry found with "+
				"name "+c.name+".")
			return
		}
	}
	s.creds[c.id] = c
	s.mu.Unlock()
	out := s.render(c)
	out["secret"] = c.secret
	front.JSON(w, 201, map[string]any{"application_credential": out})
}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// cred looks up the credential of the path, answering 404 itself.
func (s appCredCalls) cred(w http.ResponseWriter, r *http.Request, t *token) *appCred {
	s.mu.Lock()
	c := s.creds[r.PathValue("cred")]
	s.mu.Unlock()
	if c == nil || c.user != t.user {
		s.fail(w, 404, "Could not find Application Credential: "+r.PathValue("cred")+".")
		return nil
	}
	return c
}

func (s appCredCalls) showCred(w http.ResponseWriter, r *http.Request, t *token) {
	if !s.own(w, r, t, "identity:get_application_credential") {
		return
	}
	if c := s.cred(w, r, t); c != nil {
		front.JSON(w, 200, map[string]any{"application_credential": s.render(c)})
	}
}

func (s appCredCalls) deleteCred(w http.ResponseWriter, r *http.Request, t *token) {
	if !s.own(w, r, t, "identity:delete_application_credential") || !s.mayManage(w, t) {
		return
	}
	c := s.cred(w, r, t)
	if c == nil {
		return
	}
	s.mu.Lock()
	delete(s.creds, c.id)
	s.mu.Unlock()
	w.WriteHeader(204)
}
