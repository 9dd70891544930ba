package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"chexp/orchestrator/openstack/internal/foreign"
)

// maxAnswer bounds what is read of an identity provider's answer; Keycloak's
// discovery document is about 6 kB.
const maxAnswer = 1 << 20

// DefaultScope is what keystoneauth asks for; "openid" must be in it.
const DefaultScope = "openid profile"

// Password is the grant of that name: the user's own name and password
// [RFC 6749, 4.3].
type Password struct {
	// DiscoveryEndpoint is the whole address of the discovery document,
	// ".../.well-known/openid-configuration".
	DiscoveryEndpoint string
	// TokenEndpoint is used instead of the discovered one. One of the two is
	// required.
	TokenEndpoint string

	// ClientID is this site's name at the identity provider; required.
	ClientID string
	// ClientSecret decides how the client names itself: with a secret, by
	// HTTP Basic; without, by client_id in the form. A public client has none,
	// and some dashboards write "none" then, which is sent like any other
	// [KSA:oidc.py (_get_access_token)].
	ClientSecret string

	Username, Password string // required

	// Scope is the OpenID scope; "" is DefaultScope.
	Scope string
	// AccessTokenType is the field of the answer to use: "access_token", which
	// is the default, or "id_token".
	AccessTokenType string
}

// String keeps the password out of logs.
func (p Password) String() string { return "password of " + p.Username }

// GoString keeps the password out of logs.
func (p Password) GoString() string { return p.String() }

// AccessToken implements TokenSource.
func (p Password) AccessToken(ctx context.Context, client *http.Client) (AccessToken, error) {
	endpoint, err := p.tokenEndpoint(ctx, client)
	if err != nil {
		return AccessToken{}, err
	}
	req, err := p.request(ctx, endpoint)
	if err != nil {
		return AccessToken{}, &Error{Step: StepGrant, URL: place(endpoint), Err: err}
	}
	var answer map[string]json.RawMessage
	if err := exchange(client, req, StepGrant, &answer, p.Password, basicSecret(p.ClientSecret)); err != nil {
		return AccessToken{}, err
	}
	return p.read(answer, place(endpoint))
}

// basicSecret is what must not be echoed; "none" is a word and no secret.
func basicSecret(s string) string {
	if s == "none" {
		return ""
	}
	return s
}

func (p Password) tokenEndpoint(ctx context.Context, client *http.Client) (string, error) {
	if p.TokenEndpoint != "" {
		return p.TokenEndpoint, nil
	}
	d, err := Discover(ctx, client, p.DiscoveryEndpoint)
	if err != nil {
		return "", err
	}
	fail := &Error{Step: StepDiscovery, URL: place(p.DiscoveryEndpoint)}
	switch {
	case d.GrantTypesSupported != nil && !slices.Contains(d.GrantTypesSupported, "password"):
		fail.Err = ErrGrantNotOffered
	case d.TokenEndpoint == "":
		fail.Err = ErrNoTokenEndpoint
	default:
		return d.TokenEndpoint, nil
	}
	return "", fail
}

func (p Password) request(ctx context.Context, endpoint string) (*http.Request, error) {
	if err := secure(endpoint); err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {"password"}, "username": {p.Username}, "password": {p.Password},
		"scope": {p.Scope}}
	if p.Scope == "" {
		form.Set("scope", DefaultScope)
	}
	if p.ClientSecret == "" {
		form.Set("client_id", p.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.ClientSecret != "" {
		// Both are form-encoded first [RFC 6749, 2.3.1].
		req.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(p.ClientSecret))
	}
	return req, nil
}

func (p Password) read(answer map[string]json.RawMessage, from string) (AccessToken, error) {
	field := p.AccessTokenType
	if field == "" {
		field = "access_token"
	}
	var token AccessToken
	if raw, ok := answer[field]; !ok || json.Unmarshal(raw, &token.Value) != nil || !bearer(token.Value) {
		return AccessToken{}, &Error{Step: StepGrant, URL: from, Err: fmt.Errorf("%w (field %q)", ErrNoAccessToken,
			words(field, 40))}
	}
	var seconds float64
	if raw, ok := answer["expires_in"]; ok && json.Unmarshal(raw, &seconds) == nil && seconds > 0 && seconds < 1e9 {
		token.Expires = time.Now().Add(time.Duration(seconds * float64(time.Second)))
	}
	return token, nil
}

// bearer reports whether a text can be sent in an Authorization header.
func bearer(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Discovery is what is needed of a discovery document [OpenID Connect
// Discovery 1.0, 3].
type Discovery struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	// GrantTypesSupported is nil when the document has no such list.
	GrantTypesSupported []string `json:"grant_types_supported"`
}

// Discover reads a discovery document.
func Discover(ctx context.Context, client *http.Client, endpoint string) (*Discovery, error) {
	fail := &Error{Step: StepDiscovery, URL: place(endpoint)}
	if fail.Err = secure(endpoint); fail.Err != nil {
		return nil, fail
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		fail.Err = errors.New("not an address")
		return nil, fail
	}
	var d Discovery
	if err := exchange(client, req, StepDiscovery, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// exchange sends a request and reads a JSON object. It follows no redirect: a
// password would travel on to wherever it leads.
func exchange(client *http.Client, req *http.Request, step Step, into any, secrets ...string) error {
	fail := &Error{Step: step, URL: place(req.URL.String())}
	req.Header.Set("Accept", "application/json")
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		// The method and the address are in Step and URL already.
		var sent *url.Error
		if errors.As(err, &sent) {
			err = sent.Err
		}
		fail.Err = err
		return fail
	}
	defer resp.Body.Close()
	body, err := foreign.Read(resp.Body, maxAnswer)
	switch {
	case err != nil:
		fail.Err = err
		return fail
	case resp.StatusCode != http.StatusOK:
		fail.refused(resp, body, secrets)
		return fail
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, into) != nil {
		fail.Err = ErrNotJSON
		return fail
	}
	return nil
}

// refused reads OAuth's shape of an error, if it is one.
func (e *Error) refused(resp *http.Response, body []byte, secrets []string) {
	e.Status = resp.StatusCode
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		e.Location = place(to)
	}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &said) == nil {
		e.Code, e.Description = words(said.Error, 60, secrets...), words(said.Description, 300, secrets...)
	}
}

// secure refuses an address to which a secret would go unprotected.
func secure(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return errors.New("not an address") // err may quote a password in it
	}
	if u.Scheme == "https" {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil &&
		ip.IsLoopback()) {
		return nil
	}
	return ErrInsecure
}
