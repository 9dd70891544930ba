// Package keystone is the identity service as far as CHI@Edge's users meet it:
// tokens by password, application credential, another token or an access token
// of an OpenID Connect identity provider, which is here too, the catalog, and a
// user's application credentials. Status codes and texts were recorded from
// Keystone 22; those of the identity provider were not.
package keystone

import (
	"net/http"
	"sync"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Endpoint is one line of the catalog.
type Endpoint struct {
	Type, Name, URL string
}

// Service is one Keystone. Set URL and Endpoints before the first request.
type Service struct {
	World     *world.World
	URL       string // root, without /v3
	Endpoints []Endpoint

	mu     sync.Mutex
	tokens map[string]*token
	creds  map[string]*appCred
	ids    map[string]string // stable ids of catalog entries

	lives     lives
	accesses  map[string]grant // the identity provider's access tokens
	refreshes map[string]grant
}

// What the API can be asked for is in types of its own, each with the whole Service.
type (
	tokenCalls   struct{ *Service }
	appCredCalls struct{ *Service }
)

// New makes a Keystone with nobody signed in.
func New(w *world.World) *Service {
	return &Service{World: w, tokens: map[string]*token{}, creds: map[string]*appCred{}, ids: map[string]string{},
		lives: lives{world: w}, accesses: map[string]grant{}, refreshes: map[string]grant{}}
}

// Validate implements front.Validator: what the other services ask.
func (s *Service) Validate(id string) (front.Caller, time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[id]
	if t == nil || t.revoked || !s.World.Now().Before(t.expires) || t.cred != nil && s.creds[t.cred.id] == nil {
		return front.Caller{}, time.Time{}, false
	}
	return s.caller(t), t.expires, true
}

// caller is who a token speaks for.
func (s *Service) caller(t *token) front.Caller {
	c := front.Caller{UserID: t.user.ID, UserName: t.user.Name, Delegated: t.cred != nil,
		Restricted: t.cred != nil && !t.cred.allowed()}
	if t.scoped {
		c.ProjectID, c.ProjectName, c.Roles = t.user.Project.ID, t.user.Project.Name, t.user.Roles
	}
	return c
}

// Handler serves the API.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	cred := appCredCalls{s}
	mux.HandleFunc("GET /{$}", s.versions)
	mux.HandleFunc("GET /v3", s.version)
	mux.HandleFunc("GET /v3/{$}", s.version)
	mux.HandleFunc("/v3/auth/tokens", s.authTokens)
	mux.HandleFunc("GET /v3/auth/catalog", s.signedIn(s.showCatalog))
	mux.HandleFunc("GET /v3/auth/projects", s.signedIn(s.listProjects))
	mux.HandleFunc("GET /v3/users", s.signedIn(s.forbidden("identity:list_users")))
	mux.HandleFunc("GET /v3/projects", s.signedIn(s.forbidden("identity:list_projects")))
	mux.HandleFunc("POST /v3/OS-TRUST/trusts", s.signedIn(s.createTrust))
	const creds = "/v3/users/{user}/application_credentials"
	mux.HandleFunc("GET "+creds, s.signedIn(cred.listCreds))
	mux.HandleFunc("POST "+creds, s.signedIn(cred.createCred))
	mux.HandleFunc("GET "+creds+"/{cred}", s.signedIn(cred.showCred))
	mux.HandleFunc("DELETE "+creds+"/{cred}", s.signedIn(cred.deleteCred))
	mux.HandleFunc("POST /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{protocol}/auth", tokenCalls{s}.federate)
	identityProvider{s}.register(mux)
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "X-Auth-Token")
		mux.ServeHTTP(w, r)
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) { front.NotFoundPage(w) }

func (s *Service) authTokens(w http.ResponseWriter, r *http.Request) {
	token := tokenCalls{s}
	switch r.Method {
	case "POST":
		token.issue(w, r)
	case "GET", "HEAD":
		s.signedIn(token.showToken)(w, r)
	case "DELETE":
		s.signedIn(token.revoke)(w, r)
	default:
		w.Header().Set("Allow", "GET, OPTIONS, DELETE, POST, HEAD")
		front.JSON(w, 405, map[string]any{"message": "The method is not allowed for the requested URL."})
	}
}

