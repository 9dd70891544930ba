package signin

import (
	"os"
	"strings"
	"unicode"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/openstack/identity/oidc"
)

// The ways of signing in that are spoken here, by keystoneauth's names.
const (
	byPassword        = "v3password"
	byAppCred         = "v3applicationcredential"
	byToken           = "v3token"
	byOIDCPassword    = "v3oidcpassword"
	byOIDCAccessToken = "v3oidcaccesstoken"
)

// chooseMethod honours auth_type; gophercloud ignores it, and would try the
// user's single sign-on name and password with Keystone. Without one it goes
// by what there is.
func chooseMethod(e entry, from string) (string, error) {
	switch t := e.authType; t {
	case byAppCred, byOIDCPassword, byOIDCAccessToken:
		return t, nil
	case "password", byPassword:
		return byPassword, nil
	case "token", byToken:
		return byToken, nil
	case "":
		switch {
		case e.auth["application_credential_id"] != "" || e.auth["application_credential_name"] != "" ||
			e.auth["application_credential_secret"] != "":
			return byAppCred, nil
		case e.auth["token"] != "" && e.auth["password"] == "":
			return byToken, nil
		}
		return byPassword, nil
	default:
		return "", failure.Auth.Errorf("%s asks for auth_type %q, which chexp does not speak", from, t).
			Advise("%s", unspoken(t))
	}
}

// spoken are the auth_types that [chooseMethod] takes.
var spoken = []string{byAppCred, byOIDCPassword, byOIDCAccessToken, byPassword, byToken, "password", "token"}

// meant is the spoken auth_type of which this one is another spelling, such as
// "v3-application-credential"; "" if it is none.
func meant(authType string) string {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, authType)
	for _, t := range spoken {
		if letters == t || "v3"+letters == t {
			return t
		}
	}
	return words.Nearest(letters, spoken)
}

// unspoken is what to do instead of another way of signing in.
func unspoken(authType string) string {
	const instead = "make an application credential and use that. " + RemedyAppCred
	near := meant(authType)
	switch {
	case near != "" && strings.HasSuffix(authType, "\r"):
		return "it is " + near + " with a carriage return at its end: the file was written with Windows' line ends. " +
			"`sed -i 's/\\r$//' FILE` takes them out of it, whatever its name"
	case near != "" && near == strings.TrimSpace(authType):
		return "take the blanks around it out: auth_type: " + near
	case authType == "v3chameleonoidc":
		return "that is cc-login's own: run cc-login, which makes an application credential as well, and use the " +
			"clouds.yaml or openrc file that it writes for that"
	case strings.HasPrefix(authType, "v2"):
		return "version 2 of the identity API is gone from Chameleon: take a new clouds.yaml from the dashboard, or " +
			instead
	case authType == "v3oidcauthcode" || authType == "v3oidcdeviceauthz" || authType == "v3websso":
		return "it needs a browser in the middle of a run: " + instead
	case authType == "v3oidcclientcredentials":
		return "it is for services, not for people: " + instead
	case authType == "v3totp" || authType == "v3multifactor":
		return "a one-time code cannot be given again when the token ends: " + instead
	case near != "":
		return "it is spelt auth_type: " + near
	case strings.HasPrefix(authType, "v3"):
		return "it is another federation's: " + instead
	case authType == "none" || authType == "noauth" || authType == "admin_token" || authType == "http_basic":
		return "it goes without Keystone, which a lease needs: " + instead
	}
	return "perhaps it is misspelt: v3applicationcredential, v3oidcpassword, v3oidcaccesstoken, password and " +
		"token are spoken. Or " + instead
}

// fill takes the method's own settings, and only those: what is left over from
// another way of signing in must not decide. With a password, gophercloud
// would ignore an application credential.
func (c *credentials) fill(e entry) error {
	g := e.auth
	if e.profile != "" && g["auth_url"] == "" {
		return failure.Auth.Errorf("%s takes its auth_url from the profile %q, which no clouds-public.yaml has", c.from,
			e.profile).
			Advise("write auth_url into the entry itself; chexp does not know the profiles that openstacksdk carries")
	}
	if err := c.require("auth_url"); err != nil {
		return err
	}
	if at := strings.TrimRight(g["auth_url"], "/"); strings.HasSuffix(at, "/v2.0") || strings.HasSuffix(at, "/v2") {
		return failure.Auth.Errorf("the auth_url of %s is one of version 2 of the identity API, which is gone", c.from).
			Advise("write %s/v3", at[:strings.LastIndex(at, "/")])
	}
	switch c.how {
	case byAppCred:
		return c.fillAppCred(g)
	case byOIDCPassword, byOIDCAccessToken:
		return c.fillOIDC(g)
	case byToken:
		if err := c.require("token"); err != nil {
			return err
		}
		c.auth.TokenID = g["token"]
	default:
		if err := c.fillPassword(g); err != nil {
			return err
		}
	}
	scope, err := c.scope(g)
	c.auth.Scope = scope
	return err
}

