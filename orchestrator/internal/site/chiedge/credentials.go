package chiedge

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"gopkg.in/yaml.v2"

	"chexp/orchestrator/internal/failure"
)

// credentials are how to sign in, and where that was read.
type credentials struct {
	auth     gophercloud.AuthOptions
	endpoint gophercloud.EndpointOpts
	tls      *tls.Config
	cloud    string // the entry's name; "" from the environment
	from     string // for people
}

func (c credentials) host() string { return hostOf(c.auth.IdentityEndpoint) }

func (c credentials) appCred() bool {
	return c.auth.ApplicationCredentialID != "" || c.auth.ApplicationCredentialName != ""
}

const threeWays = `give them in one of three ways: (1) a clouds.yaml in this directory or in ~/.config/openstack, with --cloud NAME or OS_CLOUD=NAME; ` +
	`(2) OS_CLIENT_CONFIG_FILE=PATH for a clouds.yaml elsewhere; (3) OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET ` +
	`in the environment, by sourcing the openrc file that the site's dashboard makes. ` + remedyAppCred

const remedyAppCred = "The dashboard's Identity > Application Credentials makes one; tick \"Unrestricted\"."

const remedyUnrestricted = "Make another in the dashboard, Identity > Application Credentials, with \"Unrestricted\" ticked."

// findCredentials prefers a cloud that was named, then the environment, then a
// clouds.yaml with one entry.
func findCredentials(o Options) (credentials, error) {
	name := first(o.Cloud, os.Getenv("OS_CLOUD"))
	file, looked := cloudsFile(o)
	switch {
	case file != "" && (name != "" || o.CloudsFile != ""):
		return fromFile(o, file, name)
	case name != "":
		return credentials{}, failure.New(failure.Auth, fmt.Sprintf("no clouds.yaml for cloud %q: looked for %s", name, strings.Join(looked, ", ")), threeWays, nil)
	case o.CloudsFile != "":
		return credentials{}, failure.New(failure.Auth, "there is no file "+o.CloudsFile, threeWays, nil)
	case os.Getenv("OS_AUTH_URL") != "":
		return fromEnvironment(o)
	case file != "":
		return fromFile(o, file, "")
	}
	return credentials{}, failure.New(failure.Auth, "no credentials found: no OS_CLOUD, no OS_AUTH_URL, and none of "+strings.Join(looked, ", "), threeWays, nil)
}

// cloudsFile returns the first clouds.yaml there is, and where it looked: the
// places of gophercloud's clouds.Parse and of the OpenStack command line.
func cloudsFile(o Options) (file string, looked []string) {
	switch {
	case o.CloudsFile != "":
		looked = []string{o.CloudsFile}
	case os.Getenv("OS_CLIENT_CONFIG_FILE") != "":
		looked = []string{os.Getenv("OS_CLIENT_CONFIG_FILE")}
	default:
		config := os.Getenv("XDG_CONFIG_HOME")
		if home, err := os.UserHomeDir(); config == "" && err == nil {
			config = filepath.Join(home, ".config")
		}
		looked = []string{"clouds.yaml", filepath.Join(config, "openstack", "clouds.yaml"), "/etc/openstack/clouds.yaml"}
	}
	for _, f := range looked {
		if info, err := os.Stat(f); err == nil && !info.IsDir() {
			return f, looked
		}
	}
	return "", looked
}

func fromFile(o Options, file, name string) (credentials, error) {
	entries, err := readClouds(file)
	if err != nil {
		return credentials{}, err
	}
	names := slices.Sorted(maps.Keys(entries))
	if name == "" {
		if len(names) != 1 {
			return credentials{}, failure.New(failure.Auth, fmt.Sprintf("%s has %d clouds and none was chosen", file, len(names)),
				"choose with --cloud or OS_CLOUD: "+strings.Join(names, ", "), nil)
		}
		name = names[0]
	}
	entry, ok := entries[name]
	if !ok {
		return credentials{}, failure.New(failure.Auth, fmt.Sprintf("%s has no cloud %q", file, name),
			"it has: "+strings.Join(names, ", "), nil)
	}
	secure := clouds.Cloud{}
	if f := filepath.Join(filepath.Dir(file), "secure.yaml"); exists(f) {
		all, err := readClouds(f)
		if err != nil {
			return credentials{}, err
		}
		secure = all[name]
	}
	from := fmt.Sprintf("cloud %q of %s", name, file)
	if entry.AuthInfo == nil && secure.AuthInfo == nil {
		return credentials{}, failure.New(failure.Auth, from+" has no auth: section", "compare it with the clouds.yaml that the site's dashboard makes", nil)
	}
	if err := knownAuthType(string(first(secure.AuthType, entry.AuthType)), from); err != nil {
		return credentials{}, err
	}
	return parse(o, name, from, clouds.WithLocations(file), clouds.WithCloudName(name))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var yamlLine = regexp.MustCompile(`line \d+`)

// readClouds reads clouds.yaml or secure.yaml. The parser's messages quote the
// file, which holds secrets: only the number of the line is passed on.
func readClouds(file string) (map[string]clouds.Cloud, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, failure.New(failure.Auth, "cannot read "+file, "", err)
	}
	var all clouds.Clouds
	if err := yaml.Unmarshal(b, &all); err != nil {
		at := yamlLine.FindString(err.Error())
		if at != "" {
			at = " at " + at
		}
		return nil, failure.New(failure.Auth, file+" is not a valid clouds.yaml"+at, "compare it with the one that the site's dashboard makes", nil)
	}
	if len(all.Clouds) == 0 {
		return nil, failure.New(failure.Auth, file+" has no clouds: section with an entry in it", "compare it with the one that the site's dashboard makes", nil)
	}
	return all.Clouds, nil
}

