package signin

import (
	"cmp"
	"context"
	"crypto/tls"
	"os"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/failure"
	"chexp/experiments/secret"
	"chexp/orchestrator/openstack/identity/oidc"
)

// credentials are how to sign in, and where that was read.
type credentials struct {
	how      string // one of the ways in method.go
	auth     gophercloud.AuthOptions
	oidc     *oidc.AuthOptions // instead of what gophercloud can do
	endpoint gophercloud.EndpointOpts
	tls      *tls.Config
	// unchecked: nobody looks at the servers' certificates
	unchecked bool
	given     settings
	cloud     string   // the entry's name; "" from the environment
	from      string   // for people
	stale     []string // environment variables that contradict the above, in sentences
}

func (c credentials) host() string { return HostOf(c.auth.IdentityEndpoint) }

func (c credentials) appCred() bool { return c.how == byAppCred }

// settings are what was found, by the names of a clouds.yaml's auth section.
type settings map[string]string

// secrets are the settings that no sentence shows.
var secrets = []string{"password", "application_credential_secret", "token", "access_token", "client_secret"}

// noSecret is what OS_CLIENT_SECRET is in the dashboard's openrc: nobody's secret.
const noSecret = "none"

// addresses are the settings that are URLs, which may hold a password.
var addresses = []string{"auth_url", "discovery_endpoint", "access_token_endpoint"}

// variables name the settings that have a variable of their own in openrc
// files; the first that is set counts. The others' are OS_ and the setting's
// name.
var variables = map[string][]string{
	"user_id":      {"OS_USER_ID", "OS_USERID"},
	"project_name": {"OS_PROJECT_NAME", "OS_TENANT_NAME"},
	"project_id":   {"OS_PROJECT_ID", "OS_TENANT_ID"},
}

// known are all settings that are read.
var known = []string{
	"auth_url", "username", "user_id", "password", "user_domain_name", "user_domain_id",
	"project_name", "project_id", "project_domain_name", "project_domain_id", "domain_name", "domain_id",
	"application_credential_id", "application_credential_name", "application_credential_secret", "token",
	"identity_provider", "protocol", "discovery_endpoint", "access_token_endpoint", "client_id", "client_secret",
	"openid_scope", "access_token_type", "access_token",
}

// variable returns the environment variable of a setting, and its value; the
// name is that of the usual one when none is set.
func variable(setting string) (name, value string) {
	names := variables[setting]
	if names == nil {
		names = []string{"OS_" + strings.ToUpper(setting)}
	}
	for _, n := range names {
		if v := os.Getenv(n); v != "" {
			return n, v
		}
	}
	return names[0], ""
}

const threeWays = "give them in one of three ways: (1) a clouds.yaml in this directory or in " +
	"~/.config/openstack, with --os-cloud NAME or OS_CLOUD=NAME; " +
	"(2) OS_CLIENT_CONFIG_FILE=PATH for a clouds.yaml elsewhere; (3) OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_ID " +
	"and OS_APPLICATION_CREDENTIAL_SECRET " +
	`in the environment, by sourcing the openrc file that the site's dashboard makes. ` + RemedyAppCred

// RemedyAppCred is where application credentials come from.
const RemedyAppCred = "The dashboard's Identity > Application Credentials makes one; tick \"Unrestricted\"."

// RemedyUnrestricted is what to do about a restricted application credential.
const RemedyUnrestricted = "Make another in the dashboard, Identity > Application Credentials, with " +
	`"Unrestricted" ticked.`

const remedyCompare = "compare it with the clouds.yaml that the site's dashboard makes"

// theVariables is openstacksdk's name for the cloud that the OS_* variables
// describe.
func theVariables() string { return cmp.Or(os.Getenv("OS_CLOUD_NAME"), "envvars") }

// findCredentials prefers a cloud that was named, then the environment, then a
// clouds.yaml with one entry.
func findCredentials(ctx context.Context, o Options) (credentials, error) {
	name := cmp.Or(o.Cloud, os.Getenv("OS_CLOUD"))
	if o.CloudsFile == "" && name == "" && os.Getenv("OS_AUTH_URL") != "" {
		return fromEnvironment(o)
	}
	files, err := readClouds(o)
	if err != nil {
		return credentials{}, err
	}
	switch _, isFile := files.all[theVariables()]; {
	case name == theVariables() && o.CloudsFile == "" && isFile:
		return credentials{}, failure.Auth.Errorf("%s has a cloud %q, and that is the name of the OS_* variables",
			files.file, name).
			Advise("give the entry another name, or the variables: OS_CLOUD_NAME")
	case name == theVariables() && o.CloudsFile == "":
		return fromEnvironment(o)
	case files.file != "":
		return fromFile(ctx, o, files, name)
	}
	looked := strings.Join(append(files.looked, files.notes...), ", ")
	switch {
	case name != "":
		return credentials{}, failure.Auth.Errorf("no clouds.yaml for cloud %q: looked for %s", name, looked).
			Advise("%s", threeWays)
	case o.CloudsFile != "":
		return credentials{}, failure.Auth.Errorf("there is no file %s", o.CloudsFile).
			Advise("%s", threeWays)
	}
	return credentials{}, failure.Auth.Errorf("no credentials found: no OS_CLOUD, no OS_AUTH_URL, and none of %s",
		looked).
		Advise("%s", threeWays)
}

// fromEnvironment reads the OS_* variables of an openrc file.
func fromEnvironment(o Options) (credentials, error) {
	e := entry{auth: settings{}, authType: os.Getenv("OS_AUTH_TYPE"),
		insecure: strings.EqualFold(os.Getenv("OS_INSECURE"), "true")}
	if bundle := os.Getenv("OS_VERIFY"); bundle != "" {
		e.verify = bundle
	}
	for _, setting := range known {
		if _, value := variable(setting); value != "" {
			e.auth[setting] = value
		}
	}
	c := credentials{from: "the OS_* environment variables"}
	err := c.build(o, e)
	c.stale = append(c.stale, c.surplus()...)
	return c, c.withStale(err)
}

// build makes of an entry what signing in needs, and refuses what would end in
// a 401 that says nothing.
func (c *credentials) build(o Options, e entry) error {
	c.given = e.auth
	for _, name := range secrets {
		if e.auth[name] != noSecret {
			secret.Hide(e.auth[name])
		}
	}
	for _, name := range addresses {
		secret.HideURL(e.auth[name])
	}
	how, err := chooseMethod(e, c.from)
	if err != nil {
		return err
	}
	c.how = how
	if err := c.fill(e); err != nil {
		return err
	}
	c.auth.IdentityEndpoint = e.auth["auth_url"]
	c.endpoint.Region = cmp.Or(o.Region, os.Getenv("OS_REGION_NAME"), e.region)
	c.endpoint.Availability = availability(cmp.Or(os.Getenv("OS_INTERFACE"), os.Getenv("OS_ENDPOINT_TYPE"), e.iface))
	return c.secure(e)
}

// availability reads the interface's name, in its two spellings.
func availability(name string) gophercloud.Availability {
	switch strings.TrimSuffix(name, "URL") {
	case "internal":
		return gophercloud.AvailabilityInternal
	case "admin":
		return gophercloud.AvailabilityAdmin
	}
	return gophercloud.AvailabilityPublic
}
