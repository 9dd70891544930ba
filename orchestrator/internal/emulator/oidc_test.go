package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/keystone"
	"chexp/orchestrator/internal/emulator/world"
)

// send is one request with anything in it.
func send(t *testing.T, method, target, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // a page is none
	return a
}

const formType = "application/x-www-form-urlencoded"

func (c *client) tokenEndpoint() string {
	c.t.Helper()
	return c.want(200, send(c.t, "GET", c.e.DiscoveryURL(), "")).text("token_endpoint")
}

func (c *client) form(kv ...string) string {
	v := url.Values{"client_id": {keystone.ClientID}, "grant_type": {"password"}, "scope": {"openid profile"},
		"username": {world.Alice}, "password": {c.e.world.User(world.Alice).Password}}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v.Encode()
}

func (c *client) accessToken() string {
	c.t.Helper()
	return c.want(200, send(c.t, "POST", c.tokenEndpoint(), c.form(), "Content-Type", formType)).text("access_token")
}

func (c *client) federationURL() string {
	return c.e.AuthURL() + "/OS-FEDERATION/identity_providers/chameleon/protocols/openid/auth"
}

// The four steps: discovery, access token, unscoped token, project.
func TestSingleSignOn(t *testing.T) {
	c := start(t, Options{})
	d := c.want(200, send(t, "GET", c.e.DiscoveryURL(), ""))
	if !strings.Contains(d.raw, `"password"`) || !strings.HasPrefix(c.e.DiscoveryURL(), d.text("issuer")) {
		t.Errorf("discovery %v", d)
	}
	unscoped := c.want(201, send(t, "POST", c.federationURL(), "", "Authorization", "Bearer "+c.accessToken()))
	if unscoped.at("token", "catalog") != nil || unscoped.at("token", "project") != nil ||
		unscoped.at("token", "roles") != nil ||
		unscoped.text("token", "methods", 0) != "openid" ||
		unscoped.text("token", "user", "OS-FEDERATION", "identity_provider", "id") != "chameleon" {
		t.Errorf("unscoped token %v", unscoped)
	}
	c.token = unscoped.header.Get("X-Subject-Token")
	projects := c.want(200, c.do("GET", c.e.AuthURL()+"/auth/projects", nil))
	if projects.text("projects", 0, "name") != "CHI-000001" {
		t.Errorf("projects %v", projects)
	}
	c.want(401, c.blazar("GET", "/leases", nil))
	scope := func(project map[string]any) answer {
		return c.do("POST", c.e.AuthURL()+"/auth/tokens", map[string]any{"auth": map[string]any{
			"identity": map[string]any{"methods": []string{"token"}, "token": map[string]any{"id": c.token}},
			"scope":    map[string]any{"project": project}}})
	}
	c.want(401, scope(map[string]any{"name": "CHI-000002", "domain": map[string]any{"name": "chameleon"}}))
	c.want(201, scope(map[string]any{"id": projects.text("projects", 0, "id")}))
	scoped := c.want(201, scope(map[string]any{"name": "CHI-000001", "domain": map[string]any{"name": "chameleon"}}))
	if scoped.at("token", "catalog", 0) == nil || scoped.text("token", "methods", 1) != "token" ||
		scoped.at("token", "user", "OS-FEDERATION") == nil {
		t.Errorf("scoped token %v", scoped)
	}
	if scoped.text("token", "expires_at") != unscoped.text("token", "expires_at") {
		t.Error("a token's life is longer than that of the one it came from")
	}
	c.token = scoped.header.Get("X-Subject-Token")
	c.want(200, c.blazar("GET", "/leases", nil))
}

func TestTokenEndpoint(t *testing.T) {
	c := start(t, Options{})
	at := c.tokenEndpoint()
	basic := func(kv ...string) answer {
		v, _ := url.ParseQuery(c.form(kv...))
		v.Del("client_id")
		req, _ := http.NewRequest("GET", at, nil)
		req.SetBasicAuth(keystone.ClientID, "none")
		return send(t, "POST", at, v.Encode(), "Content-Type", formType, "Authorization",
			req.Header.Get("Authorization"))
	}
	good := c.want(200, basic())
	if good.at("expires_in") != 300.0 || good.text("token_type") != "Bearer" || good.at("id_token") == nil {
		t.Errorf("%v", good)
	}
	refresh := []string{"grant_type", "refresh_token", "refresh_token", good.text("refresh_token")}
	c.want(200, basic(refresh...))
	for name, x := range map[string]struct {
		status int
		code   string
		got    answer
	}{
		"a refresh token twice": {400, "invalid_grant", basic(refresh...)},
		"wrong password":        {401, "invalid_grant", basic("password", "x")},
		"unknown user":          {401, "invalid_grant", basic("username", "x")},
		"unknown client": {401, "invalid_client", send(t, "POST", at, c.form("client_id", "x"), "Content-Type",
			formType)},
		"no password for this": {400, "unauthorized_client",
			send(t, "POST", at, c.form("client_id", "chi-cli-device-token"), "Content-Type", formType)},
		"another grant": {400, "unsupported_grant_type", basic("grant_type", "magic")},
		"no form":       {400, "invalid_request", send(t, "POST", at, c.form(), "Content-Type", "text/plain")},
	} {
		if x.got.status != x.status || x.got.text("error") != x.code {
			t.Errorf("%s: %v, want %d %s", name, x.got, x.status, x.code)
		}
	}
	userinfo := strings.Replace(at, "/token", "/userinfo", 1)
	if u := c.want(200, send(t, "GET", userinfo, "", "Authorization",
		"Bearer "+good.text("access_token"))); u.text("preferred_username") != world.Alice {
		t.Errorf("%v", u)
	}
	c.want(401, send(t, "GET", userinfo, ""))
	c.want(404, send(t, "GET", strings.Replace(at, "chameleon", "elsewhere", 1), ""))
}

