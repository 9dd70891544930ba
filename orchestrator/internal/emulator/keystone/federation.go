package keystone

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Keystone's names for its identity provider [CIAB:kolla/node_custom_config/keystone].
const (
	identityProviderName = "chameleon"
	protocol             = "openid"
)

// federate takes an access token for an unscoped token. On the real site Apache's
// mod_auth_openidc stands in front: it sends who brings no token to the sign-in page,
// and answers by itself to a bad one.
func (s tokenCalls) federate(w http.ResponseWriter, r *http.Request) {
	if idp := r.PathValue("idp"); idp != identityProviderName {
		s.fail(w, 404, "Could not find Identity Provider: "+idp+".")
		return
	}
	if r.PathValue("protocol") != protocol {
		s.unsupportedMethod(w) // seen with Keystone 22: its name is looked for among the methods first
		return
	}
	if r.Header.Get("Authorization") == "" {
		at := s.URL + realm + "/protocol/openid-connect/auth?client_id=" + ClientID + "&redirect_uri=" +
			url.QueryEscape(s.URL+r.URL.Path)
		http.Redirect(w, r, at, http.StatusFound)
		return
	}
	u := identityProvider(s).bearer(r)
	if u == nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="token is not active"`)
		front.HTML(w, 401, "This server could not verify that you are authorized to access the document requested.")
		return
	}
	s.grant(w, r, &token{methods: []string{protocol}, user: u}, s.World.Now().Add(s.lives.token()))
}

// federated adds what Keystone tells of a user that came from elsewhere.
func (t *token) federated(user map[string]any) {
	if slices.Contains(t.methods, protocol) {
		delete(user, "password_expires_at")
		user["OS-FEDERATION"] = map[string]any{"groups": []any{},
			"identity_provider": map[string]any{"id": identityProviderName}, "protocol": map[string]any{"id": protocol}}
	}
}

// lives is how long tokens are good for from now on.
type lives struct {
	world *world.World

	mu             sync.Mutex
	tokens, grants time.Duration // 0: the usual
}

func (l *lives) token() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tokens > 0 {
		return l.tokens
	}
	return l.world.Pace.TokenLife
}

func (l *lives) access() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grants > 0 {
		return l.grants
	}
	return accessTokenLife
}

// SetLives orders how long Keystone's tokens and the identity provider's access tokens
// are good for, those given out already among them; 0 leaves a kind as it is. A service
// that saw a token before may take it a little longer, as on the real site: for up to
// 300 s, its own cache's time.
func (s *Service) SetLives(tokens, access time.Duration) {
	s.lives.mu.Lock()
	if tokens > 0 {
		s.lives.tokens = tokens
	}
	if access > 0 {
		s.lives.grants = access
	}
	s.lives.mu.Unlock()
	now := s.World.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if end := now.Add(tokens); tokens > 0 && end.Before(t.expires) {
			t.expires = end
		}
	}
	for id, g := range s.accesses {
		if end := now.Add(access); access > 0 && end.Before(g.expires) {
			s.accesses[id] = grant{g.user, end}
		}
	}
}
