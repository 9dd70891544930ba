package keystone

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// The identity provider's realm, and the clients that it knows. Both are public:
// they have no secret, and any that is sent is accepted. The second one may not take
// passwords [CIAB:federation/metadata; CCA:ccauth/discover.py].
const (
	realm          = "/auth/realms/chameleon"
	ClientID       = "keystone-edge-prod"
	deviceClientID = "chi-cli-device-token"
)

// clientID is the site's: keystone-uc-prod for CHI@UC.
func (s identityProvider) clientID() string {
	if _, site, ok := strings.Cut(s.World.Region, "@"); ok {
		return "keystone-" + strings.ToLower(site) + "-prod"
	}
	return ClientID
}

// accessTokenLife is Keycloak's default.
const accessTokenLife = 5 * time.Minute

// grant is an access or a refresh token.
type grant struct {
	user    *world.User
	expires time.Time
}

// identityProvider is the Keycloak in front of this Keystone, as far as a client of
// the command line sees it. Its texts are Keycloak's, from its documentation and
// public logs; nothing of it was recorded.
type identityProvider struct{ *Service }

func (s identityProvider) register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+realm+"/.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("POST "+realm+"/protocol/openid-connect/token", s.grantToken)
	mux.HandleFunc("GET "+realm+"/protocol/openid-connect/userinfo", s.userinfo)
	mux.HandleFunc("/auth/realms/", func(w http.ResponseWriter, _ *http.Request) {
		front.JSON(w, 404, map[string]any{"error": "Realm does not exist"})
	})
}

// DiscoveryURL is the address of the discovery document.
func (s *Service) DiscoveryURL() string { return s.URL + realm + "/.well-known/openid-configuration" }

func (s identityProvider) discovery(w http.ResponseWriter, _ *http.Request) {
	at := s.URL + realm + "/protocol/openid-connect"
	front.JSON(w, 200, map[string]any{
		"issuer": s.URL + realm, "authorization_endpoint": at + "/auth", "token_endpoint": at + "/token",
		"userinfo_endpoint": at + "/userinfo", "jwks_uri": at + "/certs",
		"grant_types_supported": []string{"authorization_code", "implicit", "refresh_token",
			"password", "client_credentials"},
		"response_types_supported":              []string{"code", "id_token", "token"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
	})
}

func oauthError(w http.ResponseWriter, status int, code, description string) {
	front.JSON(w, status, map[string]any{"error": code, "error_description": description})
}

// grantToken is the token endpoint: form-encoded, the client named by HTTP Basic or
// in the form.
func (s identityProvider) grantToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.ParseForm() != nil {
		oauthError(w, 400, "invalid_request", "Missing form parameter: grant_type")
		return
	}
	client := r.PostForm.Get("client_id")
	if id, _, ok := r.BasicAuth(); ok {
		client, _ = url.QueryUnescape(id)
	}
	kind := r.PostForm.Get("grant_type")
	switch {
	case client != ClientID && client != s.clientID() && client != deviceClientID:
		oauthError(w, 401, "invalid_client", "Invalid client or Invalid client credentials")
	case kind == "":
		oauthError(w, 400, "invalid_request", "Missing form parameter: grant_type")
	case kind == "password" && client == deviceClientID:
		oauthError(w, 400, "unauthorized_client", "Client not allowed for direct access grants")
	case kind == "password":
		s.byUserPassword(w, r.PostForm)
	case kind == "refresh_token":
		s.byRefreshToken(w, r.PostForm)
	default:
		oauthError(w, 400, "unsupported_grant_type", "Unsupported grant_type")
	}
}

func (s identityProvider) byUserPassword(w http.ResponseWriter, form url.Values) {
	u := s.find(userRef{Name: form.Get("username"), Domain: &domainRef{Name: world.DomainName}})
	if u == nil || form.Get("password") != u.Password {
		oauthError(w, 401, "invalid_grant", "Invalid user credentials")
		return
	}
	s.giveTokens(w, u, form.Get("scope"))
}

// byRefreshToken: a refresh token is good once.
func (s identityProvider) byRefreshToken(w http.ResponseWriter, form url.Values) {
	s.mu.Lock()
	g, ok := s.refreshes[form.Get("refresh_token")]
	delete(s.refreshes, form.Get("refresh_token"))
	s.mu.Unlock()
	switch {
	case !ok:
		oauthError(w, 400, "invalid_grant", "Invalid refresh token")
	case !s.World.Now().Before(g.expires):
		oauthError(w, 400, "invalid_grant", "Token is not active")
	default:
		s.giveTokens(w, g.user, form.Get("scope"))
	}
}

func (s identityProvider) giveTokens(w http.ResponseWriter, u *world.User, scope string) {
	life, now := s.lives.access(), s.World.Now()
	access, refresh := "access."+world.NewHex(64), "refresh."+world.NewHex(64)
	s.mu.Lock()
	s.accesses[access] = grant{u, now.Add(life)}
	s.refreshes[refresh] = grant{u, now.Add(6 * life)} // Keycloak's SSO Session Idle is 30 minutes
	s.mu.Unlock()
	body := map[string]any{"access_token": access, "expires_in": int(life.Seconds()), "refresh_token": refresh,
		"refresh_expires_in": int(6 * life.Seconds()), "token_type": "Bearer", "not-before-policy": 0,
		"session_state": world.NewUUID(), "scope": scope}
	if strings.Contains(" "+scope+" ", " openid ") {
		body["id_token"] = "id." + world.NewHex(64)
	}
	w.Header().Set("Cache-Control", "no-store")
	front.JSON(w, 200, body)
}

// bearer is the user that the request's access token speaks for; nil without a valid one.
func (s identityProvider) bearer(r *http.Request) *world.User {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.accesses[text]
	if !ok || g.user == nil || !s.World.Now().Before(g.expires) {
		return nil
	}
	return g.user
}

func (s identityProvider) userinfo(w http.ResponseWriter, r *http.Request) {
	u := s.bearer(r)
	if u == nil {
		w.Header().Set("WWW-Authenticate",
			`Bearer realm="chameleon", error="invalid_token", error_description="Token verification failed"`)
		oauthError(w, 401, "invalid_token", "Token verification failed")
		return
	}
	front.JSON(w, 200, map[string]any{"sub": world.NewUUID(), "preferred_username": u.Name, "email": u.Name})
}

// GiveAccessToken makes an access token for a user, as a JupyterHub gets one.
func (s *Service) GiveAccessToken(u *world.User) (token string, expires time.Time) {
	token, expires = "access."+world.NewHex(64), s.World.Now().Add(s.lives.access())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accesses[token] = grant{u, expires}
	return token, expires
}
