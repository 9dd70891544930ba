package signin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"chexp/experiments/failure"
)

// Token is what Keystone says about whom it gave one to, without the token.
type Token struct {
	ExpiresAt time.Time             `json:"-"`
	User      tokens.User           `json:"user"`
	Project   *tokens.Project       `json:"project"`
	Roles     []tokens.Role         `json:"roles"`
	Catalog   []tokens.CatalogEntry `json:"catalog"`
	AppCred   *struct {
		ID         string `json:"id"`
		Name       string `json:"name"`
		Restricted bool   `json:"restricted"`
	} `json:"application_credential"`
}

// tokenTime reads both of Keystone's forms. The end of a token that is cut short
// by that of its application credential has no zone: "2026-11-23T07:08:12"
// (seen with Keystone 22). It is UTC.
type tokenTime struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *tokenTime) UnmarshalJSON(b []byte) error {
	text := strings.TrimSuffix(strings.Trim(string(b), `"`), "Z")
	at, err := time.Parse("2006-01-02T15:04:05", text) // takes a fraction, too
	t.Time = at
	return err
}

func readToken(provider *gophercloud.ProviderClient) (Token, error) {
	var t Token
	var result interface{ ExtractInto(any) error }
	switch r := provider.GetAuthResult().(type) {
	case tokens.CreateResult:
		result = r
	case tokens.GetResult: // a token that was given, looked at
		result = r
	default:
		return t, errors.New("it is not one of version 3 of the identity API")
	}
	var end struct {
		At tokenTime `json:"expires_at"`
	}
	if err := errors.Join(result.ExtractInto(&t), result.ExtractInto(&end)); err != nil {
		return t, err
	}
	t.ExpiresAt = end.At.Time
	return t, nil
}

// Restricted reports an application credential that may not make trusts, which a
// lease needs.
func (t Token) Restricted() bool { return t.AppCred != nil && t.AppCred.Restricted }

// Method says how the user signed in, for people.
func (s *Session) Method() string {
	t := s.Token
	switch {
	case t.AppCred == nil && s.cred.how == byToken:
		return "token"
	case t.AppCred == nil && s.cred.how == byOIDCPassword:
		return "single sign-on, password"
	case t.AppCred == nil && s.cred.how == byOIDCAccessToken:
		return "single sign-on, access token"
	case t.AppCred == nil:
		return "password"
	case t.AppCred.Restricted:
		return "application credential " + t.AppCred.Name + ", restricted"
	}
	return "application credential " + t.AppCred.Name + ", unrestricted"
}

// requireProject refuses a token for no project: it has no catalog either. The
// projects that the user could choose are listed where Keystone lists them.
func (s *Session) requireProject(ctx context.Context) error {
	if s.Token.Project != nil {
		return nil
	}
	next := "set project_name and project_domain_name in the cloud's auth section (OS_PROJECT_NAME, " +
		"OS_PROJECT_DOMAIN_NAME; the domain is chameleon on Chameleon)"
	if names := projectNames(ctx, s.Provider); len(names) > 0 {
		next += "; " + yours(names)
	}
	return s.cred.withStale(failure.Auth.Errorf("signed in at %s as %s, but for no project", s.cred.host(),
		s.Token.User.Name).
		Advise("%s", next))
}

// region picks the region to work in: the one asked for, or the only one. It
// must offer every service that is needed.
func (t Token) region(cred credentials, needs []Service) (string, error) {
	offers := map[string]map[string]bool{} // region → types
	for _, entry := range t.Catalog {
		for _, e := range entry.Endpoints {
			r := cmp.Or(e.RegionID, e.Region)
			if offers[r] == nil {
				offers[r] = map[string]bool{}
			}
			offers[r][entry.Type] = true
		}
	}
	region := cred.endpoint.Region
	if region == "" {
		if len(offers) != 1 {
			return "", failure.Auth.Errorf("%s has %d regions and none was chosen", cred.host(), len(offers)).
				Advise("choose with region_name or OS_REGION_NAME: %s", describeRegions(offers))
		}
		for r := range offers {
			region = r
		}
	}
	for _, s := range needs {
		if slices.ContainsFunc(s.Types, func(typ string) bool { return offers[region][typ] }) {
			continue
		}
		next := "the catalog of this site has: " + describeRegions(offers) + ". CHI@Edge is its own site, " +
			"https://chi.edge.chameleoncloud.org:5000/v3, with its own credentials"
		if env := os.Getenv("OS_REGION_NAME"); env != "" && env == region {
			next += ". The region comes from OS_REGION_NAME, perhaps of another site's openrc file"
		}
		return "", failure.Auth.Errorf("%s offers no %s service in region %q", cred.host(), s.Name, region).
			Advise("%s", next)
	}
	return region, nil
}

func describeRegions(offers map[string]map[string]bool) string {
	if len(offers) == 0 {
		return "nothing"
	}
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(offers)) {
		parts = append(parts, fmt.Sprintf("%s (%s)", r, strings.Join(slices.Sorted(maps.Keys(offers[r])), ", ")))
	}
	return strings.Join(parts, "; ")
}

// offers reports whether the catalog has a service of this type in the region.
func (t Token) offers(region, typ string) bool {
	for _, entry := range t.Catalog {
		if entry.Type != typ {
			continue
		}
		for _, e := range entry.Endpoints {
			if cmp.Or(e.RegionID, e.Region) == region {
				return true
			}
		}
	}
	return false
}
