package signin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/openstack/apierror"
)

// Options say where to sign in. The zero value reads the environment like the
// OpenStack command line does.
type Options struct {
	CloudsFile string // a clouds.yaml; "" looks at OS_CLIENT_CONFIG_FILE, then in the usual places
	Cloud      string // the entry in it; "" is OS_CLOUD, or the only entry there is
	Region     string // "" is what the entry or OS_REGION_NAME says, or the only region there is

	// Needs are the services that the region must offer.
	Needs []Service

	// HTTP is for tests; nil is the system's transport, with the TLS settings
	// of the entry.
	HTTP http.RoundTripper

	// Retry says how patiently reads are repeated once signed in; nil is
	// [patient.Usual]. Notice is told, in a sentence, before each repetition;
	// nil: nobody is.
	Retry  func() patient.Pace
	Notice func(string)
}

// Service is one that must be in the catalog.
type Service struct {
	Name  string   // for people: "container"
	Types []string // the catalog types that it goes by; any of them will do
}

// Session is a signed-in user at one region. Its methods may be called from
// several goroutines.
type Session struct {
	// Provider makes requests with the user's token, and gets another token
	// when that has ended: a run may last for hours.
	Provider *gophercloud.ProviderClient
	// Endpoints choose the region and the interface of the catalog.
	Endpoints gophercloud.EndpointOpts
	// Token is what Keystone told when the session began.
	Token Token
	// Clock is the services' time.
	Clock *clock.Service

	cred credentials
	ends time.Time // from when on signing in fails, see Ends
	rt   http.RoundTripper
}

// timeout bounds Connect.
const timeout = 60 * time.Second

// Connect signs in and picks the region. Its errors are failures of kind
// [failure.Auth] with the remedy, as far as it is known; an identity service
// that is out of order is [failure.Cloud].
func Connect(ctx context.Context, o Options) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cred, err := findCredentials(ctx, o)
	if err != nil {
		return nil, err
	}

	provider, err := cred.newProvider(o.HTTP)
	if err != nil {
		return nil, err
	}
	s := &Session{Provider: provider, Clock: new(clock.Service), cred: cred, rt: o.HTTP}
	pace := o.Retry
	if pace == nil {
		pace = func() patient.Pace { return patient.Usual }
	}
	provider.HTTPClient.Transport = &patient.Retry{
		Next: patient.Listen{Next: provider.HTTPClient.Transport, Clock: s.Clock}, Pace: pace, Notice: o.Notice,
	}
	if err := cred.signIn(ctx, provider); err != nil {
		return nil, signInFailure(ctx, cred, o.HTTP, time.Time{}, err)
	}
	if s.Token, err = readToken(provider); err != nil {
		return nil, failure.Auth.Errorf("Keystone at %s gave a token that cannot be read", cred.host()).Because(err)
	}
	if err := s.requireProject(ctx); err != nil {
		return nil, err
	}
	if end, err := s.readEnd(ctx); err == nil { // without an answer there is no warning
		s.ends = end
	}
	region, err := s.Token.region(cred, o.Needs)
	if err != nil {
		return nil, err
	}
	s.Endpoints = gophercloud.EndpointOpts{Region: region, Availability: cred.endpoint.Availability}
	return s, nil
}

// readEnd learns when signing in will no longer work; zero if it will not end.
// Keystone's token does not tell when its application credential ends, but
// Keystone shows users their own.
func (s *Session) readEnd(ctx context.Context) (time.Time, error) {
	switch {
	case s.Token.AppCred != nil:
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return s.AppCredEnd(ctx)
	case s.cred.how == byToken, s.cred.static():
		return s.Token.ExpiresAt, nil
	}
	return time.Time{}, nil
}

// AppCredEnd asks Keystone when the session's application credential ends; zero
// is never.
func (s *Session) AppCredEnd(ctx context.Context) (time.Time, error) {
	identity, err := openstack.NewIdentityV3(s.Provider, gophercloud.EndpointOpts{})
	if err != nil {
		return time.Time{}, err
	}
	ac, err := applicationcredentials.Get(ctx, identity, s.Token.User.ID, s.Token.AppCred.ID).Extract()
	if err == nil && ac == nil {
		err = gophercloud.ErrMissingResourceKey{Expected: "application_credential"}
	}
	if err != nil {
		return time.Time{}, err
	}
	return ac.ExpiresAt, nil
}

