package signin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"chexp/experiments/failure"
)

// entry is one cloud, flattened.
type entry struct {
	auth          settings
	authType      string
	region, iface string
	verify        any // a bool, the path of a bundle, or nil
	insecure      bool
	cacert        string
	cert, key     string
	profile       string // a profile that was not found
}

// aliases are other spellings of settings.
var aliases = map[string]string{"tenant_name": "project_name", "tenant_id": "project_id",
	"user_domain": "user_domain_name", "user_name": "username",
	"auth_token": "token",
	"scope":      "openid_scope", "endpoint_type": "interface", "auth_plugin": "auth_type"}

func canonical(key string) string { return cmp.Or(aliases[key], key) }

// flatten reads the settings of a cloud. All of auth may also stand beside it: the
// dashboard's file for users of the single sign-on has project_name there
// [CIAB:kolla/node_custom_config/horizon/clouds.yaml.template], and the OpenStack
// command line takes both. What is in auth wins.
func flatten(cloud tree) entry {
	texts := func(t tree) settings {
		all := settings{}
		for _, k := range slices.Backward(slices.Sorted(maps.Keys(t))) {
			v, isText := t[k].(string)
			if b, isBool := t[k].(bool); isBool {
				v, isText = fmt.Sprint(b), true
			}
			if isText && (canonical(k) == k || all[canonical(k)] == "") {
				all[canonical(k)] = v
			}
		}
		return all
	}
	beside, auth := texts(cloud), texts(cloud.below("auth"))
	e := entry{auth: settings{}, authType: cmp.Or(beside["auth_type"], auth["auth_type"]),
		region: beside["region_name"],
		iface:  beside["interface"], verify: cloud["verify"], insecure: strings.EqualFold(beside["insecure"], "true"),
		cacert: beside["cacert"], cert: beside["cert"], key: beside["key"]}
	for _, setting := range known {
		if v := cmp.Or(auth[setting], beside[setting]); v != "" {
			e.auth[setting] = v
		}
	}
	return e
}

// clouds is what the files say: a clouds.yaml, and what a secure.yaml adds to it.
type clouds struct {
	file   string
	secure string // "" if there is none
	all    tree   // entries by name
	added  tree   // what the secure.yaml has of them
	looked []string
	notes  []string // files that variables name and that are not there
}

// readClouds finds and reads the files as openstacksdk does; a secure.yaml that
// lies beside the clouds.yaml counts, too, below the one that the SDK takes.
func readClouds(o Options) (clouds, error) {
	var c clouds
	var main found
	var err error
	if o.CloudsFile != "" {
		main = found{looked: []string{o.CloudsFile}}
		if st, statErr := os.Stat(o.CloudsFile); statErr == nil && !st.IsDir() {
			main.path = o.CloudsFile
			main.holds, err = readTree(main.path)
		}
	} else {
		main, err = findFile("clouds", "OS_CLIENT_CONFIG_FILE")
		c.note("OS_CLIENT_CONFIG_FILE", main.path)
	}
	if err != nil {
		return c, err
	}
	secure, err := findFile("secure", "OS_CLIENT_SECURE_FILE")
	if err != nil {
		return c, err
	}
	c.note("OS_CLIENT_SECURE_FILE", secure.path)
	c.file, c.looked = main.path, main.looked
	holds := secure.holds
	if beside := filepath.Join(filepath.Dir(main.path), secureName); main.path != "" && beside != secure.path {
		if st, err := os.Stat(beside); err == nil && !st.IsDir() {
			more, err := readTree(beside)
			if err != nil {
				return c, err
			}
			holds = merged(more, holds)
			secure.path = cmp.Or(secure.path, beside)
		}
	}
	c.secure, c.added = secure.path, holds.below("clouds")
	c.file = cmp.Or(c.file, c.secure)
	c.all = merged(main.holds, holds).below("clouds")
	return c, nil
}

// secureName is the file that holds the secrets of a clouds.yaml.
const secureName = "secure.yaml"

// note remembers a variable whose file was not taken: it is not there.
func (c *clouds) note(variable, taken string) {
	if given := os.Getenv(variable); given != "" && given != taken {
		c.notes = append(c.notes, fmt.Sprintf("%s is %s, which cannot be read, and is passed over", variable, given))
	}
}

