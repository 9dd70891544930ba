package signin

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"chexp/experiments/failure"
)

// contradictions finds the environment variables, perhaps left from another
// site's openrc file, that say something else than the entry does. The file's
// settings win; the region, the interface and the certificates are the
// variable's, as with gophercloud and the OpenStack command line, unless the
// region was asked for.
func contradictions(o Options, e entry, from string) []string {
	var lost, shown []string
	differs := func(setting, name, env string) {
		what := fmt.Sprintf("%s is %s", name, env)
		if slices.Contains(secrets, setting) {
			what = name + " differs"
		}
		lost, shown = append(lost, name), append(shown, what)
	}
	for _, setting := range known {
		name, env := variable(setting)
		if file := e.auth[setting]; env != "" && file != "" && !sameSetting(setting, env, file) {
			differs(setting, name, env)
		}
	}
	if env := os.Getenv("OS_AUTH_TYPE"); env != "" && e.authType != "" &&
		strings.TrimPrefix(env, "v3") != strings.TrimPrefix(e.authType, "v3") {
		differs("auth_type", "OS_AUTH_TYPE", env)
	}
	var all []string
	if lost != nil {
		all = append(all, fmt.Sprintf("%s, unlike in %s: the file wins. If that is from another openrc file: unset %s",
			strings.Join(shown, ", "), from, strings.Join(lost, " ")))
	}
	return append(all, staleRegion(o, e, from)...)
}

func staleRegion(o Options, e entry, from string) []string {
	var all []string
	env := os.Getenv("OS_REGION_NAME")
	switch {
	case env == "":
	case o.Region != "" && o.Region != env:
		all = append(all, fmt.Sprintf("OS_REGION_NAME is %s, but region %s was asked for, which wins. If it is "+
			"from another openrc file: unset OS_REGION_NAME", env, o.Region))
	case o.Region == "" && e.region != "" && e.region != env:
		all = append(all, fmt.Sprintf("OS_REGION_NAME is %s, but %s says %s: the variable wins. If it is from "+
			"another openrc file: unset OS_REGION_NAME", env, from, e.region))
	}
	if env := os.Getenv("OS_INTERFACE"); env != "" && e.iface != "" && availability(env) != availability(e.iface) {
		all = append(all, fmt.Sprintf("OS_INTERFACE is %s, but %s says %s: the variable wins. If it is from "+
			"another openrc file: unset OS_INTERFACE", env, from, e.iface))
	}
	return all
}

// sameSetting forgives an auth_url its spelling.
func sameSetting(setting, a, b string) bool {
	if setting == "auth_url" {
		plain := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "/"), "/v3") }
		return plain(a) == plain(b)
	}
	return a == b
}

// surplus finds secrets in the environment that the chosen way of signing in
// does not use: two openrc files were sourced one after the other.
func (c credentials) surplus() []string {
	uses := map[string][]string{byPassword: {"password"}, byOIDCPassword: {"password", "client_secret"},
		byAppCred: {"application_credential_secret"},
		byToken:   {"token"}, byOIDCAccessToken: {"access_token"}}[c.how]
	var names []string
	for _, setting := range secrets {
		if name, value := variable(setting); value != "" && value != noSecret && !slices.Contains(uses, setting) {
			names = append(names, name)
		}
	}
	if names == nil || c.how == "" {
		return nil
	}
	what := "is"
	if len(names) > 1 {
		what = "are"
	}
	why := "OS_AUTH_TYPE says so"
	if os.Getenv("OS_AUTH_TYPE") == "" {
		why = "OS_AUTH_TYPE is not set"
	}
	return []string{fmt.Sprintf("%s %s set too and not used: chexp signs in by %s (%s). If that is from another "+
		"openrc file: unset %s",
		strings.Join(names, ", "), what, c.how, why, strings.Join(names, " "))}
}

// withStale adds to a failure what may be its cause.
func (c credentials) withStale(err error) error {
	var f *failure.Error
	if len(c.stale) == 0 || !errors.As(err, &f) {
		return err
	}
	more := *f
	more.Next = strings.Join(append([]string{strings.TrimSuffix(f.Next, ".")}, c.stale...), ". ")
	return &more
}

// otherProject returns the setting that names another project than this one,
// by its variable where it comes from the environment.
func (c credentials) otherProject(p tokens.Project) (name, value string) {
	for _, x := range [][2]string{{"project_id", p.ID}, {"project_name", p.Name}} {
		if value := c.given[x[0]]; value != "" && value != x[1] {
			name = x[0]
			if c.cloud == "" {
				name, _ = variable(name)
			}
			return name, value
		}
	}
	return "", ""
}
