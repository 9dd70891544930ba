package signin

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// entry is one cloud, flattened.
type entry struct {
	auth          settings
	authType      string
	region, iface string
	verify        string
	cacert        string
	cert, key     string
	profile       string // names a file of defaults, which is not read
}

// rawEntry is one cloud as it stands in the file. A setting of auth may also
// stand beside it: the dashboard's file for users of the single sign-on has
// project_name there [CIAB:kolla/node_custom_config/horizon/clouds.yaml.template],
// and the OpenStack command line takes both. Values are kept as they are
// written: a password of 0123 is no number.
type rawEntry struct {
	Auth map[string]string    `yaml:"auth"`
	Rest map[string]yaml.Node `yaml:",inline"`
}

// aliases are other spellings of settings.
var aliases = map[string]string{"tenant_name": "project_name", "tenant_id": "project_id",
	"user_domain": "user_domain_name",
	"scope":       "openid_scope", "endpoint_type": "interface"}

func canonical(key string) string {
	key = strings.ReplaceAll(key, "-", "_")
	return cmp.Or(aliases[key], key)
}

// flatten merges entries; the later win, and auth wins over what is beside it.
func flatten(all ...rawEntry) entry {
	beside, auth := settings{}, settings{}
	for _, raw := range all {
		for k, n := range raw.Rest {
			if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
				beside[canonical(k)] = n.Value
			}
		}
		for k, v := range raw.Auth {
			auth[canonical(k)] = v
		}
	}
	e := entry{auth: settings{}, authType: beside["auth_type"], region: beside["region_name"],
		iface:  beside["interface"],
		verify: beside["verify"], cacert: beside["cacert"], cert: beside["cert"], key: beside["key"],
		profile: cmp.Or(beside["profile"], beside["cloud"])}
	for _, setting := range known {
		if v := cmp.Or(auth[setting], beside[setting]); v != "" {
			e.auth[setting] = v
		}
	}
	return e
}

func fromFile(o Options, file, name string) (credentials, error) {
	entries, err := readClouds(file)
	if err != nil {
		return credentials{}, err
	}
	names := slices.Sorted(maps.Keys(entries))
	if name == "" {
		if len(names) != 1 {
			return credentials{}, failure.Auth.Errorf("%s has %d clouds and none was chosen", file, len(names)).
				Advise("choose with --os-cloud or OS_CLOUD: %s", strings.Join(names, ", "))
		}
		name = names[0]
	}
	public, ok := entries[name]
	if !ok {
		return credentials{}, failure.Auth.Errorf("%s has no cloud %q", file, name).
			Advise("it has: %s", strings.Join(names, ", "))
	}
	c := credentials{cloud: name, from: fmt.Sprintf("cloud %q of %s", name, file)}
	private, err := c.private(file, name)
	if err != nil {
		return credentials{}, err
	}
	e := flatten(public, private)
	if public.Auth == nil && private.Auth == nil && len(e.auth) == 0 {
		return c, failure.Auth.Errorf("%s has no auth: section", c.from).Advise("%s", remedyCompare)
	}
	c.stale = contradictions(o, e, c.from)
	c.addSecret(&e)
	return c, c.withStale(c.build(o, e))
}

// private reads what a secure.yaml has of the cloud. Like the OpenStack command
// line it looks beside clouds.yaml and then wherever clouds.yaml may lie;
// OS_CLIENT_SECURE_FILE names the only one.
func (c *credentials) private(clouds, name string) (rawEntry, error) {
	beside, given := filepath.Join(filepath.Dir(clouds), secureName), os.Getenv("OS_CLIENT_SECURE_FILE")
	places := []string{beside}
	for _, p := range usualPlaces() {
		places = append(places, filepath.Join(filepath.Dir(p), secureName))
	}
	if given != "" {
		places = []string{given}
	}
	for _, f := range places {
		if _, err := os.Stat(f); err != nil && given == "" {
			continue
		}
		all, err := readClouds(f)
		if err != nil {
			return rawEntry{}, err
		}
		if entry, ok := all[name]; ok {
			if f != beside {
				c.from += " and " + f
			}
			return entry, nil
		}
	}
	return rawEntry{}, nil
}

// secureName is the file that holds the secrets of a clouds.yaml.
const secureName = "secure.yaml"

// addSecret takes the one thing that the dashboard leaves out of a clouds.yaml
// from the environment, if there is no other.
func (c *credentials) addSecret(e *entry) {
	how, err := chooseMethod(*e, c.from)
	if err != nil {
		return
	}
	setting := map[string]string{byPassword: "password", byOIDCPassword: "password",
		byAppCred: "application_credential_secret",
		byToken:   "token", byOIDCAccessToken: "access_token"}[how]
	if name, value := variable(setting); e.auth[setting] == "" && value != "" {
		e.auth[setting] = value
		c.from += ", with " + name
	}
}

// maxClouds bounds a clouds.yaml, and a file of certificates.
const maxClouds = 4 << 20

var yamlLine = regexp.MustCompile(`line \d+`)

// readClouds reads clouds.yaml or secure.yaml. The parser's messages quote the
// file, which holds secrets: only the number of the line is passed on.
func readClouds(file string) (map[string]rawEntry, error) {
	b, err := files.Read(file, maxClouds)
	if err != nil {
		return nil, failure.Auth.Errorf("cannot read %s", file).Because(bare(err))
	}
	var all struct {
		Clouds map[string]rawEntry `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(b, &all); err != nil {
		at := yamlLine.FindString(err.Error())
		if at != "" {
			at = " at " + at
		}
		return nil, failure.Auth.Errorf("%s is not a valid clouds.yaml%s", file, at).
			Advise("compare it with the one that the site's dashboard makes")
	}
	if len(all.Clouds) == 0 {
		return nil, failure.Auth.Errorf("%s has no clouds: section with an entry in it", file).
			Advise("compare it with the one that the site's dashboard makes")
	}
	return all.Clouds, nil
}

// bare is an error without the path, which the sentence has already.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// tlsConfig is for a site with a certificate of its own; the variables win, as
// with the OpenStack command line.
func (e entry) tlsConfig() (*tls.Config, error) {
	config := new(tls.Config)
	switch strings.ToLower(e.verify) {
	case "false", "no", "off", "n":
		config.InsecureSkipVerify = true
	}
	if file := cmp.Or(os.Getenv("OS_CACERT"), e.cacert); file != "" {
		pem, err := files.Read(untilde(file), maxClouds)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", file, bare(err))
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
		}
	}
	cert, key := cmp.Or(os.Getenv("OS_CERT"), e.cert), cmp.Or(os.Getenv("OS_KEY"), e.key)
	if cert == "" && key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(untilde(cert), untilde(key))
	if err != nil {
		return nil, fmt.Errorf("cert and key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func untilde(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
