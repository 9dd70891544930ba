package signin

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/identity/oidc"
)

// newProvider makes a client that is not signed in.
func (c credentials) newProvider(rt http.RoundTripper) (*gophercloud.ProviderClient, error) {
	u, err := url.Parse(c.auth.IdentityEndpoint)
	if err != nil || u.Host == "" || u.User != nil {
		what := "is not a URL that chexp can use"
		if at := c.auth.IdentityEndpoint; at != strings.TrimSpace(at) {
			what = "has a blank or a line end around it"
		}
		return nil, failure.Auth.Errorf("the auth_url in %s %s", c.from, what).
			Advise("it looks like https://chi.edge.chameleoncloud.org:5000/v3")
	}
	provider, err := openstack.NewClient(c.auth.IdentityEndpoint)
	if err != nil {
		return nil, failure.Auth.Errorf("the auth_url %s in %s cannot be used", u.Redacted(), c.from).
			Advise("it looks like https://chi.edge.chameleoncloud.org:5000/v3").
			Because(err)
	}
	provider.HTTPClient = patient.Client(rt, c.tls)
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
func (c credentials) project() string { return cmp.Or(c.given["project_name"], c.given["project_id"]) }

// user is who is signing in, for people.
func (c credentials) user() string {
	switch c.how {
	case byAppCred:
		return "application credential " + cmp.Or(c.auth.ApplicationCredentialID, c.auth.ApplicationCredentialName)
	case byToken:
		return "token"
	case byOIDCAccessToken:
		return "access token"
	}
	return "user " + cmp.Or(c.given["username"], c.given["user_id"])
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

// static reports an access token that nobody renews.
func (c credentials) static() bool {
	if c.oidc == nil {
		return false
	}
	_, ok := c.oidc.Source.(oidc.Static)
	return ok
}

// HostOf returns the host and port of an address, "" if it is none.
func HostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}
