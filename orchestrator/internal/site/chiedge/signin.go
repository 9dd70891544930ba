package chiedge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"

	"chexp/experiments/failure"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/identity/oidc"
)

// newProvider makes a client that is not signed in.
func (c credentials) newProvider(rt http.RoundTripper) (*gophercloud.ProviderClient, error) {
	u, err := url.Parse(c.auth.IdentityEndpoint)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, failure.New(failure.Auth, "the auth_url in "+c.from+" is not a URL that chexp can use",
			"it looks like https://chi.edge.chameleoncloud.org:5000/v3", nil)
	}
	provider, err := openstack.NewClient(c.auth.IdentityEndpoint)
	if err != nil {
		return nil, failure.New(failure.Auth, fmt.Sprintf("the auth_url %s in %s cannot be used", u.Redacted(), c.from),
			"it looks like https://chi.edge.chameleoncloud.org:5000/v3", err)
	}
	provider.HTTPClient = newHTTPClient(rt, c.tls)
	provider.UserAgent.Prepend("chexp")
	return provider, nil
}

// signIn gets a token, and sees to it that the provider gets another when it
// has ended: a run may last for hours. (A token itself cannot be renewed.)
func (c credentials) signIn(ctx context.Context, provider *gophercloud.ProviderClient) error {
	if c.oidc != nil {
		return oidc.AuthenticateV3(ctx, provider, *c.oidc)
	}
	return openstack.Authenticate(ctx, provider, c.auth)
}

// withoutProject are the same credentials for no project, tried once.
func (c credentials) withoutProject() credentials {
	c.auth.Scope, c.auth.TenantID, c.auth.TenantName, c.auth.AllowReauth = nil, "", "", false
	if c.oidc != nil {
		unscoped := *c.oidc
		unscoped.Scope, unscoped.AllowReauth = nil, false
		c.oidc = &unscoped
	}
	return c
}

// project is the project that was asked for, for people; "" if none was.
func (c credentials) project() string { return first(c.given["project_name"], c.given["project_id"]) }

// user is who is signing in, for people.
func (c credentials) user() string {
	switch c.how {
	case byAppCred:
		return "application credential " + first(c.auth.ApplicationCredentialID, c.auth.ApplicationCredentialName)
	case byToken:
		return "token"
	case byOIDCAccessToken:
		return "access token"
	}
	return "user " + first(c.given["username"], c.given["user_id"])
}

// projectNames lists the projects of whoever is signed in; empty if Keystone
// does not tell.
func projectNames(ctx context.Context, provider *gophercloud.ProviderClient) []string {
	identity, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	if err != nil {
		return nil
	}
	pages, err := projects.ListAvailable(identity).AllPages(ctx)
	if err != nil {
		return nil
	}
	all, err := projects.ExtractProjects(pages)
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range all {
		names = append(names, apierror.Line(p.Name))
	}
	slices.Sort(names)
	return names
}

func yours(names []string) string {
	if len(names) == 0 {
		return "you have none here: join a project with an active allocation on chameleoncloud.org"
	}
	return "yours are: " + strings.Join(names, ", ")
}

// readEnd learns when signing in will no longer work: an application
// credential has an end that its token does not tell, but Keystone shows users
// their own. It is asked for the warning only; without an answer there is none.
func (s *Site) readEnd(ctx context.Context) {
	switch {
	case s.token.AppCred != nil:
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		identity, err := openstack.NewIdentityV3(s.provider, gophercloud.EndpointOpts{})
		if err != nil {
			return
		}
		if ac, err := applicationcredentials.Get(ctx, identity, s.token.User.ID, s.token.AppCred.ID).Extract(); err == nil {
			s.ends = ac.ExpiresAt
		}
	case s.cred.how == byToken, s.cred.static():
		s.ends = s.token.ExpiresAt
	}
}

// static reports an access token that nobody renews.
func (c credentials) static() bool {
	if c.oidc == nil {
		return false
	}
	_, ok := c.oidc.Source.(oidc.Static)
	return ok
}

// SignInEnds tells from when on the services will refuse this user, and what
// it is that ends; the zero time if nothing is known to.
func (s *Site) SignInEnds() (at time.Time, what string) {
	switch {
	case s.ends.IsZero():
		return time.Time{}, ""
	case s.token.AppCred != nil:
		return s.ends, "the application credential " + apierror.Line(s.token.AppCred.Name)
	case s.cred.static():
		return s.ends, "the token that the access token was exchanged for"
	}
	return s.ends, "the token"
}

// expiresSoon is how long a usual run takes, a lease of two hours and what is
// around it.
const expiresSoon = 3 * time.Hour

// Warnings are things that are going to hurt, in sentences.
func (s *Site) Warnings() []string { return s.warnings(time.Now(), time.Now().Add(expiresSoon)) }

// WarningsUntil are the warnings for work that goes on until end, such as a
// lease's.
func (s *Site) WarningsUntil(end time.Time) []string { return s.warnings(time.Now(), end) }

func (s *Site) warnings(now, end time.Time) []string {
	var w []string
	if s.token.restricted() {
		w = append(w, fmt.Sprintf("the application credential %s is restricted: this site may refuse to make leases with it. %s",
			apierror.Line(s.token.AppCred.Name), remedyUnrestricted))
	}
	if at, what := s.SignInEnds(); !at.IsZero() && at.Before(end) {
		w = append(w, fmt.Sprintf("%s ends at %s, in %s, and cannot be renewed by chexp: a run that is not over by then can neither finish nor give the device back. %s",
			what, utc(at), Span(at.Sub(now)), s.longerLasting()))
	}
	if s.token.AppCred != nil && s.token.Project != nil {
		if name, value := s.cred.otherProject(*s.token.Project); name != "" {
			w = append(w, fmt.Sprintf("%s is %s, but the application credential is for project %s, which is used: it cannot be had for another", name, value, s.token.Project.Name))
		}
	}
	if u, err := url.Parse(s.cred.auth.IdentityEndpoint); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		w = append(w, fmt.Sprintf("auth_url is http: the secrets in %s travel to %s readable by everybody on the way", s.cred.from, u.Host))
	}
	return append(w, s.cred.stale...)
}

func (s *Site) longerLasting() string {
	if s.token.AppCred != nil {
		return "Make another that lasts longer: " + remedyAppCred
	}
	return "Use an application credential. " + remedyAppCred
}