func TestFederationRefuses(t *testing.T) {
	c := start(t, Options{})
	access := c.accessToken()
	if a := c.want(302, send(t, "POST", c.federationURL(), "")); !strings.Contains(a.header.Get("Location"),
		"/openid-connect/auth?") {
		t.Errorf("%v", a.header)
	}
	if a := c.want(401, send(t, "POST", c.federationURL(), "", "Authorization",
		"Bearer x")); !strings.HasPrefix(a.raw, "<html>") {
		t.Errorf("%v", a)
	}
	c.want(404, send(t, "POST", strings.Replace(c.federationURL(), "chameleon", "x", 1), "", "Authorization",
		"Bearer "+access))
	c.want(401, send(t, "POST", strings.Replace(c.federationURL(), "openid", "x", 1), "", "Authorization",
		"Bearer "+access))
	// An access token lives five minutes, what it was exchanged for does not die with it.
	c.token = c.want(201, send(t, "POST", c.federationURL(), "", "Authorization",
		"Bearer "+access)).header.Get("X-Subject-Token")
	c.e.Advance(5 * time.Minute)
	c.want(401, send(t, "POST", c.federationURL(), "", "Authorization", "Bearer "+access))
	c.want(200, c.do("GET", c.e.AuthURL()+"/auth/projects", nil))
}

// "token: expires in 30s", for the tokens that are there and those to come.
func TestTokenLife(t *testing.T) {
	c := start(t, Options{})
	c.signIn(world.Alice)
	early := c.token
	access := c.accessToken()
	c.token = ""
	c.want(400, c.do("POST", c.e.ControlURL()+"/tokens", map[string]any{"life": "-1s"}))
	c.want(200, c.do("POST", c.e.ControlURL()+"/tokens", map[string]any{"life": "30s", "access_life": "10s"}))
	c.signIn(world.Alice)
	late := c.token
	if n := c.want(200, send(t, "POST", c.tokenEndpoint(), c.form(), "Content-Type",
		formType)).at("expires_in"); n != 10.0 {
		t.Errorf("expires_in %v", n)
	}
	for _, step := range []struct{ tokens, access int }{{200, 201}, {200, 401}, {401, 401}} {
		for _, token := range []string{early, late} {
			c.token = token
			c.want(step.tokens, c.blazar("GET", "/leases", nil))
		}
		c.want(step.access, send(t, "POST", c.federationURL(), "", "Authorization", "Bearer "+access))
		c.e.Advance(15 * time.Second)
	}
}

func TestOIDCEntry(t *testing.T) {
	c := start(t, Options{})
	b, err := os.ReadFile(c.e.CloudsFile())
	if err != nil {
		t.Fatal(err)
	}
	_, entry, ok := strings.Cut(string(b), "  chexp-emulator-oidc:\n")
	if !ok || !strings.Contains(entry, "\n    project_name: ") ||
		!strings.Contains(entry, "\n      client_secret: \"none\"") {
		t.Errorf("%s", b)
	}
}

// keystoneauth's own v3oidcpassword and v3oidcaccesstoken, through the OpenStack
// command line, sign in here.
func TestKeystoneauthSignsIn(t *testing.T) {
	openstack, err := exec.LookPath("openstack")
	if err != nil {
		t.Skip("no openstack command: install python3-openstackclient")
	}
	c := start(t, Options{})
	access, _ := c.e.AccessToken()
	home := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	for name, env := range map[string][]string{
		"v3oidcpassword": {"OS_CLIENT_CONFIG_FILE=" + c.e.CloudsFile(), "OS_CLOUD=chexp-emulator-oidc"},
		"v3oidcaccesstoken": {"OS_AUTH_TYPE=v3oidcaccesstoken", "OS_ACCESS_TOKEN=" + access,
			"OS_IDENTITY_PROVIDER=chameleon", "OS_PROTOCOL=openid",
			"OS_PROJECT_DOMAIN_NAME=chameleon", "OS_PROJECT_NAME=CHI-000001", "OS_AUTH_URL=" + c.e.AuthURL(),
			"OS_REGION_NAME=CHI@Edge"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, openstack, "token", "issue", "-f", "json")
			cmd.Env = append(home, env...)
			out, err := cmd.Output()
			var token map[string]string
			if err != nil || json.Unmarshal(out, &token) != nil ||
				token["project_id"] != c.e.world.User(world.Alice).Project.ID {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					t.Logf("%s", exit.Stderr)
				}
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