func (c *credentials) fillPassword(g settings) error {
	if g["username"] == "" && g["user_id"] == "" {
		return c.lacks("application_credential_id (OS_APPLICATION_CREDENTIAL_ID), or username (OS_USERNAME)")
	}
	if err := c.require("password"); err != nil {
		return err
	}
	c.auth.Password, c.auth.AllowReauth = g["password"], true
	if c.auth.UserID = g["user_id"]; c.auth.UserID != "" {
		return nil
	}
	c.auth.Username = g["username"]
	c.auth.DomainID, c.auth.DomainName = domain(g, "user_domain")
	if c.auth.DomainID == "" && c.auth.DomainName == "" {
		return c.lacks("user_domain_name (OS_USER_DOMAIN_NAME)")
	}
	return nil
}

func (c *credentials) fillAppCred(g settings) error {
	if g["application_credential_id"] == "" && g["application_credential_name"] == "" {
		return c.require("application_credential_id")
	}
	if err := c.require("application_credential_secret"); err != nil {
		return err
	}
	c.auth.ApplicationCredentialSecret, c.auth.AllowReauth = g["application_credential_secret"], true
	if c.auth.ApplicationCredentialID = g["application_credential_id"]; c.auth.ApplicationCredentialID != "" {
		return nil
	}
	// A credential's name is unique for its user only.
	c.auth.ApplicationCredentialName = g["application_credential_name"]
	if c.auth.UserID = g["user_id"]; c.auth.UserID != "" {
		return nil
	}
	c.auth.Username = g["username"]
	c.auth.DomainID, c.auth.DomainName = domain(g, "user_domain")
	if c.auth.Username == "" || c.auth.DomainID == "" && c.auth.DomainName == "" {
		return c.lacks("application_credential_id (OS_APPLICATION_CREDENTIAL_ID), or username and " +
			"user_domain_name beside application_credential_name")
	}
	return nil
}

func (c *credentials) fillOIDC(g settings) error {
	if err := c.require("identity_provider", "protocol"); err != nil {
		return err
	}
	opts := &oidc.AuthOptions{IdentityProvider: g["identity_provider"], Protocol: g["protocol"], AllowReauth: true}
	var err error
	if opts.Scope, err = c.scope(g); err != nil {
		return err
	}
	if c.how == byOIDCPassword {
		if g["access_token_endpoint"] == "" {
			err = c.require("discovery_endpoint")
		}
		if err == nil {
			err = c.require("client_id", "username", "password")
		}
		opts.Source = oidc.Password{DiscoveryEndpoint: g["discovery_endpoint"],
			TokenEndpoint: g["access_token_endpoint"],
			ClientID:      g["client_id"], ClientSecret: g["client_secret"], Username: g["username"],
			Password: g["password"],
			Scope:    g["openid_scope"], AccessTokenType: g["access_token_type"]}
	} else if hub, ok := newJupyterHub(os.Getenv, g["access_token"]); ok {
		opts.Source = oidc.Cached(hub)
	} else {
		err = c.require("access_token")
		opts.Source = oidc.Static(g["access_token"])
	}
	c.oidc = opts
	return err
}

// scope is the project; nil when none is named, and then the sign-in goes on
// far enough to list those that there are.
func (c *credentials) scope(g settings) (*gophercloud.AuthScope, error) {
	if id := g["project_id"]; id != "" {
		return &gophercloud.AuthScope{ProjectID: id}, nil
	}
	name := g["project_name"]
	if name == "" {
		return nil, nil
	}
	id, domainName := domain(g, "project_domain")
	if id == "" && domainName == "" {
		return nil, c.lacks("project_domain_name (OS_PROJECT_DOMAIN_NAME), which on Chameleon is chameleon")
	}
	return &gophercloud.AuthScope{ProjectName: name, DomainID: id, DomainName: domainName}, nil
}

// domain reads a domain, of which Keystone wants the id or the name. The
// unspecific one is for both users and projects.
func domain(g settings, of string) (id, name string) {
	for _, prefix := range []string{of, "domain"} {
		if id = g[prefix+"_id"]; id != "" {
			return id, ""
		}
		if name = g[prefix+"_name"]; name != "" {
			return "", name
		}
	}
	return "", ""
}

func (c *credentials) require(wanted ...string) error {
	for _, setting := range wanted {
		if c.given[setting] == "" {
			name, _ := variable(setting)
			return c.lacks(setting + " (" + name + ")")
		}
	}
	return nil
}

func (c *credentials) lacks(what string) error {
	setting, _, _ := strings.Cut(what, " ")
	next := remedyCompare + ", or use an application credential. " + RemedyAppCred
	switch {
	case setting == "auth_url":
		next = "it looks like https://chi.edge.chameleoncloud.org:5000/v3: each site has its own; " + remedyCompare
	case setting == "password":
		next = "the dashboard's files leave it out: put it into secure.yaml beside clouds.yaml, or into " +
			"OS_PASSWORD. Or use an application credential. " + RemedyAppCred
	case setting == "application_credential_secret":
		next = "it is shown once, when the credential is made; if it is lost, make another. " + RemedyAppCred
	case c.how == byPassword && c.given["username"] == "" && c.given["user_id"] == "":
		next = threeWays
	}
	return failure.Auth.Errorf("%s lacks %s", c.from, what).Advise("%s", next)
}
