package signin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/identity/oidc"
)

// signInFailure words what Keystone leaves unsaid: it answers 401 alike to a
// wrong secret, an unknown user, a project that does not exist and one that
// the user is not in. ends is when an application credential is known to end.
func signInFailure(ctx context.Context, cred credentials, rt http.RoundTripper, ends time.Time, err error) error {
	var step *oidc.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("signing in at %s: %w", cred.host(), context.Canceled)
	case errors.As(err, &step):
		return cred.withStale(oidcFailure(ctx, cred, rt, step))
	}
	return cred.withStale(keystoneFailure(ctx, cred, rt, ends, err))
}

func keystoneFailure(ctx context.Context, cred credentials, rt http.RoundTripper, ends time.Time, err error) error {
	e := apierror.From(err)
	if refused := appCredFailure(cred, ends, e); refused != nil {
		return refused
	}
	if e.Kind == apierror.Unauthorized && cred.auth.Scope != nil {
		if wrong := wrongProject(ctx, cred, rt, e); wrong != nil {
			return wrong
		}
	}
	if refused := userFailure(cred, e); refused != nil {
		return refused
	}
	if refused := proxyFailure(cred, e, err); refused != nil {
		return refused
	}
	var sent *url.Error
	switch {
	case e.Kind == apierror.Unreachable || errors.As(err, &sent):
		return failure.Auth.Errorf("cannot reach Keystone at %s (%s)", cred.host(), cred.from).
			Advise("check auth_url, the network and, for a certificate of your own, cacert").
			Because(patient.Reason(err))
	case e.Status != 0 && e.Temporary():
		return failure.Cloud.Errorf("Keystone at %s is out of order", cred.host()).
			Advise("try again in some minutes").
			Because(e)
	case e.Status != 0:
		return failure.Auth.Errorf("what answers at %s is no Keystone, or not under that path",
			cred.auth.IdentityEndpoint).
			Advise("auth_url looks like https://chi.edge.chameleoncloud.org:5000/v3").
			Because(e)
	}
	if unreadable(err) {
		return failure.Cloud.Errorf("what Keystone at %s answered cannot be read", cred.host()).
			Advise("try again in some minutes; a network that wants a sign-in of its own, or a proxy, answers so, too").
			Because(err)
	}
	return failure.Auth.Errorf("%s is incomplete", cred.from).Advise("%s", remedyCompare).Because(err)
}

