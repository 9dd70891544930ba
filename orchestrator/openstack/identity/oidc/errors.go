package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"chexp/orchestrator/openstack/internal/foreign"

	"github.com/gophercloud/gophercloud/v2"
)

// Step is one of the steps of signing in; see the package comment.
type Step int

const (
	// StepDiscovery reads the identity provider's discovery document.
	StepDiscovery Step = iota + 1
	// StepGrant gets an access token.
	StepGrant
	// StepFederation gives the access token to Keystone.
	StepFederation
	// StepScope exchanges Keystone's unscoped token for one of a project.
	StepScope
)

func (s Step) String() string {
	switch s {
	case StepDiscovery:
		return "reading the discovery document"
	case StepGrant:
		return "getting an access token"
	case StepFederation:
		return "giving the access token to Keystone"
	case StepScope:
		return "asking for the project"
	}
	return fmt.Sprintf("step %d", int(s))
}

// Causes that are not an answer's.
var (
	// ErrInsecure is an address to which no secret is sent: neither https nor
	// this machine.
	ErrInsecure = errors.New("not an https address")
	// ErrNotJSON is an answer that is no JSON object: a proxy's page, or
	// another server altogether.
	ErrNotJSON = errors.New("the answer is not a JSON object")
	// ErrTooLong is an answer of more than a megabyte.
	ErrTooLong = foreign.ErrTooLong
	// ErrGrantNotOffered is a discovery document whose list of grants lacks
	// "password".
	ErrGrantNotOffered = errors.New("the identity provider does not offer the password grant")
	// ErrNoTokenEndpoint is a discovery document without a token_endpoint.
	ErrNoTokenEndpoint = errors.New("the discovery document names no token endpoint")
	// ErrNoAccessToken is a good answer that lacks the wanted field.
	ErrNoAccessToken = errors.New("the answer has no access token")
)

// Error is a step that failed. An answer of the identity provider is in
// Status, Code and Description; for Keystone's, and for a connection that
// failed, see Err.
type Error struct {
	Step   Step
	URL    string // scheme, host and path of what was asked
	Status int    // HTTP status; 0 when there was no answer
	Code   string // of OAuth 2.0: "invalid_grant", "unauthorized_client", "invalid_client" [RFC 6749, 5.2]
	// the identity provider's own words: one line, bounded, printable, without the secrets that were sent
	Description string
	Location    string // where a redirect leads, which is not followed
	Err         error
}

func (e *Error) Error() string {
	s := e.Step.String()
	if e.URL != "" {
		s += " at " + e.URL
	}
	if e.Status != 0 {
		s += fmt.Sprintf(": %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Location != "" {
		s += " to " + e.Location
	}
	if said := strings.TrimSpace(e.Code + " " + e.Description); said != "" {
		s += ": " + said
	}
	var answer gophercloud.ErrUnexpectedResponseCode
	switch {
	case errors.As(e.Err, &answer):
		s += ": " + words(string(answer.Body), 300)
	case e.Err != nil:
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// GetStatusCode is the HTTP status, 0 when there was no answer; gophercloud's
// errors have the same method.
func (e *Error) GetStatusCode() int { return e.Status }

// place is an address without what may be secret in it: user, query, fragment.
func place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	return words(u.Scheme+"://"+u.Host+u.Path, 200)
}

// words makes one printable, bounded line of somebody else's text, and takes
// out the secrets that it may echo.
func words(s string, limit int, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) < 4 { // "none" is longest of what is no secret, and shorter ones would blank out half the text
			continue
		}
		s = strings.ReplaceAll(s, secret, "***")
		s = strings.ReplaceAll(s, url.QueryEscape(secret), "***")
	}
	return foreign.Line(s, limit)
}