// fromEnvironment reads the OS_* variables of an openrc file. gophercloud's
// AuthOptionsFromEnv knows neither OS_USER_DOMAIN_NAME nor OS_AUTH_TYPE, so
// the variables become the cloud entry that they stand for.
func fromEnvironment(o Options) (credentials, error) {
	const from = "the OS_* environment variables"
	if err := knownAuthType(os.Getenv("OS_AUTH_TYPE"), from); err != nil {
		return credentials{}, err
	}
	env := os.Getenv
	entry := clouds.Cloud{
		RegionName: env("OS_REGION_NAME"),
		CACertFile: env("OS_CACERT"),
		AuthInfo: &clouds.AuthInfo{
			AuthURL:                     env("OS_AUTH_URL"),
			Username:                    env("OS_USERNAME"),
			UserID:                      first(env("OS_USER_ID"), env("OS_USERID")),
			Password:                    env("OS_PASSWORD"),
			UserDomainName:              env("OS_USER_DOMAIN_NAME"),
			UserDomainID:                env("OS_USER_DOMAIN_ID"),
			ProjectName:                 first(env("OS_PROJECT_NAME"), env("OS_TENANT_NAME")),
			ProjectID:                   first(env("OS_PROJECT_ID"), env("OS_TENANT_ID")),
			ProjectDomainName:           env("OS_PROJECT_DOMAIN_NAME"),
			ProjectDomainID:             env("OS_PROJECT_DOMAIN_ID"),
			DomainName:                  env("OS_DOMAIN_NAME"),
			DomainID:                    env("OS_DOMAIN_ID"),
			ApplicationCredentialID:     env("OS_APPLICATION_CREDENTIAL_ID"),
			ApplicationCredentialName:   env("OS_APPLICATION_CREDENTIAL_NAME"),
			ApplicationCredentialSecret: env("OS_APPLICATION_CREDENTIAL_SECRET"),
		},
	}
	const name = "environment"
	b, err := yaml.Marshal(clouds.Clouds{Clouds: map[string]clouds.Cloud{name: entry}})
	if err != nil {
		return credentials{}, failure.New(failure.Auth, from+" cannot be read", "", nil)
	}
	return parse(o, "", from, clouds.WithCloudsYAML(bytes.NewReader(b)), clouds.WithCloudName(name))
}

// parse has gophercloud merge and check, and refuses what would end in a 401
// that says nothing.
func parse(o Options, cloud, from string, opts ...clouds.ParseOption) (credentials, error) {
	if o.Region != "" {
		opts = append(opts, clouds.WithRegion(o.Region))
	}
	c := credentials{cloud: cloud, from: from}
	var err error
	if c.auth, c.endpoint, c.tls, err = clouds.Parse(opts...); err != nil {
		return c, failure.New(failure.Auth, from+" cannot be used", "compare it with the clouds.yaml that the site's dashboard makes", err)
	}
	a := &c.auth
	a.AllowReauth = true
	missing := ""
	switch {
	case a.IdentityEndpoint == "":
		missing = "auth_url (OS_AUTH_URL)"
	case c.appCred() && a.ApplicationCredentialSecret == "":
		missing = "application_credential_secret (OS_APPLICATION_CREDENTIAL_SECRET)"
	case !c.appCred() && a.ApplicationCredentialSecret != "":
		missing = "application_credential_id (OS_APPLICATION_CREDENTIAL_ID)"
	case c.appCred():
	case a.Username == "" && a.UserID == "":
		missing = "application_credential_id (OS_APPLICATION_CREDENTIAL_ID), or username (OS_USERNAME)"
	case a.Password == "":
		missing = "password (OS_PASSWORD)"
	}
	if missing != "" {
		return c, failure.New(failure.Auth, from+" lacks "+missing, threeWays, nil)
	}
	return c, nil
}

// knownAuthType refuses the ways of signing in that are not spoken here.
// gophercloud ignores auth_type: it would try the user's single sign-on name
// and password with Keystone, and get a 401.
func knownAuthType(authType, from string) error {
	switch clouds.AuthType(authType) {
	case "", clouds.AuthPassword, clouds.AuthV3Password, clouds.AuthV3ApplicationCredential:
		return nil
	}
	next := "make an application credential and use that. " + remedyAppCred
	switch {
	case authType == "v3chameleonoidc":
		next = "run cc-login, which makes an application credential, and use that"
	case strings.Contains(authType, "token"):
		next = "a token ends in the middle of a run and cannot be renewed: " + next
	}
	return failure.New(failure.Auth, fmt.Sprintf("%s asks for auth_type %q, which chexp does not speak yet", from, authType), next, nil)
}

func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}