// proxyFailure is about a proxy on the way that refuses; nil if none does.
func proxyFailure(cred credentials, e *apierror.Error, err error) error {
	proxy := patient.ProxyOf(cred.auth.IdentityEndpoint)
	var refused *patient.ProxyRefused
	if proxy == "" || e.Status != http.StatusProxyAuthRequired && !errors.As(err, &refused) &&
		!strings.Contains(err.Error(), "proxyconnect") {
		return nil
	}
	why := patient.Reason(err)
	if e.Status != 0 {
		why = fmt.Errorf("it answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return failure.Auth.Errorf("the proxy %s does not lead to Keystone at %s (%s)", proxy, cred.host(), cred.from).
		Advise("check HTTPS_PROXY and HTTP_PROXY, with the name and password that the proxy may want " +
			"(http://NAME:PASSWORD@HOST:PORT), or add the host to NO_PROXY").
		Because(why)
}

// unreadable reports an answer that is no whole JSON of the expected kind: the
// credentials are not to blame.
func unreadable(err error) bool {
	return errors.As(err, new(*json.SyntaxError)) || errors.As(err, new(*json.UnmarshalTypeError)) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// appCredFailure is about an application credential; nil if it is not.
func appCredFailure(cred credentials, ends time.Time, e *apierror.Error) error {
	host, who := cred.host(), cred.user()
	switch {
	case e.Kind == apierror.CredentialUnknown:
		return failure.Auth.Errorf("%s does not know the %s (%s)", host, who, cred.from).
			Advise("it was deleted, or it belongs to another site: each has its own. %s", RemedyAppCred).
			Because(e)
	case e.Kind == apierror.Unauthorized && cred.appCred() && !ends.IsZero() && time.Now().After(ends):
		return failure.Auth.Errorf("the %s expired at %s (%s)", who, clock.UTC(ends), cred.from).
			Advise("make another that lasts longer than the run. %s", RemedyAppCred).
			Because(e)
	case e.Kind == apierror.Unauthorized && cred.appCred():
		return failure.Auth.Errorf("%s did not accept the %s (%s)", host, who, cred.from).
			Advise("its secret is wrong, or it has expired (those that cc-login makes live 24 hours). %s",
				RemedyAppCred).
			Because(e)
	}
	return nil
}

// userFailure is about a token or a password that was refused; nil if none was.
func userFailure(cred credentials, e *apierror.Error) error {
	host := cred.host()
	switch {
	case e.Kind == apierror.Forbidden && cred.how == byToken:
		return failure.Auth.Errorf("%s does not exchange this token for one of project %s (%s)", host,
			cred.project(), cred.from).
			Advise("it came from an application credential, which has a project of its own: leave the project out " +
				"(unset OS_PROJECT_NAME OS_PROJECT_ID), or use the application credential itself").
			Because(e)
	case cred.how == byToken && (e.Kind == apierror.Unauthorized || e.Kind == apierror.NotFound):
		return failure.Auth.Errorf("%s does not accept the token (%s)", host, cred.from).
			Advise("it has ended, was revoked, or is of another site. Get a fresh one (`openstack token issue`), "+
				"or better an application credential: a token cannot be renewed in the middle of a run. %s",
				RemedyAppCred).
			Because(e)
	case e.Kind == apierror.Unauthorized:
		return failure.Auth.Errorf("%s did not accept the %s (%s)", host, cred.user(), cred.from).
			Advise("check user name, password and user domain; Keystone does not tell which is wrong. Users who "+
				"sign in through the Chameleon portal have no password here: use auth_type v3oidcpassword or an "+
				"application credential. %s", RemedyAppCred).
			Because(e)
	}
	return nil
}

// wrongProject tries without the project: if that works, it was the project
// that Keystone refused, and the user's own can be listed; nil if it fails, too.
func wrongProject(ctx context.Context, cred credentials, rt http.RoundTripper, cause error) error {
	unscoped := cred.withoutProject()
	provider, err := unscoped.newProvider(rt)
	if err != nil || unscoped.signIn(ctx, provider) != nil {
		return nil
	}
	return projectFailure(cred, projectNames(ctx, provider), cause)
}

func projectFailure(cred credentials, names []string, cause error) error {
	return failure.Auth.Errorf("%s accepts the %s, but not for project %s: there is no such project, or you have "+
		"no role in it (%s)", cred.host(), cred.user(), cred.project(), cred.from).
		Advise("change project_name or project_id (OS_PROJECT_NAME, OS_PROJECT_ID); %s", yours(names)).
		Because(cause)
}

// oidcFailure is about the single sign-on: which of its four steps failed says
// most.
func oidcFailure(ctx context.Context, cred credentials, rt http.RoundTripper, e *oidc.Error) error {
	switch e.Step {
	case oidc.StepDiscovery:
		return discoveryFailure(cred, e)
	case oidc.StepGrant:
		return grantFailure(cred, e)
	case oidc.StepFederation:
		return federationFailure(ctx, cred, rt, e)
	}
	if e.Status == http.StatusUnauthorized {
		if wrong := wrongProject(ctx, cred, rt, apierror.From(e.Err)); wrong != nil {
			return wrong
		}
	}
	return keystoneFailure(ctx, cred, rt, time.Time{}, e.Err)
}

// briefly is an identity provider's answer without the step and the address,
// which the sentence has already.
func briefly(e *oidc.Error) error {
	if e.Status == 0 {
		return e.Err
	}
	said := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Location != "" {
		said += " to " + e.Location
	}
	if why := strings.TrimSpace(e.Code + " " + e.Description); why != "" {
		said += ", " + why
	}
	return &answer{said, e}
}

// answer is an error in shorter words.
type answer struct {
	said string
	err  error
}

func (a *answer) Error() string { return a.said }
func (a *answer) Unwrap() error { return a.err }

func outOfOrder(status int) bool {
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}

const discoveryExample = "https://auth.chameleoncloud.org/auth/realms/chameleon/.well-known/openid-configuration"

func discoveryFailure(cred credentials, e *oidc.Error) error {
	where := fmt.Sprintf("at %s (%s)", e.URL, cred.from)
	switch {
	case errors.Is(e, oidc.ErrGrantNotOffered):
		return failure.Auth.Errorf("the identity provider %s does not let programs sign in with a password", where).
			Advise("use an application credential. %s", RemedyAppCred).
			Because(briefly(e))
	case errors.Is(e, oidc.ErrInsecure):
		return failure.Auth.Errorf("discovery_endpoint (OS_DISCOVERY_ENDPOINT) of %s is not an https address; "+
			"chexp sends no password there", cred.from).
			Advise("on Chameleon it is %s", discoveryExample).
			Because(briefly(e))
	case outOfOrder(e.Status):
		return failure.Cloud.Errorf("the identity provider %s is out of order", where).
			Advise("try again in some minutes").
			Because(briefly(e))
	case e.Status != 0 || errors.Is(e, oidc.ErrNotJSON) || errors.Is(e, oidc.ErrTooLong) ||
		errors.Is(e, oidc.ErrNoTokenEndpoint):
		return failure.Auth.Errorf("there is no discovery document of an identity provider %s", where).
			Advise("check discovery_endpoint (OS_DISCOVERY_ENDPOINT); on Chameleon it is %s", discoveryExample).
			Because(briefly(e))
	}
	return failure.Auth.Errorf("cannot reach the identity provider %s", where).
		Advise("check discovery_endpoint (OS_DISCOVERY_ENDPOINT) and the network; on Chameleon it is %s",
			discoveryExample).
		Because(briefly(e))
}

func grantFailure(cred credentials, e *oidc.Error) error {
	where := fmt.Sprintf("at %s (%s)", cmp.Or(HostOf(e.URL), "its address"), cred.from)
	client := "client_id " + cred.given["client_id"]
	switch {
	case errors.Is(e, errHub):
		return failure.Auth.Errorf("JupyterHub did not renew the access token").
			Advise("restart the notebook's server from the hub's control panel (File > Hub Control Panel), or use "+
				"an application credential. %s", RemedyAppCred).
			Because(briefly(e))
	case e.Code == "invalid_grant":
		return failure.Auth.Errorf("the identity provider did not accept the user %s %s", cred.given["username"],
			where).
			Advise("it wants the CLI password, which is not the one of your institution: set one in the account "+
				"console of the single sign-on, https://auth.chameleoncloud.org/auth/realms/chameleon/account. "+
				"Or use an application credential. %s", RemedyAppCred).
			Because(briefly(e))
	case e.Code == "invalid_client" || e.Code == "unauthorized_client" && e.Status == http.StatusUnauthorized:
		return failure.Auth.Errorf("the identity provider does not know the %s %s", client, where).
			Advise("it is a site's own (for CHI@Edge keystone-edge-prod): take the openrc or clouds.yaml of this " +
				"site's dashboard").
			Because(briefly(e))
	case e.Code == "unauthorized_client" || e.Code == "unsupported_grant_type":
		return failure.Auth.Errorf("the identity provider does not let %s sign in with a password %s", client, where).
			Advise("take the client_id of this site's dashboard (for CHI@Edge keystone-edge-prod), or use an "+
				"application credential. %s", RemedyAppCred).
			Because(briefly(e))
	case errors.Is(e, oidc.ErrInsecure):
		return failure.Auth.Errorf("the identity provider wants the password at %s, which is no https address (%s)",
			e.URL, cred.from).
			Advise("check discovery_endpoint (OS_DISCOVERY_ENDPOINT); on Chameleon it is %s", discoveryExample).
			Because(briefly(e))
	case outOfOrder(e.Status):
		return failure.Cloud.Errorf("the identity provider %s is out of order", where).
			Advise("try again in some minutes").
			Because(briefly(e))
	case e.Status == http.StatusUnauthorized:
		return failure.Auth.Errorf("the identity provider says 401 to the user %s and gives no reason %s",
			cred.given["username"], where).
			Advise("check username, password (the CLI password of your Chameleon account) and client_id").
			Because(briefly(e))
	case e.Status != 0 || errors.Is(e, oidc.ErrNotJSON) || errors.Is(e, oidc.ErrTooLong) ||
		errors.Is(e, oidc.ErrNoAccessToken):
		return failure.Auth.Errorf("the identity provider gave no access token %s", where).
			Advise("check client_id, access_token_type and discovery_endpoint against the file that this site's "+
				"dashboard makes, or use an application credential. %s", RemedyAppCred).
			Because(briefly(e))
	}
	return failure.Auth.Errorf("cannot reach the identity provider %s", where).
		Advise("check the network").
		Because(briefly(e))
}

func federationFailure(ctx context.Context, cred credentials, rt http.RoundTripper, e *oidc.Error) error {
	idp := fmt.Sprintf("identity provider %s with protocol %s", cred.oidc.IdentityProvider, cred.oidc.Protocol)
	switch {
	case errors.Is(e, oidc.ErrInsecure):
		return failure.Auth.Errorf("the auth_url of %s is not an https address; chexp sends no access token there",
			cred.from).
			Advise("it looks like https://chi.edge.chameleoncloud.org:5000/v3").
			Because(federationAnswer(e))
	// the protocol's 401
	case e.Status == http.StatusNotFound || strings.Contains(apierror.From(e.Err).Message, "unsupported method"):
		return failure.Auth.Errorf("Keystone at %s knows no %s (%s)", cred.host(), idp, cred.from).
			Advise("check identity_provider and protocol (on Chameleon chameleon and openid) and auth_url").
			Because(federationAnswer(e))
	case e.Status == http.StatusForbidden:
		return failure.Auth.Errorf("Keystone at %s knows the user but has nothing for them (%s)", cred.host(),
			cred.from).
			Advise("you need to be in a project with an active allocation: see chameleoncloud.org").
			Because(federationAnswer(e))
	case (e.Status == http.StatusUnauthorized || e.Status/100 == 3 || errors.Is(e, oidc.ErrNoAccessToken)) &&
		cred.how == byOIDCAccessToken:
		return failure.Auth.Errorf("Keystone at %s did not accept the access token (%s)", cred.host(), cred.from).
			Advise("it lives for minutes and cannot be renewed outside of Chameleon's Jupyter: get a fresh one, "+
				"or use an application credential. %s", RemedyAppCred).
			Because(federationAnswer(e))
	case e.Status == http.StatusUnauthorized || e.Status/100 == 3:
		return failure.Auth.Errorf("Keystone at %s did not accept the identity provider's access token (%s)",
			cred.host(), cred.from).
			Advise("client_id and discovery_endpoint are of another site or realm, or access_token_type is wrong: " +
				"take the openrc or clouds.yaml of this site's dashboard").
			Because(federationAnswer(e))
	}
	return keystoneFailure(ctx, cred, rt, time.Time{}, e.Err)
}

// federationAnswer is Keystone's, or its web server's.
func federationAnswer(e *oidc.Error) error {
	if e.Status == 0 || e.Location != "" {
		return briefly(e)
	}
	return apierror.From(e.Err)
}

// Refused words an error of a service that is about the credentials: the token
// has ended, and no other can be had. what is what was being done, "listing the
// leases". It returns nil for every other error.
func (s *Session) Refused(ctx context.Context, what string, err error) error {
	var reauth *gophercloud.ErrUnableToReauthenticate
	if errors.As(err, &reauth) {
		return s.notRenewed(ctx, what, reauth.ErrReauth)
	}
	e := apierror.From(err)
	if e == nil || e.Kind != apierror.Unauthorized && e.Kind != apierror.CredentialUnknown {
		return nil
	}
	next := "the credential was deleted or has expired since signing in. " + RemedyAppCred
	if s.cred.how == byToken {
		next = "the token has ended, and a token cannot be renewed. " + s.LongerLasting()
	}
	return failure.Auth.Errorf("%s", what).Advise("%s", next).Because(e)
}

// notRenewed words a sign-in that failed in the middle of something. It may ask
// Keystone why, for half a minute at most.
func (s *Session) notRenewed(ctx context.Context, what string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := signInFailure(ctx, s.cred, s.rt, s.ends, cause)
	var f *failure.Error
	if !errors.As(err, &f) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return f.Kind.Errorf("%s: the token has ended, and there is no other: %s", what, f.What).
		Advise("%s", f.Next).
		Because(f.Err)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
