package chiedge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"chexp/orchestrator/internal/failure"
	"chexp/orchestrator/openstack/apierror"
)

// token is what Keystone says about whom it gave one to, without the token.
type token struct {
	ExpiresAt time.Time             `json:"expires_at"`
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

func readToken(provider *gophercloud.ProviderClient) (token, error) {
	var t token
	result, ok := provider.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return t, errors.New("it is not one of version 3 of the identity API")
	}
	err := result.ExtractInto(&t)
	return t, err
}

func (t token) restricted() bool { return t.AppCred != nil && t.AppCred.Restricted }

func (t token) method() string {
	switch {
	case t.AppCred == nil:
		return "password"
	case t.AppCred.Restricted:
		return "application credential " + t.AppCred.Name + ", restricted"
	}
	return "application credential " + t.AppCred.Name + ", unrestricted"
}

// requireProject refuses a token for no project: it has no catalog either. The
// projects that the user could choose are listed where Keystone lists them.
func (s *Site) requireProject(ctx context.Context) error {
	if s.token.Project != nil {
		return nil
	}
	next := "set project_name and project_domain_name in the cloud's auth section (OS_PROJECT_NAME, OS_PROJECT_DOMAIN_NAME)"
	if identity, err := openstack.NewIdentityV3(s.provider, gophercloud.EndpointOpts{}); err == nil {
		if pages, err := projects.ListAvailable(identity).AllPages(ctx); err == nil {
			if all, err := projects.ExtractProjects(pages); err == nil && len(all) > 0 {
				var names []string
				for _, p := range all {
					names = append(names, p.Name)
				}
				next += "; yours are: " + strings.Join(names, ", ")
			}
		}
	}
	return failure.New(failure.Auth, fmt.Sprintf("signed in at %s as %s, but for no project", s.cred.host(), s.token.User.Name), next, nil)
}

// services are the catalog types a run needs, each with the names it goes by.
var services = []struct {
	what  string
	types []string
}{
	{"reservation", []string{"reservation"}},
	{"container", []string{"container", "application-container"}},
}

// region picks the region to work in: the one asked for, or the only one. It
// must offer both services.
func (t token) region(cred credentials) (string, error) {
	offers := map[string]map[string]bool{} // region → types
	for _, entry := range t.Catalog {
		for _, e := range entry.Endpoints {
			r := first(e.RegionID, e.Region)
			if offers[r] == nil {
				offers[r] = map[string]bool{}
			}
			offers[r][entry.Type] = true
		}
	}
	region := cred.endpoint.Region
	if region == "" {
		if len(offers) != 1 {
			return "", failure.New(failure.Auth, fmt.Sprintf("%s has %d regions and none was chosen", cred.host(), len(offers)),
				"choose with --region, region_name or OS_REGION_NAME: "+describeRegions(offers), nil)
		}
		for r := range offers {
			region = r
		}
	}
	for _, s := range services {
		if slices.ContainsFunc(s.types, func(typ string) bool { return offers[region][typ] }) {
			continue
		}
		next := "the catalog of this site has: " + describeRegions(offers) + ". CHI@Edge is its own site, https://chi.edge.chameleoncloud.org:5000/v3, with its own credentials"
		if env := os.Getenv("OS_REGION_NAME"); env != "" && env == region {
			next += ". The region comes from OS_REGION_NAME, perhaps of another site's openrc file"
		}
		return "", failure.New(failure.Auth, fmt.Sprintf("%s offers no %s service in region %q", cred.host(), s.what, region), next, nil)
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

// signInFailure words what Keystone leaves unsaid: it answers 401 alike to a
// wrong secret, an unknown user, a project that does not exist and one that
// the user is not in.
func signInFailure(cred credentials, err error) error {
	host := cred.host()
	var sent *url.Error
	e := apierror.From(err)
	who := "user " + first(cred.auth.Username, cred.auth.UserID)
	if cred.appCred() {
		who = "application credential " + first(cred.auth.ApplicationCredentialID, cred.auth.ApplicationCredentialName)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("signing in at %s: %w", host, context.Canceled)
	case e.Kind == apierror.CredentialUnknown:
		return failure.New(failure.Auth, fmt.Sprintf("%s does not know the %s (%s)", host, who, cred.from),
			"it was deleted, or it belongs to another site: each has its own. "+remedyAppCred, err)
	case e.Kind == apierror.Unauthorized && cred.appCred():
		return failure.New(failure.Auth, fmt.Sprintf("%s did not accept the %s (%s)", host, who, cred.from),
			"its secret is wrong, or it has expired (those that cc-login makes live 24 hours). "+remedyAppCred, err)
	case e.Kind == apierror.Unauthorized:
		return failure.New(failure.Auth, fmt.Sprintf("%s did not accept the %s (%s)", host, who, cred.from),
			"check user name, password, both domains and project; Keystone does not tell which is wrong. Users who sign in through the Chameleon portal need an application credential. "+remedyAppCred, err)
	case e.Kind == apierror.Unreachable || errors.As(err, &sent):
		return failure.New(failure.Auth, fmt.Sprintf("cannot reach Keystone at %s (%s)", host, cred.from),
			"check auth_url, the network and, for a certificate of your own, cacert", reason(err))
	case e.Status != 0 && e.Temporary():
		return failure.New(failure.Cloud, "Keystone at "+host+" is out of order", "try again in some minutes", err)
	case e.Status != 0:
		return failure.New(failure.Auth, fmt.Sprintf("what answers at %s is no Keystone, or not under that path", cred.auth.IdentityEndpoint),
			"auth_url looks like https://chi.edge.chameleoncloud.org:5000/v3", e)
	}
	return failure.New(failure.Auth, cred.from+" is incomplete", "compare it with the clouds.yaml that the site's dashboard makes", err)
}

// reason strips net/http's method and URL, which the sentence has already.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// offers reports whether the catalog has a service of this type in the region.
func (t token) offers(region, typ string) bool {
	for _, entry := range t.Catalog {
		if entry.Type != typ {
			continue
		}
		for _, e := range entry.Endpoints {
			if first(e.RegionID, e.Region) == region {
				return true
			}
		}
	}
	return false
}