// Ends tells from when on the services will refuse this user, and what it is
// that ends; the zero time if nothing is known to.
func (s *Session) Ends() (at time.Time, what string) {
	switch {
	case s.ends.IsZero():
		return time.Time{}, ""
	case s.Token.AppCred != nil:
		return s.ends, "the application credential " + apierror.Line(s.Token.AppCred.Name)
	case s.cred.static():
		return s.ends, "the token that the access token was exchanged for"
	}
	return s.ends, "the token"
}

// Describe returns names and addresses, no secrets.
func (s *Session) Describe() map[string]string {
	d := map[string]string{
		"region":           s.Endpoints.Region,
		"auth_host":        s.cred.host(),
		"auth_method":      s.Method(),
		"credentials_from": s.cred.from,
		"user":             s.Token.User.Name,
		"user_id":          s.Token.User.ID,
		"project":          s.Token.Project.Name,
		"project_id":       s.Token.Project.ID,
	}
	if s.cred.cloud != "" {
		d["cloud"] = s.cred.cloud
	}
	return d
}

// Offers reports whether the session's region has a service of this type.
func (s *Session) Offers(typ string) bool { return slices.Contains(s.Services(), typ) }

// Services lists the types of the services in the session's region.
func (s *Session) Services() []string {
	var types []string
	for _, entry := range s.Token.Catalog {
		if s.Token.offers(s.Endpoints.Region, entry.Type) {
			types = append(types, entry.Type)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// expiresSoon is how long a usual run takes: a lease of two hours, and what is
// around it.
const expiresSoon = 3 * time.Hour

// Warnings are things that are going to hurt in the next hours, in sentences.
func (s *Session) Warnings() []string {
	w := s.WarningsUntil(s.Clock.Now().Add(expiresSoon))
	if off := s.Clock.Warning(); off != "" {
		w = append(w, off)
	}
	return w
}

// WarningsUntil are the warnings for work that goes on until end, such as a
// lease's.
func (s *Session) WarningsUntil(end time.Time) []string { return s.warnings(s.Clock.Now(), end) }

func (s *Session) warnings(now, end time.Time) []string {
	var w []string
	if s.Token.Restricted() {
		w = append(w, fmt.Sprintf("the application credential %s is restricted: this site may refuse to make "+
			"leases with it. %s",
			apierror.Line(s.Token.AppCred.Name), RemedyUnrestricted))
	}
	if at, what := s.Ends(); !at.IsZero() && at.Before(end) {
		w = append(w, fmt.Sprintf("%s ends at %s, in %s, and cannot be renewed by chexp: "+
			"a run that is not over by then can neither finish nor give the device back. %s",
			what, clock.UTC(at), clock.Span(at.Sub(now)), s.LongerLasting()))
	}
	if s.Token.AppCred != nil && s.Token.Project != nil {
		if name, value := s.cred.otherProject(*s.Token.Project); name != "" {
			w = append(w, fmt.Sprintf("%s is %s, but the application credential is for project %s, which is used: "+
				"it cannot be had for another", name, value, s.Token.Project.Name))
		}
	}
	if u, err := url.Parse(s.cred.auth.IdentityEndpoint); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		w = append(w, fmt.Sprintf("auth_url is http: the secrets in %s travel to %s readable by everybody on the way",
			s.cred.from, u.Host))
	}
	if s.cred.unchecked {
		w = append(w, fmt.Sprintf("the certificates of the servers are not checked (verify or insecure of %s): whoever is "+
			"on the way can read the secrets and change the answers. Name the site's certificate in cacert instead",
			s.cred.from))
	}
	return append(w, s.cred.stale...)
}

// LongerLasting is what to do about a sign-in that ends soon.
func (s *Session) LongerLasting() string {
	if s.Token.AppCred != nil {
		return "Make another that lasts longer: " + RemedyAppCred
	}
	return "Use an application credential. " + RemedyAppCred
}