func fromFile(ctx context.Context, o Options, files clouds, name string) (credentials, error) {
	names := slices.Sorted(maps.Keys(files.all))
	if len(names) == 0 {
		return credentials{}, failure.Auth.Errorf("%s has no clouds: section with an entry in it", files.file).
			Advise("compare it with the one that the site's dashboard makes")
	}
	if name == "" {
		if len(names) != 1 {
			return credentials{}, failure.Auth.Errorf("%s has %d clouds and none was chosen", files.file, len(names)).
				Advise("choose with --os-cloud or OS_CLOUD: %s", strings.Join(names, ", "))
		}
		name = names[0]
	}
	if _, ok := files.all[name]; !ok {
		return credentials{}, failure.Auth.Errorf("%s has no cloud %q", files.file, name).
			Advise("it has: %s", strings.Join(names, ", "))
	}
	c := credentials{cloud: name, from: fmt.Sprintf("cloud %q of %s", name, files.file), stale: files.notes}
	own, ok := files.all[name].(tree)
	if !ok {
		return c, failure.Auth.Errorf("%s holds no settings", c.from).Advise("%s", remedyCompare)
	}
	own = own.underscored()
	if _, ok := own["auth"].(string); ok {
		return c, failure.Auth.Errorf("%s has something else than settings under auth:", c.from).
			Advise("%s", remedyCompare)
	}
	if _, ok := files.added[name]; ok && files.secure != filepath.Join(filepath.Dir(files.file), secureName) {
		c.from += " and " + files.secure
	}
	cloud, profile, err := c.withProfile(ctx, o, own)
	if err != nil {
		return c, c.withStale(err)
	}
	if cloud, err = c.inRegion(o, cloud, own); err != nil {
		return c, c.withStale(err)
	}
	e := flatten(cloud)
	e.profile = profile
	if len(own.below("auth")) == 0 && len(e.auth) == 0 {
		return c, c.withStale(failure.Auth.Errorf("%s has no auth: section", c.from).Advise("%s", remedyCompare))
	}
	if err := c.fillIn(cloud, e.auth); err != nil {
		return c, err
	}
	c.stale = append(c.stale, contradictions(o, e, c.from)...)
	c.addMissing(&e)
	return c, c.withStale(c.build(o, e))
}

// inRegion lays a region's own values over the cloud. Among several regions the
// one that was asked for is taken, or else the first.
func (c *credentials) inRegion(o Options, cloud, own tree) (tree, error) {
	list, ok := own["regions"].([]any)
	if name := own.text("region_name"); !ok && name != "" {
		names := strings.Split(name, ",")
		if len(names) == 1 {
			return cloud, nil
		}
		for _, n := range names {
			list = append(list, n)
		}
	} else if !ok {
		list, _ = cloud["regions"].([]any)
	}
	if len(list) == 0 {
		return cloud, nil
	}
	asked := cmp.Or(o.Region, os.Getenv("OS_REGION_NAME"))
	var names []string
	for _, r := range list {
		name, values := "", tree(nil)
		switch r := r.(type) {
		case string:
			name = r
		case tree:
			name, values = r.text("name"), r.below("values").underscored()
			for k := range r {
				if k != "name" && k != "values" || name == "" {
					return nil, failure.Auth.Errorf("a region of %s is written wrongly", c.from).
						Advise("each is a name, or has name: and below values: what is its own")
				}
			}
		}
		if names = append(names, name); asked == "" || asked == name {
			return updated(updated(cloud, values), tree{"region_name": name}), nil
		}
	}
	return nil, failure.Auth.Errorf("%s has no region %q", c.from, asked).
		Advise("it has: %s. The region is chosen by --region or OS_REGION_NAME", strings.Join(names, ", "))
}

var braces = regexp.MustCompile(`\{(\w*)\}`)

// fillIn puts settings in the place of their names in an auth_url, as profiles
// have them: https://{region_name}.example.org.
func (c *credentials) fillIn(cloud tree, auth settings) (err error) {
	auth["auth_url"] = braces.ReplaceAllStringFunc(auth["auth_url"], func(name string) string {
		value := cloud.text(strings.Trim(name, "{}"))
		if value == "" {
			err = failure.Auth.Errorf("the auth_url of %s has %s in it, and there is no such setting", c.from, name).
				Advise("write the address in full; it looks like https://chi.edge.chameleoncloud.org:5000/v3")
		}
		return value
	})
	return err
}

// ofMethod are the settings that a way of signing in takes, besides auth_url; of a
// group, one is enough.
var ofMethod = map[string][][]string{
	byPassword: {{"username", "user_id"}, {"password"}, userDomain, projectGroup, projectDomain},
	byAppCred:  {{"application_credential_id", "application_credential_name"}, {"application_credential_secret"}},
	byToken:    {{"token"}, projectGroup, projectDomain},
	byOIDCPassword: {{"username"}, {"password"}, {"identity_provider"}, {"protocol"},
		{"discovery_endpoint", "access_token_endpoint"}, {"client_id"}, {"client_secret"}, projectGroup, projectDomain},
	byOIDCAccessToken: {{"access_token"}, {"identity_provider"}, {"protocol"}, projectGroup, projectDomain},
}

var (
	userDomain    = []string{"user_domain_name", "user_domain_id", "domain_name", "domain_id"}
	projectGroup  = []string{"project_name", "project_id"}
	projectDomain = []string{"project_domain_name", "project_domain_id", "domain_name", "domain_id"}
)

// addMissing takes from the environment what a file leaves out, such as the secret,
// which the dashboard's files leave out.
func (c *credentials) addMissing(e *entry) {
	how, err := chooseMethod(*e, c.from)
	if err != nil {
		return
	}
	var from []string
	for _, group := range append([][]string{{"auth_url"}}, ofMethod[how]...) {
		if slices.ContainsFunc(group, func(setting string) bool { return e.auth[setting] != "" }) {
			continue
		}
		for _, setting := range group {
			if name, value := variable(setting); value != "" {
				e.auth[setting] = value
				from = append(from, name)
			}
		}
	}
	if from != nil {
		c.from += ", with " + strings.Join(from, ", ")
	}
}