func (s *Service) versionEntry() map[string]any {
	return map[string]any{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links": []any{map[string]any{"rel": "self", "href": s.URL + "/v3/"}},
		"media-types": []any{map[string]any{"base": "application/json",
			"type": "application/vnd.openstack.identity-v3+json"}},
	}
}

func (s *Service) versions(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", s.URL+"/v3/")
	front.JSON(w, 300, map[string]any{"versions": map[string]any{"values": []any{s.versionEntry()}}})
}

func (s *Service) version(w http.ResponseWriter, _ *http.Request) {
	front.JSON(w, 200, map[string]any{"version": s.versionEntry()})
}

// fail answers in Keystone's own error shape.
func (s *Service) fail(w http.ResponseWriter, code int, message string) {
	if code == 401 {
		w.Header().Set("WWW-Authenticate", `Keystone uri="`+s.URL+`/v3"`)
	}
	writeError(w, code, message)
}

// unauthorized is one text for a wrong password, an unknown user or project, and a
// bad, revoked or expired token: nothing tells them apart.
func (s *Service) unauthorized(w http.ResponseWriter) {
	s.fail(w, 401, "The request you have made requires authentication.")
}

func (s *Service) deny(w http.ResponseWriter, why string) {
	s.fail(w, 403, "You are not authorized to perform the requested action: "+why+".")
}

type handler func(w http.ResponseWriter, r *http.Request, t *token)

// signedIn checks X-Auth-Token. Keystone, unlike the services, answers 404 to a
// token whose application credential is gone.
func (s *Service) signedIn(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		t := s.tokens[r.Header.Get("X-Auth-Token")]
		orphan := t != nil && t.cred != nil && s.creds[t.cred.id] == nil
		live := t != nil && !t.revoked && s.World.Now().Before(t.expires)
		s.mu.Unlock()
		switch {
		case orphan:
			s.fail(w, 404, "Could not find Application Credential: "+t.cred.id+".")
		case !live:
			s.unauthorized(w)
		default:
			h(w, r, t)
		}
	}
}

func (s *Service) forbidden(rule string) handler {
	return func(w http.ResponseWriter, _ *http.Request, _ *token) { s.deny(w, rule) }
}

func (s *Service) listProjects(w http.ResponseWriter, _ *http.Request, t *token) {
	p, domain := t.user.Project, domainID()
	front.JSON(w, 200, map[string]any{
		"projects": []any{map[string]any{
			"id": p.ID, "name": p.Name, "domain_id": domain, "description": p.Description, "enabled": true,
			"parent_id": domain, "is_domain": false, "tags": []any{}, "options": map[string]any{},
			"links": map[string]any{"self": s.URL + "/v3/projects/" + p.ID},
		}},
		"links": s.collection("/v3/auth/projects"),
	})
}

func (s *Service) collection(path string) map[string]any {
	return map[string]any{"next": nil, "self": s.URL + path, "previous": nil}
}

func (s *Service) showCatalog(w http.ResponseWriter, _ *http.Request, _ *token) {
	front.JSON(w, 200, map[string]any{"catalog": s.catalog(),
		"links": map[string]any{"self": s.URL + "/v3/auth/catalog"}})
}

// catalog has exactly the services of CHI@Edge that users meet: no compute, no
// image. Every interface has the same URL here.
func (s *Service) catalog() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := func(key string) string {
		if s.ids[key] == "" {
			s.ids[key] = world.NewHex(16)
		}
		return s.ids[key]
	}
	var out []any
	for _, e := range s.Endpoints {
		var eps []any
		for _, iface := range []string{"public", "internal", "admin"} {
			eps = append(eps, map[string]any{
				"id": id(e.Type + iface), "interface": iface,
				"region_id": s.World.Region, "region": s.World.Region, "url": e.URL,
			})
		}
		out = append(out, map[string]any{"endpoints": eps, "id": id(e.Type), "type": e.Type, "name": e.Name})
	}
	return out
}
